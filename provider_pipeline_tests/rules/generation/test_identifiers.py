"""Which field, or pair of fields, is the id."""

import pytest

from provider_pipeline.rules.generation.identifiers import id_choices
from provider_pipeline.rules.generation.shape import shape_of
from provider_pipeline_tests.rules.generation.generated import rows_of

NAMES = ("acme/gpt-4o", "acme/llama-3.1-8b-instruct", "acme/bge-m3")


def expressions(*items):
    return [choice.expression for choice in id_choices(shape_of(items))]


def test_the_id_of_a_nested_object_is_not_the_id_of_the_item():
    items = [{"Id": f"ep-2024060{n}-abcdef", "Reference": {"Base": {"Name": name}}} for n, name in enumerate(NAMES)]
    assert set(rows_of({"Items": items})) == {item["Id"] for item in items}


def test_a_unique_key_that_names_an_id_is_preferred():
    assert expressions({"id": "a-1", "name": "A", "owner": "x"}, {"id": "b-2", "name": "B", "owner": "x"})[0] == "id"
    assert expressions({"uuid": "a-1", "model_name": "gpt-4o"}, {"uuid": "a-1", "model_name": "o3"})[0] == "model_name"


def test_owner_and_name_together_are_the_id_only_where_names_repeat_or_another_field_confirms_it():
    same = [{"owner": owner, "name": "sdxl"} for owner in ("acme", "zeta")]
    assert expressions(*same)[0] == "join('/', [owner, name])"
    other = [{"owner": "acme", "name": "sdxl"}, {"owner": "zeta", "name": "flux"}]
    assert expressions(*other)[0] == "name"
    confirmed = [{**item, "url": f"https://x.example/{item['owner']}/{item['name']}"} for item in other]
    assert expressions(*confirmed)[0] == "join('/', [owner, name])"


def test_numbers_are_ids_too_but_not_mixed_with_texts():
    assert [choice.id_type for choice in id_choices(shape_of([{"id": 1}, {"id": 2}]))] == ["integer"]
    assert expressions({"id": 1}, {"id": "b"}) == []


def test_an_id_may_be_called_a_uuid_without_being_one():
    named = [{"model_uuid": f"acme/paint-{n}", "name": f"Paint {n}"} for n in range(3)]
    assert set(rows_of({"data": named})) == {"acme/paint-0", "acme/paint-1", "acme/paint-2"}
    opaque = [{"model_uuid": f"0a1b2c3d-0000-4000-8000-00000000000{n}", "name": name} for n, name in enumerate(NAMES)]
    assert set(rows_of({"data": opaque})) == set(NAMES)


def test_a_handle_with_the_provider_in_front_is_what_callers_send():
    names = {"gpt-4o": "openai", "claude-3-haiku": "anthropic", "acme-free": "acme"}
    items = [{"model": name, "handle": f"{owner}/{name}", "context_window": 8192} for name, owner in names.items()]
    assert set(rows_of(items)) == {f"{owner}/{name}" for name, owner in names.items()}


@pytest.mark.parametrize(("key", "ids"), [("EndpointName", ["llama-3-8b", "fraud"]), ("air", ["acme:1@2", "acme:3@4"])])
def test_an_endpoints_name_and_a_resource_name_are_ids_beside_a_title(key, ids):
    assert set(rows_of([{key: text, "name": f"The {text}", "version": "1"} for text in ids])) == set(ids)


@pytest.mark.parametrize("key", ["id_v2", "idV3", "modelId_v2x", "id_text"])
def test_a_version_or_a_form_behind_the_word_id_changes_no_meaning(key):
    assert set(rows_of([{key: name, "name": name.split("/")[1], "object": "model"} for name in NAMES])) == set(NAMES)


def test_a_word_before_the_word_id_makes_it_the_id_of_something_else():
    assert set(rows_of([{"licence_id": f"l/{n}", "name": name} for n, name in enumerate(NAMES)])) == set(NAMES)


def test_an_owner_is_put_before_ids_only_where_it_explains_their_repeats():
    named_after = [
        {"id": f"acme.{name}", "provider": owner, "context_length": size}
        for name in ("gpt-4o", "gpt-5")
        for owner, size in (("Acme", 128000), ("Zeta", 8192))
    ]
    assert set(rows_of(named_after)) == {"acme.gpt-4o", "acme.gpt-5"}
    repeated = [
        {"id": name, "provider": owner, "context_length": size}
        for name, owner in (("gpt-4o", "acme"), ("gpt-5", "zeta"), ("o3", "acme"))
        for size in (128000, 8192)
    ]
    repeated.append({"id": "gpt-4o", "provider": "zeta", "context_length": 8192})
    assert set(rows_of(repeated)) == {"gpt-4o", "gpt-5", "o3"}
    explained = [
        {"id": name, "provider": owner, "context_length": size}
        for name in ("gpt-4o", "gpt-5")
        for owner, size in (("acme", 128000), ("zeta", 8192))
    ]
    assert set(rows_of(explained)) == {"acme/gpt-4o", "zeta/gpt-4o", "acme/gpt-5", "zeta/gpt-5"}
