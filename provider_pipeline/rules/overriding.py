"""Manual overrides: the fields that people may set, and applying them to a row. `catalog` stores them.

A field is a column, or one key of a column that is merged key by key: `capabilities.vision`, `prices.cache_read`,
`metadata_json.owner`.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from provider_pipeline.errors import InvalidRuleError, UnknownValueError
from provider_pipeline.rules.dates import date_range, read_date
from provider_pipeline.rules.model_columns import PRICE_COLUMNS, PROVIDER_MODEL_COLUMNS, ROW_COLUMNS
from provider_pipeline.rules.prices import checked_price, component_of, price_columns, usd_per_million_tokens
from provider_pipeline.rules.rows import meta_hash
from provider_pipeline.rules.values import BadValueError, check_storable

_OVERRIDABLE: Final = {column.name: column for column in PROVIDER_MODEL_COLUMNS if column.overridable}
OVERRIDABLE: Final = tuple(_OVERRIDABLE)
CANONICAL_ID: Final = "canonical_id"
"""The field that says which model an offer is: kept beside the row, and so no column of it."""
_MERGED: Final = ("capabilities", "metadata_json", "prices")
_NAME: Final = re.compile("[a-z][a-z0-9_]{0,63}")
_MODEL_NAME: Final = re.compile(r"([a-z0-9][a-z0-9._-]*/)?[a-z0-9][a-z0-9._:+-]*")
_MAX_TOKENS: Final = 2**53


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
    """The value as a row holds it.

    Args:
        field: A column, `capabilities.NAME`, `prices.NAME` or `metadata_json.NAME`, or `canonical_id`.
        value: JSON; None means unknown, whatever the listing says.

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
