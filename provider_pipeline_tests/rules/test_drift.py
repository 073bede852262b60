"""Changes between two responses are described with counts; fields are carried over only if nothing else fits."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.drift import MAX_DIFFERENCES, _same, describe_drift, with_inherited_fields
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


CONTEXTS = {"gpt-4.1": 1_047_576, "gpt-4o": 128_000, "gpt-4": 8_192, "o3": 200_000, "o4-mini": 100_000}


BEFORE = {
    "data": [
        {"id": name, "context_length": context, "pricing": {"prompt": str(context / 1e12)}}
        for name, context in CONTEXTS.items()
    ]
}


ACTIVE = ExtractionRule.parse(RuleGenerator().analyze_sample(BEFORE))


def with_renamed(change=lambda item, context: item.update(zork=context)):
    items = []
    for name, context in CONTEXTS.items():
        item = {"handle": name}
        change(item, context)
        items.append(item)
    return {"things": items}


def inherited(new, active=ACTIVE, old=BEFORE):
    rule = ExtractionRule.parse(
        {**RuleGenerator().analyze_sample(new), "jmespath_rule": "things[*]", "fields": {"id": "handle"}, "units": {}}
    )
    return with_inherited_fields(rule, active, [([old], [new])])


def test_a_field_under_a_meaningless_name_is_found_by_its_values():
    rule, found = inherited(with_renamed())
    assert found == {"context_length": "zork"}
    assert rule.endpoints[0].fields["context_length"] == "zork"


def test_a_number_written_as_text_is_the_same_number():
    assert inherited(with_renamed(lambda item, context: item.update(zork=str(context))))[1] == {
        "context_length": "zork"
    }


@pytest.mark.parametrize(
    ("value", "written", "same"),
    [
        (2**53 + 1, str(2**53 + 1), True),
        (2**53 + 1, str(2**53), False),
        (0.1, "0.1", True),
        (0.1, "0.10", True),
        (0.1, "0.1000000000000000055", False),
        (1000, "1e3", True),
        (1000, "1_000", False),
        (1, True, False),
        (10**400, "1e400", True),
        (5, "five", False),
    ],
)
def test_a_number_and_a_text_are_compared_exactly(value, written, same):
    assert _same(value, written) is _same(written, value) is same


def test_a_price_keeps_the_unit_that_its_values_had():
    rule, found = inherited(with_renamed(lambda item, context: item.update(fee={"a": str(context / 1e12)})))
    assert found == {"input_price": "fee.a"}
    assert rule.endpoints[0].units["input_price"] == ACTIVE.endpoints[0].units["input_price"]


def test_of_two_paths_with_the_same_values_neither_is_taken():
    assert inherited(with_renamed(lambda item, context: item.update(zork=context, blub=context)))[1] == {}


def test_one_value_for_all_models_proves_nothing():
    old = copy.deepcopy(BEFORE)
    for item in old["data"]:
        item["context_length"] = 8_192
    assert "context_length" not in inherited(with_renamed(lambda item, _: item.update(zork=8_192)), old=old)[1]


def test_other_values_are_another_field():
    assert inherited(with_renamed(lambda item, context: item.update(zork=context // 2)))[1] == {}


def test_other_models_prove_nothing():
    new = with_renamed()
    for number, item in enumerate(new["things"]):
        item["handle"] = f"voice-{number}"
    assert inherited(new)[1] == {}


def test_a_field_that_the_new_rule_already_has_is_kept():
    rule = ExtractionRule.parse(
        {"jmespath_rule": "things[*]", "fields": {"id": "handle", "context_length": "own"}, "capability_rules": []}
    )
    assert with_inherited_fields(rule, ACTIVE, [([BEFORE], [with_renamed()])]) == (rule, {})


VALUES = st.lists(st.integers(1, 3), min_size=len(CONTEXTS), max_size=len(CONTEXTS))


@given(contexts=VALUES, candidates=st.dictionaries(st.sampled_from("abcd"), VALUES, max_size=4))
def test_a_field_is_taken_exactly_if_one_path_alone_agrees(contexts, candidates):
    old = {"data": [{"id": name, "context_length": value} for name, value in zip(CONTEXTS, contexts, strict=True)]}
    new = {
        "things": [
            {"handle": name, **{path: values[number] for path, values in candidates.items()}}
            for number, name in enumerate(CONTEXTS)
        ]
    }
    active = ExtractionRule.parse(
        {"jmespath_rule": "data[*]", "fields": {"id": "id", "context_length": "context_length"}, "capability_rules": []}
    )
    rule = ExtractionRule.parse({"jmespath_rule": "things[*]", "fields": {"id": "handle"}, "capability_rules": []})
    _, found = with_inherited_fields(rule, active, [([old], [new])])
    agreeing = [path for path, values in candidates.items() if values == contexts]
    expected = agreeing if len(agreeing) == 1 and len(set(contexts)) > 1 else []
    assert list(found.values()) == expected
