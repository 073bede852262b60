"""All overrides of a provider: single ones, those from files, patterns; and which of them a model gets."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal, NamedTuple

from provider_pipeline.errors import InvalidRuleError
from provider_pipeline.rules.model_columns import PRICE_COLUMNS
from provider_pipeline.rules.overriding import apply_override, combined_override, listed_values, override_fields
from provider_pipeline.rules.patterns import RegexSet, program_size
from provider_pipeline.rules.prices import component_of, usd_per_million_tokens

PERSON: Final = "person"
"""The source of an override that somebody set by itself; any other source is a set, such as a file."""
Match = Literal["model", "glob", "re2"]
"""How an override names its models: by id, by a glob, or by an RE2 pattern."""
_GLOB_WILDCARD = re.compile(r"[*?]")
_SAME: Final = 1e-6
"""Relative difference below which two amounts are the same price."""


class StatedValue(NamedTuple):
    """A current override, as stored.

    Attributes:
        target: A model id or a pattern.
        source: `PERSON`, or the name of the set.
        fills_gaps: Whether the value counts only where the listing says nothing.
        since: When it took effect, as ISO 8601 in UTC; empty for always.
    """

    match: Match
    target: str
    field: str
    value: Any
    source: str = PERSON
    fills_gaps: bool = False
    since: str = ""


class ModelOverride(NamedTuple):
    """The overrides of one model.

    Attributes:
        values: Columns that win over the listing, as `apply_override` takes them.
        gaps: By source, fields that count only where the listing says nothing.
    """

    values: Mapping[str, Any]
    gaps: Mapping[str, Mapping[str, Any]]

    def apply(self, row: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """The row with these values, and the fields that they set."""
        fields = set(override_fields(self.values))
        changed = apply_override(row, self.values) if self.values else dict(row)
        for gaps in self.gaps.values():
            if missing := combined_override(_missing(changed, gaps, fields)):
                changed = apply_override(changed, missing)
                fields.update(override_fields(missing))
        return changed, sorted(fields)


@dataclass(frozen=True)
class OverrideSet:
    """All current overrides of a provider; false if there are none."""

    stated: tuple[StatedValue, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.stated)

    @classmethod
    def parse(cls, document: Iterable[Iterable[Any]]) -> "OverrideSet":
        """The set that `document` wrote."""
        return cls(tuple(StatedValue(*each) for each in document))

    def document(self) -> list[list[Any]]:
        """The set as JSON."""
        return [list(each) for each in self.stated]

    def of(self, model_id: str) -> ModelOverride | None:
        """What a model gets; None without an override.

        For each field, a single override beats one from a set, a model's id beats a pattern, a pattern with more
        literal characters beats one with fewer, and a later date beats an earlier one. A value that only fills gaps
        yields to any other.
        """
        found = [*self._by_model.get(model_id, ()), *(self._patterns[at] for at in self._matcher.matches(model_id))]
        if not found:
            return None
        values: dict[str, Any] = {}
        # A set fills gaps from its most specific target alone: two of a peer's models are two price lists.
        gaps: dict[str, tuple[str, dict[str, Any]]] = {}
        for each in sorted(found, key=_precedence):
            field, value = _one_name(each.field, each.value)
            if each.fills_gaps:
                target, fields = gaps.get(each.source, (None, {}))
                gaps[each.source] = (each.target, ({} if target != each.target else fields) | {field: value})
            else:
                values[field] = value
        return ModelOverride(combined_override(values), {source: fields for source, (_, fields) in gaps.items()})

    @cached_property
    def _by_model(self) -> Mapping[str, list[StatedValue]]:
        found: dict[str, list[StatedValue]] = {}
        for each in self.stated:
            if each.match == "model":
                found.setdefault(each.target, []).append(each)
        return found

    @cached_property
    def _patterns(self) -> list[StatedValue]:
        return [each for each in self.stated if each.match != "model"]

    @cached_property
    def _matcher(self) -> RegexSet:
        return RegexSet([as_re2(each.match, each.target) for each in self._patterns])


def as_re2(match: Match, target: str) -> str:
    r"""The RE2 pattern of a glob (`*` is any text, `?` one character) or of a pattern.

    Example:
        >>> as_re2("glob", "gpt-4.1*")
        'gpt-4\\.1.*'
    """
    if match == "re2":
        return target
    parts = re.split(r"([*?])", target)
    return "".join({"*": ".*", "?": "."}.get(part) or re.escape(part) for part in parts if part)


def check_pattern(match: Match, target: str) -> int:
    """The size of a pattern in RE2 instructions.

    Raises:
        InvalidRuleError: RE2 rejects it, or it is too large.
    """
    if match == "glob" and not _GLOB_WILDCARD.search(target):
        raise InvalidRuleError(f"the pattern {target!r} has no * or ?", hint="name a single model with `model`")
    return program_size(as_re2(match, target))


def _precedence(stated: StatedValue) -> tuple[Any, ...]:
    is_model = stated.match == "model"
    literal = len(re.sub(r"[^A-Za-z0-9]", "", stated.target))
    return stated.source == PERSON, is_model, literal, len(stated.target), stated.target, stated.since, stated.source


def _one_name(field: str, value: Any) -> tuple[str, Any]:
    """A price column under its name in `prices`, so that the two names do not compete."""
    if field not in PRICE_COLUMNS:
        return field, value
    return f"prices.{component_of(field)}", None if value is None else usd_per_million_tokens(value)


def _missing(row: Mapping[str, Any], gaps: Mapping[str, Any], decided: set[str]) -> dict[str, Any]:
    """The fields that the row lacks; no price if the row contradicts one: it is another price list then."""
    known = listed_values(row, gaps)
    contradicted = any(
        field.startswith("prices.") and known[field] is not None and not _is_same(known[field], value)
        for field, value in gaps.items()
    )
    return {
        field: value
        for field, value in gaps.items()
        if known[field] is None and field not in decided and not (contradicted and field.startswith("prices."))
    }


def _is_same(listed: Mapping[str, Any], stated: Any) -> bool:
    return (
        stated is not None
        and (listed["unit"], listed["currency"]) == (stated["unit"], stated["currency"])
        and math.isclose(listed["amount"], stated["amount"], rel_tol=_SAME)
    )
