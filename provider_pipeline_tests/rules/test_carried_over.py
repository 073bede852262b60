"""Stated parts are taken over where the response has them, fields only if nothing else fits."""

import copy

import pytest
from hypothesis import given, strategies as st

from provider_pipeline.rules.carried_over import _same, with_inherited_fields, with_stated_parts
from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline.rules.stated_rule import StatedRule
from provider_pipeline_tests.rules.test_stated_rule import RULE, SAMPLE


def test_only_stated_fields_that_an_item_has_are_put_into_a_generated_rule():
    stated = StatedRule.parse({"fields": {"max_output_tokens": "out", "tier": "nowhere", "context_length": None}})
    changed = with_stated_parts(RULE, stated, [(0, SAMPLE)])
    fields = changed.endpoints[0].fields
    assert (fields.get("max_output_tokens"), "tier" in fields, "context_length" in fields) == ("out", False, False)


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
