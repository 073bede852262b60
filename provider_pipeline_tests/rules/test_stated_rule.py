"""The short form of a rule: what a person states, and a rule with it."""

import pytest
from hypothesis import given, strategies as st

from provider_pipeline import RuleGenerator
from provider_pipeline.errors import InvalidRuleError
from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.stated_rule import (
    StatedRule,
    kept_as_metadata,
    stated_changes,
)

SAMPLE = {
    "data": [
        {"id": f"gpt-{number}", "context_length": 1_000 * number, "pricing": {"prompt": "0.000002"}, "out": number}
        for number in range(1, 6)
    ]
}
RULE = ExtractionRule.parse(RuleGenerator().analyze_sample(SAMPLE))
SEVERAL = ExtractionRule.parse(
    {
        "model_list_config": {
            "endpoint": [
                {"endpoint": "/a", "selector": "data[*]", "fields": {"id": "id"}},
                {"endpoint": "/b", "selector": "[*]", "fields": {"id": "model"}},
            ]
        }
    }
)

names = st.sampled_from(["context_length", "max_output_tokens", "input_price", "owned_by", "tier"])
expressions = st.none() | st.sampled_from(["a", "b.c", "limits.out"])
stated_rules = st.builds(
    lambda selector, fields, units, pagination: StatedRule.parse(
        {"selector": selector, "fields": fields, "units": units, "pagination": pagination}
    ),
    st.none() | st.just("models[*]"),
    st.dictionaries(names, expressions),
    st.dictionaries(names, st.none() | st.just("usd_per_token")),
    st.none() | st.sampled_from([{"type": "none", "whole": True}, {"type": "link_header"}]),
)


@given(stated_rules)
def test_a_rule_with_the_stated_parts_lacks_none_of_them(stated: StatedRule):
    changed = stated.apply_to(RULE)
    assert stated.missing_from(changed) == []
    assert stated.held_by(changed).to_json() == stated.to_json()
    assert stated.apply_to(changed).digest == changed.digest


@given(stated_rules)
def test_the_short_form_reads_back_as_it_was_written(stated: StatedRule):
    assert StatedRule.parse(stated.to_json()).to_json() == stated.to_json()


@given(stated_rules)
def test_an_edited_form_and_the_changes_it_states_give_the_same_rule(stated: StatedRule):
    after = stated.apply_to(RULE)
    changes = stated_changes(StatedRule.of(RULE), StatedRule.of(after))
    assert changes.apply_to(RULE).digest == after.digest


@given(stated_rules, stated_rules)
def test_later_statements_win_over_earlier_ones(first: StatedRule, second: StatedRule):
    active = first.apply_to(RULE)
    both = first.merged_with(second, active)
    assert second.missing_from(both.apply_to(active)) == []


def test_a_field_takes_its_unit_with_it():
    assert RULE.endpoints[0].units == {"input_price": "usd_per_token"}
    assert StatedRule.parse({"fields": {"input_price": None}}).apply_to(RULE).endpoints[0].units == {}


def test_what_a_rule_has_otherwise_is_not_held():
    stated = StatedRule.parse({"selector": "models[*]", "fields": {"context_length": "context_length", "tier": "t"}})
    assert stated.held_by(RULE).to_json() == {"fields": {"context_length": "context_length"}}
    assert [str(each) for each in stated.missing_from(RULE)] == [
        "selector is stated as models[*], and would be data[*]",
        "fields.tier is stated as t, and is missing",
    ]


def test_the_parts_of_several_endpoints_need_a_path():
    with pytest.raises(InvalidRuleError, match="2 endpoints: say which one"):
        StatedRule.parse({"selector": "x[*]"}).apply_to(SEVERAL)
    with pytest.raises(InvalidRuleError, match="no endpoint /c"):
        StatedRule.parse({"endpoints": {"/c": {"selector": "x[*]"}}}).apply_to(SEVERAL)
    with pytest.raises(InvalidRuleError, match="none beside it"):
        StatedRule.parse({"selector": "x[*]", "endpoints": {"/a": {"selector": "x[*]"}}})
    stated = StatedRule.parse({"endpoints": {"/b": {"selector": "x[*]"}}})
    changed = stated.apply_to(SEVERAL)
    assert [each.selector for each in changed.endpoints] == ["data[*]", "x[*]"]
    assert [each.part for each in stated.missing_from(SEVERAL)] == ["/b: selector"]
    assert stated.merged_with(
        StatedRule.parse({"endpoints": {"/a": {"fields": {"tier": "t"}}}}), changed
    ).to_json() == {"endpoints": {"/a": {"fields": {"tier": "t"}}, "/b": {"selector": "x[*]"}}}


def test_edited_endpoints_must_be_the_same():
    before = StatedRule.of(SEVERAL)
    fewer = StatedRule(endpoints={"/a": before.endpoints["/a"]})
    with pytest.raises(InvalidRuleError, match="the endpoints must stay /a, /b"):
        stated_changes(before, fewer)


@pytest.mark.parametrize("document", [None, [], "selector: data[*]", {"fields": ["id"]}, {"endpoint": "/v1"}])
def test_anything_else_is_an_error(document):
    with pytest.raises(InvalidRuleError):
        StatedRule.parse(document)


def test_names_that_are_no_columns_are_told_from_those_that_are():
    names = ["context_length", "name", "price.cache_read", "input_price", "currency", "owned_by", "max_output", "rpm"]
    assert kept_as_metadata(names) == ["max_output", "rpm"]
