"""Carries parts over to a new rule: stated ones that still fit, and fields found again by their values."""

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from provider_pipeline.errors import RuleTooCostlyError
from provider_pipeline.rules.document import DEFAULT_ID, Endpoint, ExtractionRule
from provider_pipeline.rules.extraction import FIELD_COLUMNS, ItemReader
from provider_pipeline.rules.generation.shape import Column, shape_of
from provider_pipeline.rules.language import getter_within
from provider_pipeline.rules.limits import LISTING_STEPS, Work
from provider_pipeline.rules.matching import CompiledCapabilities
from provider_pipeline.rules.stated_rule import StatedRule, with_endpoints
from provider_pipeline.rules.thresholds import Thresholds
from provider_pipeline.rules.values import is_integer

_MIN_AGREEMENT: Final = 0.95
"""Share of the models in both responses whose value a path must hold."""
_MIN_MODELS: Final = 3
_NUMBER: Final = re.compile(r"\s*[+-]?(?:[0-9]{1,400}\.?[0-9]{0,400}|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,4})?\s*")
_INHERITED_FIELDS: Final = tuple(name for name in FIELD_COLUMNS if name != "id")

Pages = Sequence[Any]


def with_stated_parts(rule: ExtractionRule, stated: StatedRule, pages: Iterable[tuple[int, Any]]) -> ExtractionRule:
    """A generated rule with the stated parts that still hold: a field must be there in at least one item.

    Args:
        rule: The rule.
        stated: The parts; a selector counts only if the rule has it too, because fields belong to its items.
        pages: The response that the rule was generated for: the position of each page's endpoint, and its document.
    """
    endpoints = list(rule.endpoints)
    nowhere = _fields_nowhere(rule, stated, pages)
    for place, endpoint in enumerate(endpoints):
        gone = {f"{part}.{name}" for name in nowhere[place] for part in ("fields", "units")} | {"selector"}
        endpoints[place] = stated.at(endpoint.path, alone=len(endpoints) == 1).without(gone).applied(endpoint)
    return with_endpoints(rule, endpoints)


def fields_nowhere(rule: ExtractionRule, stated: StatedRule, pages: Iterable[tuple[int, Any]]) -> list[str]:
    """The stated fields that no item of a response has, named as in `MissingPart`."""
    return [
        f"{rule.endpoints[place].path}: fields.{name}" if stated.endpoints else f"fields.{name}"
        for place, names in _fields_nowhere(rule, stated, pages).items()
        for name in names
    ]


def _fields_nowhere(rule: ExtractionRule, stated: StatedRule, pages: Iterable[tuple[int, Any]]) -> dict[int, list[str]]:
    endpoints, readers = rule.endpoints, _item_readers(rule)
    left = {
        place: {
            name: text
            for name, text in stated.at(endpoint.path, alone=len(endpoints) == 1).fields.items()
            if text is not None
        }
        for place, endpoint in enumerate(endpoints)
    }
    for place, document in pages:
        if left.get(place):
            items = readers[place].items(document) or ()
            left[place] = {name: text for name, text in left[place].items() if not _is_found(text, items)}
    return {place: list(names) for place, names in left.items()}


def _item_readers(rule: ExtractionRule) -> list[ItemReader]:
    capabilities, thresholds = CompiledCapabilities.of(rule), Thresholds.model_validate({})
    return [ItemReader(endpoint, capabilities, thresholds) for endpoint in rule.endpoints]


def with_id_types(rule: ExtractionRule, before: ExtractionRule, pages: Iterable[tuple[int, Any]]) -> ExtractionRule:
    """The rule with the type of the ids that a response has, at endpoints whose selector or id was changed."""
    endpoints, readers = list(rule.endpoints), _item_readers(rule)
    changed = {
        place
        for place, (new, old) in enumerate(zip(endpoints, before.endpoints, strict=False))
        if (new.selector, new.fields.get("id")) != (old.selector, old.fields.get("id"))
    }
    for place, document in pages if changed else ():
        if place in changed and (ids := _ids(endpoints[place], readers[place], document)):
            id_type = "integer" if all(map(is_integer, ids)) else "string"
            expect = endpoints[place].expect.model_copy(update={"id_type": id_type})
            endpoints[place] = endpoints[place].model_copy(update={"expect": expect})
            changed.remove(place)
    return rule.model_copy(update={"endpoints": tuple(endpoints)})


def _ids(endpoint: Endpoint, reader: ItemReader, document: Any) -> list[Any]:
    """The raw ids of a page; none if the rule takes too much work, which its judge will report."""
    read = getter_within(endpoint.fields.get("id", DEFAULT_ID), Work(LISTING_STEPS))
    try:
        return [found for item in reader.items(document) or () if (found := read(item)) is not None]
    except RuleTooCostlyError:
        return []


def _is_found(expression: str, items: Iterable[Any]) -> bool:
    read = getter_within(expression, Work(LISTING_STEPS))
    try:
        return any(read(item) is not None for item in items)
    except RuleTooCostlyError:
        return False


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
