"""Manual overrides: their fields, their application to rows, and the selection of a model's from its provider's.

A field is a column, or one key of a column that is merged by key: `capabilities.vision`, `prices.cache_read`,
`metadata_json.owner`.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal, NamedTuple

from provider_pipeline.errors import InvalidRuleError, UnknownValueError
from provider_pipeline.rules.dates import date_range, read_date
from provider_pipeline.rules.model_columns import PRICE_COLUMNS, PROVIDER_MODEL_COLUMNS, ROW_COLUMNS
from provider_pipeline.rules.patterns import RegexSet, program_size
from provider_pipeline.rules.prices import checked_price, component_of, price_columns, usd_per_million_tokens
from provider_pipeline.rules.rows import meta_hash
from provider_pipeline.rules.values import BadValueError, check_storable

_OVERRIDABLE: Final = {column.name: column for column in PROVIDER_MODEL_COLUMNS if column.overridable}
OVERRIDABLE: Final = tuple(_OVERRIDABLE)
CANONICAL_ID: Final = "canonical_id"
"""The field for an offer's canonical model, which is stored beside the row, not in a column."""
_MERGED: Final = ("capabilities", "metadata_json", "prices")
_NAME: Final = re.compile("[a-z][a-z0-9_]{0,63}")
_MODEL_NAME: Final = re.compile(r"([a-z0-9][a-z0-9._-]*/)?[a-z0-9][a-z0-9._:+-]*")
_MAX_TOKENS: Final = 2**53
PERSON: Final = "person"
"""The source of a single override; any other source is a set, such as a file."""
Match = Literal["model", "glob", "re2"]
"""How an override names its models: by id, by a glob, or by an RE2 pattern."""
_GLOB_WILDCARD = re.compile(r"[*?]")
_SAME: Final = 1e-6
"""Relative difference below which two amounts are the same price."""


def override_fields(override: Mapping[str, Any]) -> list[str]:
    """The fields an override sets, sorted; a price that is also a column under both names."""
    fields: set[str] = set()
    for column, value in override.items():
        fields.update([f"{column}.{key}" for key in value or {}] if column in _MERGED else [column])
    for column in PRICE_COLUMNS:
        if not fields.isdisjoint(same := {column, f"prices.{component_of(column)}"}):
            fields |= same
    return sorted(fields)


def apply_override(row: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """A new row with an operator's values applied.

    Args:
        row: A documented row.
        override: Columns of `OVERRIDABLE`. `capabilities`, `prices` and `metadata_json` are merged key by key, the
            rest replaces the row's values. A capability or price set to None becomes unknown again.

    Raises:
        InvalidRuleError: The override names another column.
    """
    unknown = sorted(str(key) for key in override if key not in OVERRIDABLE)
    if unknown:
        raise InvalidRuleError(f"cannot override {', '.join(unknown)}; columns that can be: {', '.join(OVERRIDABLE)}")
    changed = {column: row.get(column) for column in ROW_COLUMNS}
    capabilities = dict(row.get("capabilities") or {})
    sources = dict(row.get("capability_sources") or {})
    for column, value in override.items():
        if column == "capabilities":
            for capability, state in (value or {}).items():
                if state is not None and not isinstance(state, bool):
                    raise InvalidRuleError(f"capability {capability} can be true, false or null, not {state!r}")
                capabilities.pop(capability, None)
                sources.pop(capability, None)
                if state is not None:
                    capabilities[capability], sources[capability] = state, "override"
        elif column == "metadata_json":
            changed[column] = {**(row.get(column) or {}), **(value or {})}
        elif column == "prices" or column in PRICE_COLUMNS:
            continue  # below, as they must agree
        elif column.endswith("_modalities") and value is not None:
            changed[column] = sorted({str(modality) for modality in value})
        else:
            changed[column] = value
    changed["prices"] = prices = _overridden_prices(row.get("prices") or {}, override)
    changed |= price_columns(prices)
    changed["capabilities"] = dict(sorted(capabilities.items()))
    changed["capability_sources"] = dict(sorted(sources.items()))
    changed["meta_hash"] = meta_hash(changed)
    return changed


def _overridden_prices(prices: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(prices)
    values = {component_of(column): override[column] for column in PRICE_COLUMNS if column in override}
    for component, value in {**values, **(override.get("prices") or {})}.items():
        found.pop(component, None)
        if value is not None:
            found[component] = usd_per_million_tokens(value) if isinstance(value, (int, float)) else value
    return dict(sorted(found.items()))


def combined_override(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by field, as the override that `apply_override` takes.

    Example:
        >>> combined_override({"context_length": 5, "capabilities.vision": True})
        {'context_length': 5, 'capabilities': {'vision': True}}
    """
    override: dict[str, Any] = {}
    for field, value in values.items():
        column, _, key = field.partition(".")
        if key:
            override.setdefault(column, {})[key] = value
        else:
            override[column] = value
    return override


def listed_values(row: Mapping[str, Any], fields: Iterable[str]) -> dict[str, Any]:
    """The row's own values of these fields, or None."""
    values = {}
    for field in fields:
        column, _, key = field.partition(".")
        values[field] = (row[column] or {}).get(key) if key else row[column]
    return values


def checked_value(field: str, value: Any) -> Any:
    """Validate a value; returns it in the form of a row.

    Args:
        field: A column, `capabilities.NAME`, `prices.NAME` or `metadata_json.NAME`, or `canonical_id`.
        value: JSON; None means unknown, even if the listing has a value.

    Raises:
        InvalidRuleError: The field cannot have this value.
        UnknownValueError: There is no such field.
    """
    if field == CANONICAL_ID:
        if value is not None and not (isinstance(value, str) and _MODEL_NAME.fullmatch(value)):
            raise InvalidRuleError(f"{field} cannot be {value!r}; it is lab/name in lower case, or null")
        return value
    column, _, key = field.partition(".")
    if column not in OVERRIDABLE or bool(key) != (column in _MERGED):
        names = [*(f"{name}.NAME" if name in _MERGED else name for name in OVERRIDABLE), CANONICAL_ID]
        raise UnknownValueError(f"no field {field!r} that can be overridden", hint=f"one of {', '.join(names)}")
    if column in ("capabilities", "prices") and not _NAME.fullmatch(key):
        what = "capability" if column == "capabilities" else "price component"
        raise InvalidRuleError(f"{key!r} is not the name of a {what}")
    try:
        check_storable(json.dumps([field, value], allow_nan=False, ensure_ascii=False).replace("\\u0000", "\0"))
    except (BadValueError, TypeError, ValueError) as error:
        raise InvalidRuleError(f"the value of {field} cannot be stored: {error}") from error
    if value is None or column == "metadata_json":
        return value
    if column == "prices":
        return checked_price(key, value)
    described = _OVERRIDABLE[column]
    is_valid, expected = _CHECKS[described.unit or described.type]
    if not is_valid(value):
        raise InvalidRuleError(f"{field} cannot be {value!r}; it is {expected}, or null")
    return sorted(set(value)) if column.endswith("_modalities") else value


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) and each for each in value)


def _is_limit(value: Any) -> bool:
    return type(value) is int and 0 < value <= _MAX_TOKENS


def _is_price(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value < math.inf


def _is_date(value: Any) -> bool:
    try:
        return isinstance(value, str) and read_date(value) == value
    except BadValueError:
        return False


_CHECKS: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = {
    "TEXT": (lambda value: isinstance(value, str) and bool(value.strip()), "a text"),
    "tokens": (_is_limit, "a whole number of tokens above zero"),
    "ARRAY": (_is_texts, "a list of texts"),
    "usd_per_million_tokens": (_is_price, "a price in USD per million tokens"),
    "DATE": (_is_date, f"a date as YYYY-MM-DD, {date_range()}"),
    "JSONB": (lambda value: isinstance(value, bool), "true or false"),
}


class StatedValue(NamedTuple):
    """A current override, as stored.

    Attributes:
        target: A model id or a pattern.
        source: `PERSON`, or the name of the set.
        fills_gaps: Whether the value applies only if the listing has none.
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
        gaps: By source, fields that apply only if the listing has none.
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
    """All current overrides of a provider; falsy without any."""

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
        """The overrides of a model; None if there are none.

        For each field, a single override beats one from a set, a model's id beats a pattern, a pattern with more
        literal characters beats one with fewer, and a later date beats an earlier one. A value that only fills gaps
        yields to any other.
        """
        found = [*self._by_model.get(model_id, ()), *(self._patterns[at] for at in self._matcher.matches(model_id))]
        if not found:
            return None
        values: dict[str, Any] = {}
        # A set fills gaps only from its most specific target: a peer's models have separate price lists.
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
    """A price column's name in `prices`, so that the two names do not compete."""
    if field not in PRICE_COLUMNS:
        return field, value
    return f"prices.{component_of(field)}", None if value is None else usd_per_million_tokens(value)


def _missing(row: Mapping[str, Any], gaps: Mapping[str, Any], decided: set[str]) -> dict[str, Any]:
    """The fields that the row lacks; no price if the row contradicts one, which means another price list."""
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
