"""Decides a model's capabilities: evidence before lookup tables before name patterns before weak evidence."""

import functools
import marshal
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from provider_pipeline.rules.capability_rules import PREDICATE_KINDS, CapabilityRule, PatternSet, parse_capability_rules
from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.ids import normalise_id
from provider_pipeline.rules.issues import shown
from provider_pipeline.rules.jmespath_compiler import Getter, is_true, path_getter
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.language import Compiled, compiled
from provider_pipeline.rules.limits import CHARACTERS_PER_STEP, SizedCache, Work, WorkExceededError
from provider_pipeline.rules.patterns import RegexSet, parse_pattern


@functools.cache
def capability_names() -> tuple[str, ...]:
    """The documented capabilities, in order."""
    return tuple(read_table("capabilities.toml")["names"])


@functools.cache
def nameable_capabilities() -> frozenset[str]:
    """The capabilities that a model's name can state; the others are stated by listings only."""
    return frozenset(capability_names()) - set(read_table("capabilities.toml")["by_evidence"])


@functools.cache
def purpose_names() -> frozenset[str]:
    """The capabilities that are purposes of a model."""
    return frozenset(read_table("capabilities.toml")["purposes"])


@functools.cache
def exclusive_capabilities() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Capabilities, each with those that exclude it."""
    found: dict[str, list[str]] = {}
    for first, second in read_table("capabilities.toml")["exclusive"]:
        found.setdefault(first, []).append(second)
    return tuple((first, tuple(others)) for first, others in found.items())


def contradicts(capabilities: Mapping[str, bool]) -> bool:
    """Whether the capabilities that are true exclude each other."""
    for first, others in exclusive_capabilities():
        if capabilities.get(first):
            for other in others:
                if capabilities.get(other):
                    return True
    return False


_MAX_CACHED_NAMES: Final = 16_384
_MAX_CACHED_COLUMNS: Final = 10_000
_MAX_CACHED_PARTS: Final = 200_000
"""Positions and decisions in the caches of one rule, besides the counts above."""
_MAX_CACHED_KEY: Final = 1_000
_PREDICATE_STEPS: Final = 3
_LOOKUP_STEPS: Final = 4
"""Per capability, as the lookup tables are searched for each model."""
_SET_MEMORY: Final = 64 << 20
"""Bytes of all compiled name patterns that are cached: about a dozen like the shipped set."""
_MARSHAL_VERSION: Final = 2
"""Encodes only values and types: true differs from 1, and 1 from 1.0."""

Decision = tuple[bool, str]
"""Whether the model has the capability, and the source."""

EvidenceStates = tuple[tuple[str, Decision | None], ...]
"""Evidence: capabilities, each with the decision, or None if it stays unknown regardless of the name."""

_STATED: Final[Decision] = (True, "evidence")
_DENIED: Final[Decision] = (False, "evidence")
_NAMED: Final[Decision] = (True, "regex")
_WEAKLY_STATED: Final[Decision] = (True, "weak_evidence")
_DECISIONS: Final = (_STATED, _DENIED, None, _WEAKLY_STATED)
"""The decision of each of `PREDICATE_KINDS`."""
_DIALOGUE: Final = frozenset({"chat", "completion"})
_OF_CHAT: Final = ("tools", "reasoning", "structured_output")
"""Abilities that a name alone does not prove if the listing states another purpose, such as embedding."""

Columns = tuple[dict[str, bool], dict[str, str]]
"""A row's `capabilities` and `capability_sources`."""


@dataclass(frozen=True, eq=False, slots=True)
class NameDecisions:
    """What a rule's patterns decide about a name; names with equal decisions share one object, hashed by identity."""

    decisions: Mapping[str, Decision]


PricedDecisions = tuple[NameDecisions, int]
"""A name's decisions and their cost in steps, the same whether they were cached or not."""


class NamePatterns:
    """Compiled name patterns by capability; caches its decision about each id."""

    def __init__(self, patterns: Mapping[str, Sequence[str]]) -> None:
        self._votes: list[list[tuple[int, str, bool | None]]] = []
        positions: dict[str, int] = {}
        for capability, texts in patterns.items():
            for order, text in enumerate(texts):
                has, pattern = parse_pattern(text)
                position = positions.setdefault(pattern, len(positions))
                if position == len(self._votes):
                    self._votes.append([])
                self._votes[position].append((order, capability, has))
        self._patterns = RegexSet(list(positions))
        self._by_name: dict[str, PricedDecisions] = {}
        self._by_matches: dict[tuple[int, ...], PricedDecisions] = {}
        self._shared: dict[tuple[tuple[str, Decision], ...], NameDecisions] = {}
        self._cache_room = _MAX_CACHED_PARTS

    @property
    def memory(self) -> int:
        """Upper bound of the compiled patterns, in bytes."""
        return self._patterns.memory

    def decide(self, model_id: str) -> NameDecisions:
        """What the patterns decide about an id: per capability, the first that matches its normal form or itself."""
        return self.decide_priced(model_id, Work())[0]

    def decide_priced(self, model_id: str, work: Work) -> PricedDecisions:
        """The same, with its cost; `work` bounds the matching of ids that are not cached.

        Raises:
            RuleTooCostlyError: Matching has taken too much processor time.
        """
        decided = self._by_name.get(model_id)
        if decided is None:
            positions = work.match(self._matches, model_id, self._patterns.instructions)
            decided = self._by_matches.get(positions)
            if decided is None:
                votes = sum(len(self._votes[position]) for position in positions)
                decided = (self._decisions(positions), len(positions) + votes)
                if len(self._by_matches) >= _MAX_CACHED_COLUMNS or not self._fits_cache(len(positions)):
                    return decided
                self._by_matches[positions] = decided
            if len(self._by_name) < _MAX_CACHED_NAMES:
                self._by_name[model_id] = decided
        return decided

    def matching(self, model_id: str) -> Mapping[str, Sequence[int]]:
        """The places in each capability's patterns that match the id; the first one decides."""
        found: dict[str, list[int]] = {}
        for position in self._matches(model_id):
            for order, capability, _ in self._votes[position]:
                found.setdefault(capability, []).append(order)
        return {capability: sorted(set(orders)) for capability, orders in found.items()}

    def _decisions(self, positions: tuple[int, ...]) -> NameDecisions:
        decisions = self._first_matches(positions)
        shared = self._shared.get(decisions)
        if shared is None:
            shared = NameDecisions(dict(decisions))
            if len(self._shared) < _MAX_CACHED_COLUMNS and self._fits_cache(len(decisions)):
                self._shared[decisions] = shared
        return shared

    def _fits_cache(self, parts: int) -> bool:
        if parts > self._cache_room:
            return False
        self._cache_room -= parts
        return True

    def _matches(self, model_id: str) -> tuple[int, ...]:
        normal, raw = normalise_id(model_id), model_id.lower()
        if not normal:
            return ()
        positions = self._patterns.matches(normal)
        if raw != normal:
            positions += self._patterns.path_matches(raw, positions)
        return tuple(positions)

    def _first_matches(self, positions: Iterable[int]) -> tuple[tuple[str, Decision], ...]:
        first: dict[str, tuple[int, bool | None]] = {}
        for position in positions:
            for order, capability, has in self._votes[position]:
                if capability not in first or order < first[capability][0]:
                    first[capability] = (order, has)
        return tuple((name, (has, "regex")) for name, (_, has) in sorted(first.items()) if has is not None)


_OwnPatterns = tuple[tuple[str, tuple[str, ...]], ...]

_NAME_PATTERNS: Final = SizedCache[tuple[str | None, _OwnPatterns], NamePatterns](_SET_MEMORY)
_GETTERS: Final = SizedCache[tuple[str, ...], tuple[Getter, ...]](_MAX_CACHED_PARTS)


def name_patterns(shared: PatternSet | None, own: _OwnPatterns = ()) -> NamePatterns:
    """A provider's own patterns before a set's, compiled once for all rules with the same patterns."""
    key = (None if shared is None else shared.digest, own)
    compiled_patterns = _NAME_PATTERNS.get(key)
    if compiled_patterns is None:
        patterns = dict(own)
        for capability, listed in () if shared is None else shared.patterns.items():
            patterns[capability] = (*patterns.get(capability, ()), *listed)
        compiled_patterns = NamePatterns(patterns)
        _NAME_PATTERNS.put(key, compiled_patterns, compiled_patterns.memory)
    return compiled_patterns


def _getters_read(predicates: tuple[str, ...]) -> tuple[Getter, ...] | None:
    """Getters of all that the predicates read in an item; None if they read the whole item."""
    getters = _GETTERS.get(predicates)
    if getters is None:
        paths = frozenset[tuple[str, ...]]().union(*(compiled(text).paths for text in predicates))
        if () in paths:
            return None
        getters = tuple(path_getter(path) for path in sorted(paths))
        _GETTERS.put(predicates, getters, 1 + len(predicates))
    return getters


class CompiledCapabilities:
    """Capability rules, compiled.

    Args:
        rules: The rules.
        shared: The set that decides if the rules' own patterns do not; copies of its patterns in the rules are ignored.

    Attributes:
        cost: Fixed steps per model, which the caller must spend.
    """

    @classmethod
    def of(cls, rule: ExtractionRule) -> Self:
        """The capability rules of a rule, with the pattern set that it names."""
        return cls(rule.capability_rules, rule.shared_patterns)

    def __init__(self, rules: Sequence[CapabilityRule], shared: PatternSet | None = None) -> None:
        self._predicates: list[tuple[str, tuple[tuple[tuple[Compiled, ...], Decision | None], ...]]] = []
        self._lookup: dict[str, dict[str, Decision]] = {}
        for rule in rules:
            sides = tuple(
                (tuple(compiled(text) for text in texts), decision)
                for kind, decision in zip(PREDICATE_KINDS, _DECISIONS, strict=True)
                if (texts := getattr(rule.patterns, kind))
            )
            if sides:
                self._predicates.append((rule.capability, sides))
            for model_id, capabilities in rule.patterns.lookup_table.items():
                entry = self._lookup.setdefault(model_id.lower(), {})
                entry.update(dict.fromkeys(capabilities, (True, "lookup_table")))
        self._read = _getters_read(tuple(text for rule in rules for text in rule.patterns.predicates))
        predicates = [each for _, sides in self._predicates for listed, _ in sides for each in listed]
        self._predicates_cost = sum(_PREDICATE_STEPS + each.cost for each in predicates)
        self.cost = len(self._read or ())
        self._evidence_cache: dict[bytes, EvidenceStates] = {}
        own = (
            (
                rule.capability,
                rule.patterns.regex if shared is None else shared.own(rule.capability, rule.patterns.regex),
            )
            for rule in rules
        )
        self._names = name_patterns(shared, tuple((capability, listed) for capability, listed in own if listed))
        self._column_cache: dict[tuple[NameDecisions, EvidenceStates], Columns] = {}
        self._cache_room = _MAX_CACHED_PARTS

    def of_name(self, model_id: str, work: Work | None = None) -> Mapping[str, Decision]:
        """What lookup tables and patterns decide about an id; undecided capabilities are absent.

        Raises:
            RuleTooCostlyError: Matching has taken too much processor time.
        """
        return self._looked_up(model_id, self._names.decide_priced(model_id, work or Work())[0].decisions)

    def _looked_up(self, model_id: str, named: Mapping[str, Decision]) -> Mapping[str, Decision]:
        """The patterns' decisions, with those of the lookup tables in their place."""
        if not self._lookup:
            return named
        tables = (self._lookup.get(key, {}) for key in (normalise_id(model_id), model_id.lower()))
        return dict(sorted(functools.reduce(lambda found, table: {**found, **table}, tables, dict(named)).items()))

    def of_item(self, item: Any, model_id: str) -> Mapping[str, Decision]:
        """What the rule decides about a raw model object and its id, sorted by capability."""
        return _combined(self.of_name(model_id), self._evidence(item, Work()))

    def columns_of(self, item: Any, model_id: str, work: Work) -> Columns:
        """`of_item` as the columns of a row, cached for models with equal decisions.

        Raises:
            WorkExceededError: Too few steps are left.
            RuleTooCostlyError: Matching has taken too much processor time.
        """
        stated = self._evidence(item, work) if self._predicates else ()
        named, cost = self._names.decide_priced(model_id, work)
        work.left -= cost
        if work.left < 0:
            raise WorkExceededError
        if self._lookup:
            found = _combined(self._looked_up(model_id, named.decisions), stated)
            work.spend(_LOOKUP_STEPS * len(found))
            return _columns(found)
        cached = self._column_cache.get((named, stated))
        if cached is None:
            cached = _columns(_combined(named.decisions, stated))
            if len(self._column_cache) < _MAX_CACHED_COLUMNS and len(cached[0]) <= self._cache_room:
                self._cache_room -= len(cached[0])
                self._column_cache[named, stated] = cached
        return cached[0].copy(), cached[1].copy()

    def _evidence(self, item: Any, work: Work) -> EvidenceStates:
        """What the predicates say, cached for models that agree in everything the predicates read."""
        if self._read is None:
            return self._evaluated(item, work)
        try:
            read = marshal.dumps([get(item) for get in self._read], _MARSHAL_VERSION)
        except ValueError:  # not JSON, or nested too deeply
            return self._evaluated(item, work)
        work.left -= len(read) // CHARACTERS_PER_STEP
        stated = self._evidence_cache.get(read)
        if stated is None:
            stated = self._evaluated(item, work)
            if len(read) <= _MAX_CACHED_KEY and len(self._evidence_cache) < _MAX_CACHED_COLUMNS:
                self._evidence_cache[read] = stated
        return stated

    def _evaluated(self, item: Any, work: Work) -> EvidenceStates:
        work.spend(self._predicates_cost)
        stated: list[tuple[str, Decision | None]] = []
        for capability, sides in self._predicates:
            for predicates, decision in sides:
                if _holds_any(predicates, item, work):
                    stated.append((capability, decision))
                    break
        return tuple(stated)


def _holds_any(predicates: Iterable[Compiled], item: Any, work: Work) -> bool:
    for each in predicates:
        try:
            if is_true(each.evaluate(item, work)):
                return True
        except WorkExceededError as error:
            raise WorkExceededError(f"the predicate {shown(each.text)!r}") from error
    return False


def _combined(named: Mapping[str, Decision], stated: EvidenceStates) -> Mapping[str, Decision]:
    if not stated:
        return named
    found, weak = dict(named), []
    for capability, decision in stated:
        if decision is _WEAKLY_STATED:
            weak.append(capability)
        elif decision is not None:
            found[capability] = decision
        elif found.get(capability) == _NAMED:
            del found[capability]
    if any(found.get(each) is _STATED for each in _special_purposes()) and not found.get("chat", _DENIED)[0]:
        found = {each: decision for each, decision in found.items() if decision != _NAMED or each not in _OF_CHAT}
    if weak:
        found.update(dict.fromkeys(_heard(weak, found), _WEAKLY_STATED))
    return dict(sorted(found.items()))


@functools.cache
def _special_purposes() -> frozenset[str]:
    """The purposes other than chat and completion."""
    return frozenset(purpose_names() - _DIALOGUE)


def _heard(weak: Sequence[str], found: Mapping[str, Decision]) -> list[str]:
    """The weakly stated capabilities of a model that nothing stronger decides.

    A purpose counts only if nothing stronger states one, and no weak evidence states one more specific than chat. An
    ability counts unless the model has a purpose other than chat.
    """
    purposes = purpose_names()
    known = {capability for capability in purposes if found.get(capability, _DENIED)[0]}
    stated = {capability for capability in weak if capability in purposes and capability not in found}
    special = stated - _DIALOGUE
    if known or len(special) > 1:
        stated = set()
    elif special:
        stated = special
    abilities = found.get("chat", _STATED)[0] and known | stated <= _DIALOGUE
    return [each for each in weak if each in stated or (abilities and each not in purposes and each not in found)]


def _columns(decisions: Mapping[str, Decision]) -> Columns:
    return (
        {capability: has for capability, (has, _) in decisions.items()},
        {capability: source for capability, (_, source) in decisions.items()},
    )


class CapabilityMatcher:
    """Matches a model id against capability rules."""

    def match_capabilities(self, model_id: str, rules: Any) -> list[str]:
        """The id's capabilities, sorted by name.

        Args:
            model_id: The id as the provider writes it.
            rules: The list form, `[{"capability": "chat", "patterns": {"regex": ["gpt-.*"]}}]`, or the stored form,
                `{"chat": {"patterns": {"regex": ["gpt-.*"]}}}`.

        Raises:
            InvalidRuleError: The rules are malformed, or a pattern does not compile.
        """
        decisions = CompiledCapabilities(parse_capability_rules(rules)).of_name(model_id)
        return sorted(capability for capability, (has, _) in decisions.items() if has)
