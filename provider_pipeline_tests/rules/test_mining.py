import dataclasses
import random

import pytest

from provider_pipeline.rules.ids import capability_patterns, family_patterns
from provider_pipeline.rules.matching import CapabilityMatcher, nameable_capabilities
from provider_pipeline.rules.mining import (
    LEARNT_FILE,
    MIN_VENDORS,
    Fact,
    Learnt,
    contradicted_facts,
    learn_shipped,
    learnt_text,
    propose_patterns,
    shipped_facts,
)

FACTS = [
    *[Fact(f"acme/quux-embed-{size}", "embedding", True, "acme") for size in range(40)],
    *[Fact(f"acme/quux-chat-{size}", "embedding", False, "zeta") for size in range(40)],
]


def test_a_word_that_reveals_a_capability_is_proposed_with_support_and_precision():
    best = propose_patterns(FACTS)
    stated = [proposal for proposal in best if proposal.has]
    assert [proposal.pattern for proposal in stated] == ["(.*[-/:])?embed([-/:].*)?"]
    assert stated[0].precision == 1.0
    assert stated[0].support + stated[0].held_back == 40
    assert stated[0].examples[0].startswith("quux-embed-")


def test_a_word_that_denies_a_capability_is_proposed_as_a_denial():
    assert "!(.*[-/:])?chat([-/:].*)?" in [proposal.as_rule_pattern() for proposal in propose_patterns(FACTS)]


def test_a_word_that_reveals_nothing_is_not_proposed():
    assert not any(
        "quux" in proposal.pattern.split("|")[0] and "embed" not in proposal.pattern
        for proposal in propose_patterns(FACTS)
        if proposal.has
    )


def test_too_few_names_and_contradicted_names_propose_nothing():
    assert propose_patterns(FACTS[:3]) == []
    contradicted = [*FACTS, *[Fact(fact.model_id, fact.capability, not fact.has, "other") for fact in FACTS]]
    assert propose_patterns(contradicted) == []


def test_the_order_of_the_facts_does_not_matter():
    shuffled = FACTS.copy()
    random.Random(7).shuffle(shuffled)
    assert propose_patterns(shuffled) == propose_patterns(FACTS)


def test_a_proposal_works_as_a_rule_s_pattern():
    patterns = [proposal.as_rule_pattern() for proposal in propose_patterns(FACTS)]
    rules = {"embedding": {"patterns": {"regex": patterns}}}
    assert CapabilityMatcher().match_capabilities("new/thing-embed-large", rules) == ["embedding"]
    assert CapabilityMatcher().match_capabilities("new/thing-chat-large", rules) == []


@pytest.fixture(scope="module")
def facts() -> tuple[Fact, ...]:
    """The facts that are shipped."""
    return tuple(shipped_facts())


@pytest.fixture(scope="module")
def learnt(facts: tuple[Fact, ...]) -> Learnt:
    """What they teach: learnt when the first test asks, not by every worker that collects this file."""
    return learn_shipped(facts)


def test_learning_again_gives_exactly_the_shipped_file(learnt: Learnt):
    assert learnt_text(learnt) == LEARNT_FILE.read_text(encoding="utf-8")


def test_the_order_of_the_facts_does_not_change_the_shipped_file(facts: tuple[Fact, ...], learnt: Learnt):
    shuffled = list(facts)
    random.Random(7).shuffle(shuffled)
    assert learnt_text(learn_shipped(shuffled)) == learnt_text(learnt)


def test_no_family_contradicts_a_fact_and_no_capabilities_exclude_each_other(learnt: Learnt):
    assert learnt.contradictions == ()
    assert learnt.overlaps == ()


def test_a_family_that_contradicts_a_fact_is_reported():
    wrong = [Fact("gpt-4o", "embedding", True, "x"), Fact("gpt-4o", "vision", False, "x")]
    assert contradicted_facts(wrong) == ["gpt-4o: the families state vision"]


def test_facts_that_contradict_each_other_or_name_no_capability_are_reported():
    odd = [Fact("quux", "chat", True, "x"), Fact("quux", "chat", False, "x"), Fact("quux", "flying", True, "x")]
    odd.append(Fact("quux", "web_search", True, "x"))
    assert contradicted_facts(odd) == [
        "quux: two facts about chat",
        "quux: flying is no known capability",
        "quux: web_search is no known capability",
    ]


def test_the_facts_are_many_and_of_many_vendors_and_capabilities(facts: tuple[Fact, ...], learnt: Learnt):
    assert learnt.facts >= 600
    assert learnt.vendors >= 40
    assert {fact.capability for fact in facts} == nameable_capabilities()


def test_every_learnt_pattern_is_right_and_of_several_vendors(learnt: Learnt):
    assert learnt.proposals
    for proposal in learnt.proposals:
        assert proposal.precision == 1.0
        assert proposal.providers >= MIN_VENDORS


def test_the_families_decide_first_and_the_learnt_patterns_after_them(learnt: Learnt):
    families, known = family_patterns(), capability_patterns()
    for capability, patterns in known.items():
        assert patterns[: len(families[capability])] == families[capability]
        after = [one.as_rule_pattern() for one in learnt.proposals if one.capability == capability]
        assert patterns[len(families[capability]) :] == after


def test_words_in_names_of_every_kind_teach_nothing():
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


def test_learnt_patterns_decide_a_name_that_no_family_knows(learnt: Learnt):
    patterns = {
        "vision": {"patterns": {"regex": [one.pattern for one in learnt.proposals if one.capability == "vision"]}}
    }
    assert CapabilityMatcher().match_capabilities("acme/quux-vl-9b", patterns) == ["vision"]


def test_a_proposal_says_all_about_itself(learnt: Learnt):
    fields = {field.name for field in dataclasses.fields(learnt.proposals[0])}
    assert {"support", "providers", "held_back", "precision", "examples"} <= fields
