"""Which capabilities a model has, by a rule: evidence, then lookup, then patterns.

Here: applying capability rules. Not here: writing them (`generation/`) and the patterns' own checks (`patterns.py`).
The precedence is explained in docs/rules.md.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from provider_pipeline.errors import InvalidRuleError
from provider_pipeline.rules.document import CapabilityRule, ExtractionRule, merged_capability_rules
from provider_pipeline.rules.ids import normalise_id
from provider_pipeline.rules.language import Getter, compile_expression, is_true
from provider_pipeline.rules.patterns import PatternSet

_RULES: Final = TypeAdapter(tuple[CapabilityRule, ...])
_CACHED_NAMES: Final = 100_000

Decision = tuple[bool, str]
"""Whether the model has the capability, and what says so."""


class CompiledCapabilities:
    """Capability rules, ready to judge models. Compiling is slow, judging is fast; a compiled rule is kept."""

    def __init__(self, rules: Sequence[CapabilityRule]) -> None:
        self._predicates: list[tuple[str, tuple[Getter, ...], tuple[Getter, ...]]] = []
        self._lookup: dict[str, dict[str, Decision]] = {}
        self._verdicts: list[Decision] = []
        self._names: list[str] = []
        patterns: list[str] = []
        for rule in rules:
            evidence = tuple(compile_expression(text) for text in rule.patterns.evidence)
            counter = tuple(compile_expression(text) for text in rule.patterns.counter_evidence)
            if evidence or counter:
                self._predicates.append((rule.capability, evidence, counter))
            for model_id, capabilities in rule.patterns.lookup_table.items():
                entry = self._lookup.setdefault(model_id.lower(), {})
                entry.update(dict.fromkeys(capabilities, (True, "lookup_table")))
            for pattern in rule.patterns.regex:
                patterns.append(pattern.removeprefix("!"))
                self._names.append(rule.capability)
                self._verdicts.append((not pattern.startswith("!"), "regex"))
        self._patterns = PatternSet(patterns)
        self._by_name: dict[str, Mapping[str, Decision]] = {}

    def of_name(self, model_id: str) -> Mapping[str, Decision]:
        """What lookup tables and patterns say of an id; capabilities they do not speak of are absent."""
        known = self._by_name.get(model_id)
        if known is None:
            known = self._judge_name(model_id)
            if len(self._by_name) < _CACHED_NAMES:
                self._by_name[model_id] = known
        return known

    def of_item(self, item: Any, model_id: str) -> dict[str, Decision]:
        """What the rule says of a raw model object and its id."""
        decisions = dict(self.of_name(model_id))
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

    def _judge_name(self, model_id: str) -> Mapping[str, Decision]:
        normal, raw = normalise_id(model_id), model_id.lower()
        decisions: dict[str, Decision] = {}
        if normal:
            positions = set(self._patterns.matches(normal))
            if raw != normal:
                positions.update(self._patterns.matches(raw))
            for position in sorted(positions):
                decisions.setdefault(self._names[position], self._verdicts[position])
        for key in (normal, raw):
            decisions.update(self._lookup.get(key, {}))
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
