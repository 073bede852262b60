"""What a rule is written from: one endpoint's sample, and the kind of API that it reveals."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import re2

from provider_pipeline.rules.document import Detail
from provider_pipeline.rules.generation.identifiers import IdChoice
from provider_pipeline.rules.generation.list_detection import ListCandidate, candidates
from provider_pipeline.rules.generation.shape import shape_of
from provider_pipeline.rules.ids import encodable
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.language import compile_expression, compiled, snake
from provider_pipeline.rules.stated_rule import NOTHING, StatedParts

_MOST: Final = 0.8
_CERTAIN_WEIGHT: Final = 4.0


@dataclass(frozen=True)
class EndpointSample:
    """One page of one endpoint.

    Args:
        document: Parsed JSON of any shape. With `detail`: an object of the `listing` as sent and the `details` by model
            id, of which some may be missing.
        path: The endpoint's path, if the rule should name it.
        detail: Where the details came from.
        stated: The parts of the endpoint's rule that a person states, if any: its selector and id lead the search.
    """

    document: Any
    path: str | None = None
    detail: Detail | None = None
    stated: StatedParts = NOTHING

    @property
    def listing(self) -> Any:
        """The listing as sent."""
        if self.detail is None:
            return self.document
        return self.document.get("listing") if isinstance(self.document, dict) else None

    @property
    def details(self) -> Mapping[str, Any]:
        """The details present, by model id."""
        found = self.document.get("details") if self.detail and isinstance(self.document, dict) else None
        return {key: value for key, value in found.items() if value is not None} if isinstance(found, dict) else {}

    @property
    def name(self) -> str:
        """The endpoint in messages."""
        return self.path or "the endpoint"


def possible_listings(sample: EndpointSample) -> list[ListCandidate]:
    """Every list that could be the listing, the best first; the stated one alone, if its selector finds items."""
    stated = sample.stated
    found = candidates(sample.listing)
    if stated.selector is not None:
        found = _at_selector(sample.listing, stated.selector, found) or found
    if "id" in stated.fields:
        found = [replace(each, ids=_only(stated.fields["id"], each.ids)) for each in found]
    return found


def _at_selector(answer: Any, selector: str, found: list[ListCandidate]) -> list[ListCandidate]:
    known = [each for each in found if each.selector == selector]
    if known:
        return known
    read = compiled(selector)
    items = read.getter(answer)
    # As if the items were the whole answer: a map among them, or within them, is not what was stated.
    at_top = [each for each in candidates(items) if each.selector == "[*]"] if isinstance(items, list) else []
    return [replace(each, selector=selector, path=read.leading_keys) for each in at_top]


def _only(expression: str | None, ids: tuple[IdChoice, ...]) -> tuple[IdChoice, ...]:
    return tuple(each for each in ids if each.expression == expression) or ids


def with_details(listing: ListCandidate, sample: EndpointSample) -> ListCandidate:
    """The items that have a detail, with it, as a rule with details reads them; all items if none has one.

    Only for the fields: a sample may hold the details of few models, so the list and its ids are chosen without them.
    """
    read_id = compile_expression(listing.ids[0].expression)
    details = sample.details
    items = [
        {**item, "detail": details[str(read_id(item))]}
        for item in listing.items
        if isinstance(item, dict) and str(read_id(item)) in details
    ]
    return replace(listing, items=items, shape=shape_of(items)) if items else listing


def detect_kind(answer: Any, listing: ListCandidate) -> dict[str, Any]:
    """The kind of API (None if unknown), with confidence, evidence and hints. The marks are in `data/kinds.toml`."""
    weights: dict[str, float] = {}
    evidence: dict[str, list[str]] = {}
    for name, entry in read_table("kinds.toml")["kind"].items():
        for mark in entry["marks"]:
            finding = _matched(mark, answer, listing)
            if finding:
                weights[name] = weights.get(name, 0.0) + float(mark["weight"])
                evidence.setdefault(name, []).append(finding)
    if not weights:
        return {"kind": None, "confidence": 0.0, "evidence": [], "hints": {}}
    ranked = sorted(weights, key=lambda name: (-weights[name], name))
    best = ranked[0]
    # Nearly every kind is OpenAI-compatible too, so that is no rival.
    total = sum(weights[name] for name in ranked if name == best or name != "openai-compatible")
    confidence = min(1.0, weights[best] / _CERTAIN_WEIGHT) * weights[best] / total
    entry = read_table("kinds.toml")["kind"][best]
    hints = {key: entry[key] for key in ("base_url", "path", "auth") if key in entry}
    return {
        "kind": best,
        "title": entry["title"],
        "confidence": round(confidence, 2),
        "evidence": evidence[best],
        "hints": hints,
        "others": [name for name in ranked[1:4] if name != "openai-compatible"],
    }


def _matched(mark: Mapping[str, Any], answer: Any, listing: ListCandidate) -> str | None:
    """What a mark found, in words; None if it does not hold."""
    columns = listing.shape.columns
    if "top" in mark:
        held = isinstance(answer, dict) and all(key in answer for key in mark["top"])
        return f"the answer has {', '.join(mark['top'])}" if held else None
    if "item" in mark:
        held = all((key,) in columns and listing.shape.fill(columns[key,]) >= 0.5 for key in mark["item"])
        return f"items have {', '.join(mark['item'])}" if held else None
    if "value" in mark:
        ((key, text),) = mark["value"].items()
        return f"{key} is {text}" if _mostly(key, text, listing) else None
    if "created" in mark:
        return f"created is always {mark['created']}" if _mostly("created", mark["created"], listing) else None
    if "list" in mark:
        held = bool(listing.path) and snake(listing.path[-1]) == mark["list"]
        return f"the listing is under {listing.path[-1]}" if held else None
    ids = listing.ids[0].values[:200]
    matching = sum(re2.fullmatch(mark["id"], encodable(text)) is not None for text in ids)
    return f"ids match {mark['id']}" if matching >= _MOST * len(ids) else None


def _mostly(key: str, wanted: Any, listing: ListCandidate) -> bool:
    column = listing.shape.columns.get((key,))
    if column is None or listing.shape.fill(column) < 0.5:
        return False
    return sum(1 for value in column.values if value == wanted) >= _MOST * len(column.values)
