"""What a new rule can take over from the one before it: fields whose names say nothing, found by what they hold.

Here: finding a known field of known models in a response of another shape. Not here: writing the rule from names and
values alone (`generation/`), and judging it. The concept: a provider that renames `context_length` to `limits.window`
still states the same number for the same model, so a path that agrees with what is known of nearly every model is that
field, if no other path does.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from provider_pipeline.errors import RuleTooCostlyError
from provider_pipeline.rules.document import Endpoint, ExtractionRule
from provider_pipeline.rules.extraction import FIELD_COLUMNS, ItemReader
from provider_pipeline.rules.generation.shape import Column, shape_of
from provider_pipeline.rules.language import getter_within
from provider_pipeline.rules.matching import CompiledCapabilities
from provider_pipeline.rules.thresholds import Thresholds
from provider_pipeline.rules.work import Work

AGREEMENT: Final = 0.95
"""Share of the models that both responses list whose value a path must hold."""
FEWEST_MODELS: Final = 3
_FIELDS: Final = tuple(name for name in FIELD_COLUMNS if name != "id")

Pages = Sequence[Any]


def with_inherited_fields(
    rule: ExtractionRule, active: ExtractionRule, pages: Sequence[tuple[Pages, Pages]]
) -> tuple[ExtractionRule, dict[str, str]]:
    """The rule, with the fields of the active rule that it lacks and that can be found by their values.

    Args:
        rule: A rule that was written from the new response alone.
        active: The rule that read the last good response.
        pages: For each endpoint of the active rule, the pages of the good and of the new response, parsed.

    Returns:
        The rule, and the expression of each field that it inherited, by name; none where one of the rules takes more
        work than a rule may.
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
            old, now = _items(active, position, good), _items(rule, position, new)
            fields = _inherited(active.endpoints[position], endpoints[position], old, now)
            if fields:
                endpoints[position] = _extended(endpoints[position], active.endpoints[position], fields)
                found |= fields
    return (rule.model_copy(update={"endpoints": tuple(endpoints)}) if found else rule), found


def _items(rule: ExtractionRule, position: int, pages: Pages) -> dict[str, Any]:
    """The items of an endpoint, by the id that the rule gives them."""
    endpoint = rule.endpoints[position]
    reader = ItemReader(endpoint, CompiledCapabilities(rule.capability_rules), Thresholds.model_validate({}))
    read_id = getter_within(endpoint.fields["id"], Work())
    return {
        str(model_id): item
        for page in pages
        for item in reader.items(page) or []
        if isinstance(item, dict) and isinstance(model_id := read_id(item), (str, int))
    }


def _inherited(active: Endpoint, candidate: Endpoint, old: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, str]:
    shared = [model_id for model_id in now if model_id in old]
    wanted = [name for name in _FIELDS if name in active.fields and name not in candidate.fields]
    if len(shared) < FEWEST_MODELS or not wanted:
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
    # Two fields at one path would be a coincidence of their values.
    paths = list(found.values())
    return {name: path for name, path in found.items() if paths.count(path) == 1}


def _agrees(column: Column, known: Mapping[int, Any]) -> bool:
    """Whether a path holds what is known, of nearly every model, and more than one same value for all."""
    if len(known) < FEWEST_MODELS or len({str(value) for value in known.values()}) < 2:
        return False
    there = dict(zip(column.owners, column.values, strict=True))
    same = sum(owner in there and _same(value, there[owner]) for owner, value in known.items())
    return same >= AGREEMENT * len(known)


def _same(value: Any, other: Any) -> bool:
    if isinstance(value, bool) or isinstance(other, bool):
        return value is other
    if isinstance(value, (int, float, str)) and isinstance(other, (int, float, str)) and type(value) is not type(other):
        try:
            return float(value) == float(other)
        except (ValueError, OverflowError):
            return False
    return bool(value == other)


def _extended(endpoint: Endpoint, active: Endpoint, fields: Mapping[str, str]) -> Endpoint:
    units = {name: active.units[name] for name in fields if name in active.units}
    return endpoint.model_copy(update={"fields": {**endpoint.fields, **fields}, "units": {**endpoint.units, **units}})
