import dataclasses
import random

from provider_pipeline.rules.ids import capability_patterns, family_patterns
from provider_pipeline.rules.matching import CapabilityMatcher, capability_names
from provider_pipeline.rules.mining import (
    LEARNT_FILE,
    MIN_VENDORS,
    Fact,
    contradicted_facts,
    learn_shipped,
    learnt_text,
    shipped_facts,
)

FACTS = shipped_facts()
LEARNT = learn_shipped(FACTS)


def test_learning_again_gives_exactly_the_shipped_file():
    assert learnt_text(LEARNT) == LEARNT_FILE.read_text(encoding="utf-8")


def test_the_order_of_the_facts_does_not_matter():
    shuffled = list(FACTS)
    random.Random(7).shuffle(shuffled)
    assert learnt_text(learn_shipped(shuffled)) == learnt_text(LEARNT)


def test_no_family_contradicts_a_fact_and_no_capabilities_exclude_each_other():
    assert LEARNT.contradictions == ()
    assert LEARNT.overlaps == ()


def test_a_family_that_contradicts_a_fact_is_reported():
    wrong = [Fact("gpt-4o", "embedding", True, "x"), Fact("gpt-4o", "vision", False, "x")]
    assert contradicted_facts(wrong) == ["gpt-4o: the families state vision"]


def test_facts_that_contradict_each_other_or_name_no_capability_are_reported():
    odd = [Fact("quux", "chat", True, "x"), Fact("quux", "chat", False, "x"), Fact("quux", "flying", True, "x")]
    assert contradicted_facts(odd) == ["quux: two facts about chat", "quux: flying is no known capability"]


def test_the_facts_are_many_and_of_many_vendors_and_capabilities():
    assert LEARNT.facts >= 600
    assert LEARNT.vendors >= 40
    assert {fact.capability for fact in FACTS} == set(capability_names())


def test_every_learnt_pattern_is_right_and_of_several_vendors():
    assert LEARNT.proposals
    for proposal in LEARNT.proposals:
        assert proposal.precision == 1.0
        assert proposal.providers >= MIN_VENDORS


def test_the_families_decide_first_and_the_learnt_patterns_after_them():
    families, known = family_patterns(), capability_patterns()
    for capability, patterns in known.items():
        assert patterns[: len(families[capability])] == families[capability]
        learnt = [one.as_rule_pattern() for one in LEARNT.proposals if one.capability == capability]
        assert patterns[len(families[capability]) :] == learnt


def test_words_in_many_names_of_whatever_kind_teach_nothing():
    noise = [
        Fact(f"{vendor}-mini-{size}", "embedding", False, vendor)
        for vendor in ("a1", "b1", "c1", "d1")
        for size in range(9)
    ]
    some = [
        Fact(f"{vendor}-embed-{size}", "embedding", True, vendor)
        for vendor in ("a1", "b1", "c1", "d1")
        for size in range(9)
    ]
    learnt = {one.pattern for one in learn_shipped([*noise, *some]).proposals}
    assert learnt == {"(.*[-/:])?embed([-/:].*)?", "(.*[-/:])?mini([-/:].*)?"}
    assert learn_shipped([*noise, *some[:2]]).proposals == ()


def test_a_name_no_family_knows_is_told_by_what_was_learnt():
    patterns = {
        "vision": {"patterns": {"regex": [one.pattern for one in LEARNT.proposals if one.capability == "vision"]}}
    }
    assert CapabilityMatcher().match_capabilities("acme/quux-vl-9b", patterns) == ["vision"]


def test_a_proposal_says_all_about_itself():
    fields = {field.name for field in dataclasses.fields(LEARNT.proposals[0])}
    assert {"support", "providers", "held_back", "precision", "examples"} <= fields
