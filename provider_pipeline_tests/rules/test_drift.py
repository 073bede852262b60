"""Changes between two responses are described with counts."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.drift import MAX_DIFFERENCES, describe_drift
from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline_tests.fleet import CHAT_MODELS, listing, moved

GOOD = listing(*CHAT_MODELS)
RULE = ExtractionRule.parse(RuleGenerator().analyze_sample(GOOD))


def texts(after: Any, before: Any = GOOD) -> list[str]:
    return [difference.text for difference in describe_drift(RULE, [before], [after])]


def changed(change) -> dict[str, Any]:
    document = copy.deepcopy(GOOD)
    for item in document["data"]:
        change(item)
    return document


def test_an_unchanged_response_has_no_difference():
    assert texts(copy.deepcopy(GOOD)) == []


def test_a_list_that_moved_is_named_with_both_places():
    assert texts({"models": GOOD["data"]}) == ["`data` became `models`"]


def test_renamed_fields_are_found_by_their_values():
    found = texts(moved(*CHAT_MODELS))
    assert "`data` became `result.models`" in found
    assert "`context_length` became `max_context` in all 5 items" in found
    assert "`id` became `model` in all 5 items" in found


def test_a_field_that_vanished_is_counted():
    assert texts(changed(lambda item: item.pop("context_length"))) == ["`context_length` vanished from all 5 items"]


def test_a_field_that_most_items_lost_is_counted():
    after = copy.deepcopy(GOOD)
    for item in after["data"][1:]:
        del item["context_length"]
    assert texts(after) == ["`context_length` is given in 1 of 5 items; it was in 5 of 5"]


def test_a_change_of_type_is_named():
    found = texts(changed(lambda item: item.update(context_length=str(item["context_length"]))))
    assert found == ["`context_length` changed from number to string in all 5 items"]


def test_a_change_of_unit_is_seen_by_the_size_of_the_values():
    found = texts(changed(lambda item: item["pricing"].update(prompt="2.0", completion="2.0")))
    assert "the values of `pricing.prompt` are now about 1,000,000 times as large" in found


def test_a_new_form_of_the_ids_is_distinguished_from_other_models():
    assert texts(changed(lambda item: item.update(id=f"acme/{item['id']}"))) == [
        "ids are written in another form: `claude-sonnet-4-5` became `acme/claude-sonnet-4-5`, 5 of 5"
    ]
    others = texts({"data": [{"id": f"whisper-{n}"} for n in range(5)]})
    assert "5 of 5 models are gone, other ones are there: `whisper-0`, `whisper-1`, `whisper-2`, …" in others


def test_a_model_that_left_is_named():
    after = {**GOOD, "data": GOOD["data"][:-1]}
    assert texts(after) == ["1 of 5 models are gone: `mistral-large-2411`"]


@pytest.mark.parametrize(
    ("after", "end"),
    [
        ({"error": {"message": "no"}}, "is gone: the answer is an object with `error`"),
        ({"data": []}, "is empty; it had 5 models"),
        ([], "is gone: the answer is an empty list"),
        (None, "is gone: the answer is a JSON null"),
        ("x", "is gone: the answer is a JSON string"),
    ],
)
def test_a_missing_list_is_distinguished_from_an_empty_one(after, end):
    (text,) = texts(after)
    assert text.startswith("`data`")
    assert text.endswith(end)


def test_new_fields_come_last():
    after = changed(lambda item: (item.pop("context_length"), item.update(tier="gold")))
    assert texts(after) == ["`context_length` vanished from all 5 items", "`tier` is new, in all 5 items"]


def test_pages_of_one_response_are_taken_together():
    first, second = {"data": GOOD["data"][:2]}, {"data": GOOD["data"][2:]}
    assert describe_drift(RULE, [GOOD], [first, second]) == ()


def test_a_field_lost_from_details_is_named():
    document = RULE.to_stored()
    config = document.model_list_config | {"detail": {"path": "/v1/models/{id}"}}
    config["fields"] = {"id": "id", "context_length": "detail.limits.context"}
    rule = ExtractionRule.parse({"model_list_config": config, "endpoints_config": document.endpoints_config})
    ids = [item["id"] for item in GOOD["data"]]
    before = {"listing": GOOD, "details": {each: {"limits": {"context": 8000}} for each in ids}}
    after = {"listing": GOOD, "details": {each: {"limits": {}} for each in ids}}
    (difference,) = describe_drift(rule, [before], [after])
    assert difference.text == "`detail.limits.context` vanished from all 5 items"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=20,
)


@given(before=JSON, after=JSON)
def test_any_two_documents_give_a_bounded_printable_answer(before, after):
    found = describe_drift(RULE, [before], [after])
    assert len(found) <= MAX_DIFFERENCES
    for difference in found:
        json.dumps(difference.to_json()).encode()
        difference.text.encode("utf-8")
