"""How stated parts of a rule fit a response: fields that no item has are left out or named; types of ids follow it."""

from collections.abc import Iterable
from typing import Any

from provider_pipeline.errors import RuleTooCostlyError
from provider_pipeline.rules.document import DEFAULT_ID, Endpoint, ExtractionRule
from provider_pipeline.rules.extraction import ItemReader
from provider_pipeline.rules.language import getter_within
from provider_pipeline.rules.matching import CompiledCapabilities
from provider_pipeline.rules.stated_rule import StatedRule, with_endpoints
from provider_pipeline.rules.thresholds import Thresholds
from provider_pipeline.rules.values import is_integer
from provider_pipeline.rules.work import LISTING_STEPS, Work


def with_stated_parts(rule: ExtractionRule, stated: StatedRule, pages: Iterable[tuple[int, Any]]) -> ExtractionRule:
    """A generated rule with the stated parts that still hold: a field must be there in at least one item.

    Args:
        rule: The rule.
        stated: The parts; its selector only counts where the rule has it, as the fields are of its items.
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
    """The ids of a page, as they are; none if the rule takes too much work, which its judge says better."""
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
