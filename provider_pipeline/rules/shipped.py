"""The learnt patterns that this package ships: `data/learnt.toml`, made from `data/facts.toml` and from nothing else.

Here: the facts, the families held against them, and the learnt file's text. Not here: the mining (`mining.py`) and what
a rule takes from the file (`families.py`). Explained in docs/rules.md.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from provider_pipeline.rules.ids import family_patterns
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.matching import NamePatterns, capability_names, contradicts
from provider_pipeline.rules.mining import Fact, Proposal, propose_patterns

LEARNT_FILE: Final = Path(__file__).parent / "data" / "learnt.toml"
MIN_VENDORS: Final = 4
MIN_HELD_BACK: Final = 2
MAX_CHANCE: Final = 1e-5

_HEADER: Final = """\
# Patterns learnt from the facts (`facts.toml`). Written by `provider-pipeline rules learn --shipped`; not to be edited.
#
# They speak after all families (`families.toml`). A pattern stands here if it is right without exception, for names of
# several vendors, and if as many names that are alike by chance are less likely than one in a hundred thousand.
#   capability, has, match  what it says: that the models have the capability, or that they do not
#   support, vendors        so many names of so many vendors match it among the facts that were learnt from
#   held_back, precision    so many match it among the facts that were held back, and so much of that is right
#   examples                a few names it matches
"""


@dataclass(frozen=True)
class Learnt:
    """What the facts teach, and how the shipped knowledge stands beside them.

    Args:
        proposals: The patterns to ship, sorted.
        facts: How many facts there are.
        vendors: How many vendors they are about.
        coverage: The share of the facts that the families decide, for each capability.
        contradictions: Facts that the families contradict, as text; none may be shipped.
        overlaps: Names of which families and learnt patterns together state capabilities that exclude each other.
    """

    proposals: tuple[Proposal, ...]
    facts: int
    vendors: int
    coverage: Mapping[str, float]
    contradictions: tuple[str, ...]
    overlaps: tuple[str, ...]


def shipped_facts() -> tuple[Fact, ...]:
    """The facts of `data/facts.toml`, in its order."""
    return tuple(
        Fact(model_id, capability, has, group["vendor"])
        for group in read_table("facts.toml")["group"]
        for model_id in group["models"]
        for has, key in ((True, "has"), (False, "lacks"))
        for capability in group[key]
    )


def contradicted_facts(facts: Iterable[Fact]) -> list[str]:
    """What the families say wrongly, and what the facts themselves leave in contradiction."""
    families = _judge(family_patterns())
    found = []
    said: dict[tuple[str, str], bool] = {}
    for fact in facts:
        if fact.capability not in capability_names():
            found.append(f"{fact.model_id}: {fact.capability} is no known capability")
        if said.setdefault((fact.model_id, fact.capability), fact.has) is not fact.has:
            found.append(f"{fact.model_id}: two facts about {fact.capability}")
        decided = families.decide(fact.model_id).decisions.get(fact.capability)
        if decided is not None and decided[0] is not fact.has:
            found.append(f"{fact.model_id}: the families {'state' if decided[0] else 'deny'} {fact.capability}")
    return found


def learn_shipped(facts: Iterable[Fact]) -> Learnt:
    """The patterns that the facts teach beyond doubt: right without exception, for names of many vendors.

    A learnt pattern matches facts by its nature, and none it contradicts; together with the families they are checked
    for capabilities that exclude each other.
    """
    known = tuple(facts)
    proposals = propose_patterns(
        known, min_precision=1.0, min_providers=MIN_VENDORS, min_held_back=MIN_HELD_BACK, max_chance=MAX_CHANCE
    )
    families = family_patterns()
    together = {name: list(patterns) for name, patterns in families.items()}
    for one in proposals:
        together.setdefault(one.capability, []).append(one.as_rule_pattern())
    alone, both = _judge(families), _judge(together)
    total = Counter(fact.capability for fact in known)
    decided = Counter(fact.capability for fact in known if fact.capability in alone.decide(fact.model_id).decisions)
    states = {
        name: {capability: has for capability, (has, _) in both.decide(name).decisions.items()}
        for name in sorted({fact.model_id for fact in known})
    }
    return Learnt(
        proposals=tuple(proposals),
        facts=len(known),
        vendors=len({fact.provider for fact in known}),
        coverage={name: round(decided[name] / total[name], 4) for name in capability_names() if total[name]},
        contradictions=tuple(contradicted_facts(known)),
        overlaps=tuple(name for name, capabilities in states.items() if contradicts(capabilities)),
    )


def learnt_text(learnt: Learnt) -> str:
    """The text of `data/learnt.toml`: the same facts always give the same bytes."""
    return "\n".join([_HEADER, *(_entry(proposal) for proposal in learnt.proposals)])


def _entry(proposal: Proposal) -> str:
    values: dict[str, Any] = {
        "capability": proposal.capability,
        "has": proposal.has,
        "match": proposal.pattern,
        "support": proposal.support,
        "vendors": proposal.providers,
        "held_back": proposal.held_back,
        "precision": proposal.precision,
        "examples": list(proposal.examples),
    }
    lines = (f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items())
    return "\n".join(["[[pattern]]", *lines, ""])


def _judge(patterns: Mapping[str, list[str]]) -> NamePatterns:
    return NamePatterns([(capability, tuple(texts)) for capability, texts in sorted(patterns.items())])
