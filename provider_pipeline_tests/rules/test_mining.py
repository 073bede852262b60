import random

from provider_pipeline.rules.matching import CapabilityMatcher
from provider_pipeline.rules.mining import Fact, propose_patterns

FACTS = [
    *[Fact(f"acme/quux-embed-{size}", "embedding", True, "acme") for size in range(40)],
    *[Fact(f"acme/quux-chat-{size}", "embedding", False, "zeta") for size in range(40)],
]


def test_a_word_that_tells_a_capability_is_proposed_with_support_and_precision():
    best = propose_patterns(FACTS)
    stated = [proposal for proposal in best if proposal.has]
    assert [proposal.pattern for proposal in stated] == ["(.*[-/:])?embed([-/:].*)?"]
    assert stated[0].precision == 1.0
    assert stated[0].support + stated[0].held_back == 40
    assert stated[0].examples[0].startswith("quux-embed-")


def test_a_word_that_denies_a_capability_is_proposed_as_a_denial():
    assert "!(.*[-/:])?chat([-/:].*)?" in [proposal.as_rule_pattern() for proposal in propose_patterns(FACTS)]


def test_a_word_that_tells_nothing_is_not_proposed():
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
