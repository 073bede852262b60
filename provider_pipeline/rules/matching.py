"""Which capabilities a model has, by a rule: evidence, then lookup, then patterns.

Here: applying capability rules. Not here: writing them (`generation/`) and the patterns' own checks (`patterns.py`).
The precedence is explained in docs/rules.md.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from provider_pipeline.errors import InvalidRuleError
from provider_pipeline.rules.document import CapabilityRule, ExtractionRule
from provider_pipeline.rules.forms import merged_capability_rules
from provider_pipeline.rules.ids import normalise_id
from provider_pipeline.rules.language import Getter, compile_expression, is_true
from provider_pipeline.rules.patterns import PatternSet, parse_pattern

_RULES: Final = TypeAdapter(tuple[CapabilityRule, ...])
_KNOWN_NAMES: Final = 100_000

Decision = tuple[bool, str]
"""Whether the model has the capability, and what says so."""


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
        self._known: dict[str, Mapping[str, Decision]] = {}

    def decide(self, model_id: str) -> Mapping[str, Decision]:
        """What the patterns say of an id: for each capability, the first that matches its name or itself."""
        known = self._known.get(model_id)
        if known is None:
            known = self._judge(model_id)
            if len(self._known) < _KNOWN_NAMES:
                self._known[model_id] = known
        return known

    def _judge(self, model_id: str) -> Mapping[str, Decision]:
        normal, raw = normalise_id(model_id), model_id.lower()
        if not normal:
            return {}
        positions = set(self._patterns.matches(normal))
        if raw != normal:
            positions.update(self._patterns.matches(raw))
        first: dict[str, tuple[int, bool | None]] = {}
        for position in positions:
            for order, capability, has in self._votes[position]:
                if capability not in first or order < first[capability][0]:
                    first[capability] = (order, has)
        return {name: (has, "regex") for name, (_, has) in sorted(first.items()) if has is not None}


@functools.lru_cache(maxsize=64)
def _name_patterns(ordered: tuple[tuple[str, tuple[str, ...]], ...]) -> NamePatterns:
    """Rules made by one version of the generator share their patterns, and so their compiled form."""
    return NamePatterns(ordered)


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
        self._names = _name_patterns(tuple((rule.capability, rule.patterns.regex) for rule in rules))

    def of_name(self, model_id: str) -> Mapping[str, Decision]:
        """What lookup tables and patterns say of an id; capabilities they do not speak of are absent."""
        named = self._names.decide(model_id)
        if not self._lookup:
            return named
        tables = (self._lookup.get(key, {}) for key in (normalise_id(model_id), model_id.lower()))
        return dict(sorted(functools.reduce(lambda found, table: {**found, **table}, tables, dict(named)).items()))

    def of_item(self, item: Any, model_id: str) -> Mapping[str, Decision]:
        """What the rule says of a raw model object and its id, sorted by capability."""
        named = self.of_name(model_id)
        told = self._evidence(item)
        return dict(sorted({**named, **told}.items())) if told else named

    def _evidence(self, item: Any) -> dict[str, Decision]:
        decisions: dict[str, Decision] = {}
        for capability, evidence, counter in self._predicates:
            for holds in evidence:
                if is_true(holds(item)):
                    decisions[capability] = (True, "evidence")
                    break
            else:
                for holds in counter:
                    if is_true(holds(item)):
                        decisions[capability] = (False, "evidence")
                        break
        return decisions


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
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidRuleError(f"capability rules: {where}: {first['msg'].removeprefix('Value error, ')}") from error


@functools.lru_cache(maxsize=256)
def compiled_rule(rule: ExtractionRule) -> CompiledCapabilities:
    """A rule's capability patterns, compiled once for each rule that is in use."""
    return CompiledCapabilities(rule.capability_rules)
