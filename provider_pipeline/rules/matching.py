"""Which capabilities a model has, by a rule: evidence, then lookup, then patterns.

Here: applying capability rules. Not here: writing them (`generation/`) and the patterns' own checks (`patterns.py`).
The precedence is explained in docs/rules.md.
"""

import functools
import marshal
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from provider_pipeline.errors import InvalidRuleError
from provider_pipeline.rules.document import CapabilityRule, first_reason
from provider_pipeline.rules.forms import merged_capability_rules
from provider_pipeline.rules.ids import normalise_id
from provider_pipeline.rules.language import Getter, compile_expression, expression_reads, is_true, path_getter
from provider_pipeline.rules.patterns import PatternSet, parse_pattern

_RULES: Final = TypeAdapter(tuple[CapabilityRule, ...])
_KNOWN_NAMES: Final = 100_000
_KNOWN_COLUMNS: Final = 10_000
_LONGEST_READ: Final = 1_000
_BY_VALUE: Final = 2
"""The version of `marshal` whose bytes are of the values alone, each with its type: true is not 1, nor 1 is 1.0."""

Decision = tuple[bool, str]
"""Whether the model has the capability, and what says so."""

Told = tuple[tuple[str, bool], ...]
"""What evidence says: capabilities, each with whether the model has it."""

Columns = tuple[dict[str, bool], dict[str, str]]
"""A row's `capabilities` and `capability_sources`."""


@dataclass(frozen=True, eq=False, slots=True)
class Named:
    """What a rule's patterns say of some names; names that are told the same share one."""

    decisions: Mapping[str, Decision]


class NamePatterns:
    """The name patterns of all capabilities of a rule, ready to judge ids. Does not forget the ids it has judged."""

    def __init__(self, ordered: Sequence[tuple[str, tuple[str, ...]]]) -> None:
        self._votes: list[list[tuple[int, str, bool | None]]] = []
        positions: dict[str, int] = {}
        for capability, texts in ordered:
            for order, text in enumerate(texts):
                has, pattern = parse_pattern(text)
                position = positions.setdefault(pattern, len(positions))
                if position == len(self._votes):
                    self._votes.append([])
                self._votes[position].append((order, capability, has))
        self._patterns = PatternSet(list(positions))
        self._known: dict[str, Named] = {}
        self._told: dict[tuple[int, ...], Named] = {}
        self._shared: dict[tuple[tuple[str, Decision], ...], Named] = {}

    def decide(self, model_id: str) -> Named:
        """What the patterns say of an id: for each capability, the first that matches its name or itself."""
        known = self._known.get(model_id)
        if known is None:
            positions = self._matching(model_id)
            known = self._told.get(positions)
            if known is None:
                known = self._named(positions)
                if len(self._told) < _KNOWN_COLUMNS:
                    self._told[positions] = known
            if len(self._known) < _KNOWN_NAMES:
                self._known[model_id] = known
        return known

    def _named(self, positions: tuple[int, ...]) -> Named:
        decisions = self._judge(positions)
        named = self._shared.get(decisions)
        if named is None:
            named = Named(dict(decisions))
            if len(self._shared) < _KNOWN_COLUMNS:
                self._shared[decisions] = named
        return named

    def _matching(self, model_id: str) -> tuple[int, ...]:
        normal, raw = normalise_id(model_id), model_id.lower()
        if not normal:
            return ()
        positions = self._patterns.matches(normal)
        if raw != normal:
            positions += self._patterns.matches(raw)
        return tuple(positions)

    def _judge(self, positions: Iterable[int]) -> tuple[tuple[str, Decision], ...]:
        first: dict[str, tuple[int, bool | None]] = {}
        for position in positions:
            for order, capability, has in self._votes[position]:
                if capability not in first or order < first[capability][0]:
                    first[capability] = (order, has)
        return tuple((name, (has, "regex")) for name, (_, has) in sorted(first.items()) if has is not None)


@functools.lru_cache(maxsize=64)
def _name_patterns(ordered: tuple[tuple[str, tuple[str, ...]], ...]) -> NamePatterns:
    """Rules made by one version of the generator share their patterns, and so their compiled form."""
    return NamePatterns(ordered)


@functools.lru_cache(maxsize=256)
def _what_is_read(predicates: tuple[str, ...]) -> tuple[Getter, ...] | None:
    """All that the predicates look at in an item; None where that is all of it."""
    paths = frozenset[tuple[str, ...]]().union(*map(expression_reads, predicates))
    return None if () in paths else tuple(path_getter(path) for path in sorted(paths))


class CompiledCapabilities:
    """Capability rules, ready to judge models."""

    def __init__(self, rules: Sequence[CapabilityRule]) -> None:
        self._predicates: list[tuple[str, tuple[Getter, ...], tuple[Getter, ...]]] = []
        self._lookup: dict[str, dict[str, Decision]] = {}
        for rule in rules:
            evidence = tuple(compile_expression(text) for text in rule.patterns.evidence)
            counter = tuple(compile_expression(text) for text in rule.patterns.counter_evidence)
            if evidence or counter:
                self._predicates.append((rule.capability, evidence, counter))
            for model_id, capabilities in rule.patterns.lookup_table.items():
                entry = self._lookup.setdefault(model_id.lower(), {})
                entry.update(dict.fromkeys(capabilities, (True, "lookup_table")))
        self._read = _what_is_read(
            tuple(text for rule in rules for text in (*rule.patterns.evidence, *rule.patterns.counter_evidence))
        )
        self._told: dict[bytes, Told] = {}
        self._names = _name_patterns(tuple((rule.capability, rule.patterns.regex) for rule in rules))
        self._columns: dict[tuple[Named, Told], Columns] = {}

    def of_name(self, model_id: str) -> Mapping[str, Decision]:
        """What lookup tables and patterns say of an id; capabilities they do not speak of are absent."""
        named = self._names.decide(model_id).decisions
        if not self._lookup:
            return named
        tables = (self._lookup.get(key, {}) for key in (normalise_id(model_id), model_id.lower()))
        return dict(sorted(functools.reduce(lambda found, table: {**found, **table}, tables, dict(named)).items()))

    def of_item(self, item: Any, model_id: str) -> Mapping[str, Decision]:
        """What the rule says of a raw model object and its id, sorted by capability."""
        return _together(self.of_name(model_id), self._evidence(item))

    def columns_of(self, item: Any, model_id: str) -> Columns:
        """What `of_item` says, as the columns of a row. Models that are told the same are worked out once."""
        told = self._evidence(item) if self._predicates else ()
        if self._lookup:
            return _columns(_together(self.of_name(model_id), told))
        named = self._names.decide(model_id)
        known = self._columns.get((named, told))
        if known is None:
            known = _columns(_together(named.decisions, told))
            if len(self._columns) < _KNOWN_COLUMNS:
                self._columns[named, told] = known
        return known[0].copy(), known[1].copy()

    def _evidence(self, item: Any) -> Told:
        """What the predicates say. Models that agree in all that the predicates read are told the same, once."""
        if self._read is None:
            return self._judged(item)
        try:
            read = marshal.dumps([get(item) for get in self._read], _BY_VALUE)
        except ValueError:  # no JSON, or nested too deeply
            return self._judged(item)
        told = self._told.get(read)
        if told is None:
            told = self._judged(item)
            if len(read) <= _LONGEST_READ and len(self._told) < _KNOWN_COLUMNS:
                self._told[read] = told
        return told

    def _judged(self, item: Any) -> Told:
        told: list[tuple[str, bool]] = []
        for capability, evidence, counter in self._predicates:
            for holds in evidence:
                if is_true(holds(item)):
                    told.append((capability, True))
                    break
            else:
                for holds in counter:
                    if is_true(holds(item)):
                        told.append((capability, False))
                        break
        return tuple(told)


def _together(named: Mapping[str, Decision], told: Told) -> Mapping[str, Decision]:
    if not told:
        return named
    return dict(sorted({**named, **{capability: (has, "evidence") for capability, has in told}}.items()))


def _columns(decisions: Mapping[str, Decision]) -> Columns:
    return (
        {capability: has for capability, (has, _) in decisions.items()},
        {capability: source for capability, (_, source) in decisions.items()},
    )


class CapabilityMatcher:
    """Matches a model id against capability rules."""

    def match_capabilities(self, model_id: str, rules: Any) -> list[str]:
        """The capabilities the rules give the id, sorted by name.

        Args:
            model_id: The id as the provider writes it.
            rules: The list form, `[{"capability": "chat", "patterns": {"regex": ["gpt-.*"]}}]`, or the stored form,
                `{"chat": {"patterns": {"regex": ["gpt-.*"]}}}`.

        Raises:
            InvalidRuleError: The rules cannot be understood, or a pattern does not compile.
        """
        decisions = compiled_capabilities(rules).of_name(model_id)
        return sorted(capability for capability, (has, _) in decisions.items() if has)


def compiled_capabilities(rules: Any) -> CompiledCapabilities:
    """Capability rules of either written form, compiled.

    Raises:
        InvalidRuleError: The rules cannot be understood, or a pattern does not compile.
    """
    try:
        return CompiledCapabilities(_RULES.validate_python(tuple(merged_capability_rules(rules))))
    except ValidationError as error:
        raise InvalidRuleError(f"capability rules: {first_reason(error, 'rules')}") from error
    except UnicodeEncodeError as error:
        raise InvalidRuleError("capability rules: a text holds half of a surrogate pair") from error
