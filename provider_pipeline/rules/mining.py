"""Learns patterns, the parts of model names that reveal a capability, from facts; explained in docs/rules.md.

Facts come from the catalogue's accepted rows, or from `data/facts.toml` for the shipped patterns in `data/learnt.toml`.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from provider_pipeline.rules.ids import family_patterns, normalise_id
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.matching import NamePatterns, capability_names, contradicts, nameable_capabilities
from provider_pipeline.rules.mining_limits import MIN_PRECISION, MIN_SUPPORT

_HOLD_OUT: Final = 4
"""One name in this many is held out to measure the precision."""
_MAX_WORDS: Final = 3
_SPLIT = re.compile(r"[-/: ]+")
_SIZE_OR_VERSION = re.compile(r"[av]?\d+([.x]\d+)*[bmkt]?|[a-z]")


@dataclass(frozen=True)
class Fact:
    """One accepted statement: whether a model, under the id its provider writes, has a capability."""

    model_id: str
    capability: str
    has: bool
    provider: str


@dataclass(frozen=True)
class Proposal:
    """A pattern that the facts support.

    Attributes:
        has: Whether it states or denies the capability.
        pattern: RE2, on the whole normalised id.
        support: Matching names among those learnt from.
        providers: Providers of those names.
        held_back: Matching names among those held out.
        precision: The share of them for which it is right; None if there are none.
        examples: A few matching names.
    """

    capability: str
    has: bool
    pattern: str
    support: int
    providers: int
    held_back: int
    precision: float | None
    examples: tuple[str, ...]

    def as_rule_pattern(self) -> str:
        """The pattern as written in a rule."""
        return self.pattern if self.has else f"!{self.pattern}"

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return {**vars(self), "examples": list(self.examples)}


class _Needed(NamedTuple):
    """Requirements of a proposal."""

    support: int
    precision: float
    providers: int
    held_back: int
    chance: float


def propose_patterns(
    facts: Iterable[Fact],
    *,
    min_support: int = MIN_SUPPORT,
    min_precision: float = MIN_PRECISION,
    min_providers: int = 1,
    min_held_back: int = 0,
    max_chance: float = 1.0,
) -> list[Proposal]:
    """Propose patterns that decide a capability, by capability and support.

    A name counts once, regardless of its number of providers; names on which providers disagree are left out. Whether a
    name is held out depends on the name alone: the same facts always give the same proposals, and a further fact does
    not reshuffle the others. A pattern is left out if a shorter one of the same capability covers its names.

    Args:
        facts: In any order.
        min_support: Matching names.
        min_precision: Share of matching names it is right for, among those learnt from and those held out.
        min_providers: Providers of those names.
        min_held_back: Matching names among those held out.
        max_chance: Probability that as many names, drawn from all of the capability's, agree by chance. Without this
            bound, words in names of every kind (`mini`, `large`) would pass.
    """
    needed = _Needed(min_support, min_precision, min_providers, min_held_back, max_chance)
    names: dict[str, dict[str, list[bool]]] = {}
    providers: dict[tuple[str, str], set[str]] = {}
    for fact in facts:
        name = normalise_id(fact.model_id)
        if name:
            names.setdefault(fact.capability, {}).setdefault(name, []).append(fact.has)
            providers.setdefault((fact.capability, name), set()).add(fact.provider)
    proposals = []
    for capability in sorted(names):
        agreed = {name: votes[0] for name, votes in sorted(names[capability].items()) if len(set(votes)) == 1}
        sources = {name: providers[capability, name] for name in agreed}
        proposals += _of_capability(capability, agreed, sources, needed)
    return sorted(proposals, key=lambda one: (one.capability, not one.has, -one.support, one.pattern))


def _of_capability(
    capability: str, agreed: dict[str, bool], sources: dict[str, set[str]], needed: "_Needed"
) -> list[Proposal]:
    matching: dict[tuple[str, ...], list[str]] = {}
    for name in agreed:
        for words in _word_runs(name):
            matching.setdefault(words, []).append(name)
    found: list[Proposal] = []
    rates = {has: sum(state is has for state in agreed.values()) / max(1, len(agreed)) for has in (True, False)}
    covered: dict[bool, set[str]] = {True: set(), False: set()}
    for words in sorted(matching, key=lambda run: (len(run), -len(matching[run]), run)):
        learnt = [name for name in matching[words] if not _is_held_back(name)]
        held = [name for name in matching[words] if _is_held_back(name)]
        providers = set().union(*(sources[name] for name in learnt))
        if len(learnt) < needed.support or len(held) < needed.held_back or len(providers) < needed.providers:
            continue
        right = sum(agreed[name] for name in learnt)
        has = right * 2 >= len(learnt)
        share = max(right, len(learnt) - right) / len(learnt)
        precision = sum(agreed[name] is has for name in held) / len(held) if held else None
        if share < needed.precision or (precision is not None and precision < needed.precision):
            continue
        if rates[has] ** (len(learnt) + len(held)) > needed.chance or covered[has].issuperset(learnt):
            continue
        covered[has].update(matching[words])
        found.append(
            Proposal(
                capability=capability,
                has=has,
                pattern=_pattern(words),
                support=len(learnt),
                providers=len(providers),
                held_back=len(held),
                precision=None if precision is None else round(precision, 4),
                examples=tuple(learnt[:3]),
            )
        )
    return found


def _word_runs(name: str) -> set[tuple[str, ...]]:
    words = [word for word in _SPLIT.split(name) if word]
    runs = {
        tuple(words[start : start + length])
        for length in range(1, _MAX_WORDS + 1)
        for start in range(len(words) - length + 1)
    }
    return {run for run in runs if not all(_SIZE_OR_VERSION.fullmatch(word) for word in run)}


def _pattern(words: tuple[str, ...]) -> str:
    return rf"(.*[-/:])?{'[-/:]'.join(re.escape(word) for word in words)}([-/:].*)?"


def _is_held_back(name: str) -> bool:
    return hashlib.blake2b(name.encode("utf-8"), digest_size=1).digest()[0] % _HOLD_OUT == 0


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
#   support, vendors        matching names among the facts learnt from, and their vendors
#   held_back, precision    matching names among the facts held back, and the share that it is right for
#   examples                a few matching names
"""


@dataclass(frozen=True)
class Learnt:
    """The patterns learnt from facts, and how the facts compare with the families.

    Attributes:
        proposals: The patterns to ship, sorted.
        facts: Their number.
        vendors: Their number.
        coverage: The share of facts that the families decide, by capability.
        contradictions: Facts that the families contradict, as text; any of them forbids shipping.
        overlaps: Names for which families and learnt patterns together state capabilities that exclude each other.
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
    """Facts that contradict the families or each other, or name an unknown capability, as text."""
    families = NamePatterns(family_patterns())
    found = []
    said: dict[tuple[str, str], bool] = {}
    for fact in facts:
        if fact.capability not in nameable_capabilities():
            found.append(f"{fact.model_id}: {fact.capability} is no known capability")
        if said.setdefault((fact.model_id, fact.capability), fact.has) is not fact.has:
            found.append(f"{fact.model_id}: two facts about {fact.capability}")
        decided = families.decide(fact.model_id).decisions.get(fact.capability)
        if decided is not None and decided[0] is not fact.has:
            found.append(f"{fact.model_id}: the families {'state' if decided[0] else 'deny'} {fact.capability}")
    return found


def learn_shipped(facts: Iterable[Fact]) -> Learnt:
    """Learn the patterns that are right without exception, for names of many vendors."""
    known = tuple(facts)
    proposals = propose_patterns(
        known, min_precision=1.0, min_providers=MIN_VENDORS, min_held_back=MIN_HELD_BACK, max_chance=MAX_CHANCE
    )
    families = family_patterns()
    together = {name: list(patterns) for name, patterns in families.items()}
    for one in proposals:
        together.setdefault(one.capability, []).append(one.as_rule_pattern())
    alone, both = NamePatterns(families), NamePatterns(together)
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
    """The text of `data/learnt.toml`, byte for byte the same for the same facts."""
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
