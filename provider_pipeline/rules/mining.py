"""Patterns learnt from history: which parts of model names tell a capability.

Here: a pure function from accepted (model id, capability, true or false) facts to readable proposals, each with its
support and its precision on facts that were held back. Not here: reading the catalogue, and which proposals are shipped
(`shipped.py`). Explained in docs/rules.md.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from provider_pipeline.rules.ids import normalise_id
from provider_pipeline.rules.mining_limits import MIN_PRECISION, MIN_SUPPORT

_HELD_BACK: Final = 4
"""One name in this many is held back, to measure on."""
_MAX_WORDS: Final = 3
_SPLIT = re.compile(r"[-/: ]+")
_SIZE_OR_VERSION = re.compile(r"[av]?\d+([.x]\d+)*[bmkt]?|[a-z]")


@dataclass(frozen=True)
class Fact:
    """One accepted statement of the catalogue.

    Args:
        model_id: The id as the provider writes it.
        capability: The capability.
        has: Whether the model has it.
        provider: Whose listing said so.
    """

    model_id: str
    capability: str
    has: bool
    provider: str


@dataclass(frozen=True)
class Proposal:
    """A pattern that the facts speak for.

    Args:
        capability: The capability it would decide.
        has: Whether it would state or deny it.
        pattern: RE2, on the whole normalised id.
        support: Names that match among those learnt from.
        providers: Providers those names come from.
        held_back: Names that match among those held back.
        precision: The share of the held-back names for which it is right; None where none matches.
        examples: A few names it matches.
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
        """The pattern as a rule holds it."""
        return self.pattern if self.has else f"!{self.pattern}"

    def to_json(self) -> dict[str, Any]:
        """The proposal as plain JSON."""
        return {**vars(self), "examples": list(self.examples)}


class _Needed(NamedTuple):
    """What a pattern needs to be proposed."""

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
    """The patterns that tell a capability from names, the best supported first.

    Names count once however many providers list them; names on which providers contradict each other are left out.
    Which names are held back depends on the name alone, so that the same facts always give the same proposals, and one
    more fact does not reshuffle the others. A pattern is not proposed where a shorter one of the same capability
    already covers its names.

    Args:
        facts: Accepted statements, of any providers, in any order.
        min_support: Fewest names a pattern must match.
        min_precision: Smallest share of matching names it must be right for, among those learnt from and, where any
            matches, among those held back.
        min_providers: Fewest providers its names must come from.
        min_held_back: Fewest held-back names it must match.
        max_chance: Largest probability that as many names, drawn from all of the capability's, are that much alike by
            chance. Words that are in many names of whatever kind (`mini`, `large`) pass everything else.
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
    return hashlib.blake2b(name.encode("utf-8"), digest_size=1).digest()[0] % _HELD_BACK == 0
