"""Carries fields of the active rule over to a new one: in the new response they are found again by their values."""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from provider_pipeline.errors import RuleTooCostlyError
from provider_pipeline.rules.document import Endpoint, ExtractionRule
from provider_pipeline.rules.extraction import FIELD_COLUMNS, ItemReader
from provider_pipeline.rules.generation.shape import Column, shape_of
from provider_pipeline.rules.language import getter_within
from provider_pipeline.rules.matching import CompiledCapabilities
from provider_pipeline.rules.thresholds import Thresholds
from provider_pipeline.rules.work import Work

_MIN_AGREEMENT: Final = 0.95
"""Share of the models in both responses whose value a path must hold."""
_MIN_MODELS: Final = 3
_NUMBER: Final = re.compile(r"\s*[+-]?(?:[0-9]{1,400}\.?[0-9]{0,400}|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,4})?\s*")
_INHERITED_FIELDS: Final = tuple(name for name in FIELD_COLUMNS if name != "id")

Pages = Sequence[Any]


def with_inherited_fields(
    rule: ExtractionRule, active: ExtractionRule, pages: Sequence[tuple[Pages, Pages]]
) -> tuple[ExtractionRule, dict[str, str]]:
    """Add the active rule's fields that the new rule lacks and that can be found by their values.

    A field renamed from `context_length` to `limits.window` still holds the same number for the same model. A path that
    agrees with nearly all known values is that field, if it is the only one.

    Args:
        rule: A rule written from the new response alone.
        active: The rule that read the last good response.
        pages: For each endpoint of the active rule, the parsed pages of the good and of the new response.

    Returns:
        The rule, and the expressions of the inherited fields by name; none if one of the rules is too costly.
    """
    try:
        return _with_inherited_fields(rule, active, pages)
    except RuleTooCostlyError:
        return rule, {}


def _with_inherited_fields(
    rule: ExtractionRule, active: ExtractionRule, pages: Sequence[tuple[Pages, Pages]]
) -> tuple[ExtractionRule, dict[str, str]]:
    endpoints, found = list(rule.endpoints), dict[str, str]()
    for position, (good, new) in enumerate(pages):
        if position < len(endpoints) and position < len(active.endpoints):
            old, now = _items_by_id(active, position, good), _items_by_id(rule, position, new)
            fields = _inherited(active.endpoints[position], endpoints[position], old, now)
            if fields:
                endpoints[position] = _extended(endpoints[position], active.endpoints[position], fields)
                found |= fields
    return (rule.model_copy(update={"endpoints": tuple(endpoints)}) if found else rule), found


def _items_by_id(rule: ExtractionRule, position: int, pages: Pages) -> dict[str, Any]:
    """The items of an endpoint by id."""
    endpoint = rule.endpoints[position]
    reader = ItemReader(endpoint, CompiledCapabilities.of(rule), Thresholds.model_validate({}))
    read_id = getter_within(endpoint.fields["id"], Work())
    return {
        str(model_id): item
        for page in pages
        for item in reader.items(page) or []
        if isinstance(item, dict) and isinstance(model_id := read_id(item), (str, int))
    }


def _inherited(active: Endpoint, candidate: Endpoint, old: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, str]:
    shared = [model_id for model_id in now if model_id in old]
    wanted = [name for name in _INHERITED_FIELDS if name in active.fields and name not in candidate.fields]
    if len(shared) < _MIN_MODELS or not wanted:
        return {}
    taken = set(candidate.fields.values())
    columns = [
        column
        for column in shape_of([now[model_id] for model_id in shared]).columns.values()
        if column.share((dict, list)) < 1 and column.expression not in taken
    ]
    found = {}
    for name in wanted:
        read = getter_within(active.fields[name], Work())
        known = {owner: value for owner, model_id in enumerate(shared) if (value := read(old[model_id])) is not None}
        agreeing = [column for column in columns if _agrees(column, known)]
        if len(agreeing) == 1:
            found[name] = agreeing[0].expression
    # Two fields at one path agree by coincidence.
    paths = list(found.values())
    return {name: path for name, path in found.items() if paths.count(path) == 1}


def _agrees(column: Column, known: Mapping[int, Any]) -> bool:
    """Whether a path holds nearly all known values, and these are not one value for all models."""
    if len(known) < _MIN_MODELS or len({str(value) for value in known.values()}) < 2:
        return False
    there = dict(zip(column.owners, column.values, strict=True))
    same = sum(owner in there and _same(value, there[owner]) for owner, value in known.items())
    return same >= _MIN_AGREEMENT * len(known)


def _same(value: Any, other: Any) -> bool:
    if isinstance(value, bool) or isinstance(other, bool):
        return value is other
    if isinstance(value, str) != isinstance(other, str):
        # Exact: as doubles, different whole numbers beyond 2**53 are equal.
        mine, theirs = _decimal(value), _decimal(other)
        return mine is not None and mine == theirs
    return bool(value == other)


def _decimal(value: Any) -> Decimal | None:
    """The number in a JSON number, or in a text that is a literal of one; None for anything else."""
    if not isinstance(value, (int, float, str)) or (isinstance(value, str) and not _NUMBER.fullmatch(value)):
        return None
    return Decimal(value if isinstance(value, int) else str(value))


def _extended(endpoint: Endpoint, active: Endpoint, fields: Mapping[str, str]) -> Endpoint:
    units = {name: active.units[name] for name in fields if name in active.units}
    return endpoint.model_copy(update={"fields": {**endpoint.fields, **fields}, "units": {**endpoint.units, **units}})
