"""Pattern sets: a rule names one, shows a few of its patterns, and may put patterns of its own before it."""

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from provider_pipeline.errors import InvalidRuleError
from provider_pipeline.rules.capability_rules import PatternSet, shipped
from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline.rules.matching import CapabilityMatcher, CompiledCapabilities
from provider_pipeline.rules.validator import RuleValidator
from provider_pipeline_tests.rules import samples

SMALL = PatternSet.of({"chat": ["!zorb-embed.*", "zorb-.*"], "embedding": [".*embed.*"]})
NAMES = [
    "gpt-4o",
    "o3-mini",
    "text-embedding-3-small",
    "whisper-1",
    "claude-sonnet-4-5",
    "qwen3-32b",
    "acme-unheard-of",
]


def rule(capabilities: dict[str, list[str]], patterns: PatternSet = SMALL, **parts: Any) -> ExtractionRule:
    rules = [{"capability": name, "patterns": {"regex": regex}} for name, regex in capabilities.items()]
    document = {"jmespath_rule": "data[*]", "pattern_set": "shipped", "capability_rules": rules, **parts}
    return ExtractionRule.parse(document, patterns=patterns)


def decided(each: ExtractionRule, model_id: str) -> dict[str, bool]:
    return {name: has for name, (has, _) in CompiledCapabilities.of(each).of_name(model_id).items()}


def listing(*ids: str) -> dict[str, Any]:
    return {"object": "list", "data": [{"id": each, "object": "model"} for each in ids]}


def test_a_set_decides_about_names_that_the_rule_says_nothing_about():
    assert decided(rule({}), "zorb-large") == {"chat": True}
    assert decided(rule({}), "zorb-embed-1") == {"chat": False, "embedding": True}


def test_a_rules_own_patterns_come_before_those_of_the_set():
    assert decided(rule({"chat": ["zorb-embed-chat.*"]}), "zorb-embed-chat")["chat"]
    assert decided(rule({"chat": ["?zorb-2.*"]}), "zorb-2-large") == {}


def test_a_rule_that_names_no_set_is_read_by_its_own_patterns_alone():
    alone = ExtractionRule.parse({"jmespath_rule": "data[*]", "capability_rules": []})
    assert (alone.shared_patterns, decided(alone, "gpt-4o")) == (None, {})
    assert "pattern_set" not in alone.to_analysis()


def test_a_pattern_that_the_active_content_dropped_does_not_outlive_it_in_the_rules_that_show_it():
    later = PatternSet.of({"chat": ["zorb-large"]}, [SMALL.patterns])
    shown = {"chat": ["zorb-.*"]}
    assert decided(rule(shown), "zorb-tiny") == {"chat": True}
    assert decided(rule(shown, later), "zorb-tiny") == {}
    assert decided(rule({"chat": ["acme-.*"]}, later), "acme-1") == {"chat": True}


@given(st.sets(st.integers(0, 200), max_size=20), st.sampled_from(NAMES) | st.text(max_size=20))
def test_showing_patterns_of_the_set_changes_no_decision_and_no_digest(places: set[int], model_id: str):
    shown = {name: [listed[at] for at in places if at < len(listed)] for name, listed in shipped().patterns.items()}
    short, showing = rule({}, shipped()), rule(shown, shipped())
    assert decided(showing, model_id) == decided(short, model_id)
    assert showing.digest == short.digest


@pytest.mark.parametrize("model_id", NAMES)
def test_a_rule_that_carries_all_patterns_itself_is_read_as_before(model_id: str):
    full = [{"capability": name, "patterns": {"regex": listed}} for name, listed in shipped().patterns.items()]
    old = ExtractionRule.parse({"jmespath_rule": "data[*]", "capability_rules": full})
    assert decided(old, model_id) == decided(rule({}, shipped()), model_id)
    assert old.digest != rule({}, shipped()).digest


def test_the_shown_patterns_alone_give_the_sample_its_capabilities():
    generated = RuleGenerator().analyze_sample(listing(*NAMES))
    for model_id in NAMES:
        with_set = RuleValidator().validate_rule(generated, listing(model_id))["matched_capabilities"][model_id]
        assert CapabilityMatcher().match_capabilities(model_id, generated["capability_rules"]) == sorted(with_set)


def test_a_generated_rule_shows_why_and_knows_names_that_its_sample_lacks():
    generated = RuleGenerator().analyze_sample(listing("gpt-4o", "gpt-4o-mini"))
    chat = next(each for each in generated["capability_rules"] if each["capability"] == "chat")
    assert chat == {"capability": "chat", "patterns": {"regex": ["gpt-?4-?o.*"]}}
    later = RuleValidator().validate_rule(generated, listing("gpt-4o", "text-embedding-3-small"))
    assert later["matched_capabilities"]["text-embedding-3-small"] == ["embedding"]


def test_both_written_forms_name_the_set():
    generated = RuleGenerator().analyze_sample(samples.RICH)
    parsed = ExtractionRule.parse(generated)
    stored = json.loads(json.dumps(parsed.to_stored()._asdict()))
    assert stored["model_list_config"]["pattern_set"] == generated["pattern_set"] == "shipped"
    assert ExtractionRule.parse(stored) == parsed
    assert "shared_patterns" not in json.dumps(stored)


def test_a_set_of_another_name_is_refused():
    with pytest.raises(InvalidRuleError, match="pattern_set: Input should be 'shipped'"):
        ExtractionRule.parse({"jmespath_rule": "data[*]", "pattern_set": "mine"})


@pytest.mark.parametrize("name", sorted(samples.ALL))
def test_a_stored_rule_is_short(name: str):
    stored = ExtractionRule.parse(RuleGenerator().analyze_sample(samples.ALL[name])).to_stored()
    assert len(json.dumps(stored)) < 8_000


def test_a_set_survives_the_way_to_another_process():
    later = PatternSet.of({"chat": ["zorb-large"]}, [SMALL.patterns])
    assert PatternSet.from_json(json.loads(json.dumps(later.to_json()))) == later
