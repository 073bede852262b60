"""Input of the generator: an endpoint's sample, the list of models in it, and the kind of API it reveals."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import re2

from provider_pipeline.rules.document import Detail
from provider_pipeline.rules.generation.capability_predicates import task_meanings
from provider_pipeline.rules.generation.identifiers import IdChoice, id_choices, owned_choice
from provider_pipeline.rules.generation.list_search import (
    MAX_JOINED,
    UNLIKELY,
    FoundList,
    container_weight,
    lists,
    with_owners,
)
from provider_pipeline.rules.generation.shape import Shape, shape_of
from provider_pipeline.rules.ids import encodable, is_no_model
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.language import Path, compile_expression, compiled, literal, snake, squashed
from provider_pipeline.rules.stated_rule import NOTHING, StatedParts

_MOST: Final = 0.8
_CERTAIN_WEIGHT: Final = 4.0
MAX_CANDIDATES: Final = 60
_DEPTH_DECAY: Final = 0.93
_RIVAL: Final = 0.85
_SIBLING: Final = 0.5
_READ_TOO: Final = 0.9
_GROUP_PENALTY: Final = 0.6
TEXTS_PENALTY: Final = 0.6


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


@dataclass(frozen=True)
class ListCandidate:
    """A list that may be the listing.

    Args:
        selector: JMESPath on the answer.
        kind: Structure of the items: `array`, `members`, `groups`, `member_groups`, `several_arrays`, `texts`,
            `text_groups`, `table` or `single`.
        path: Keys from the answer to the container.
        items: The items.
        shape: Their shape.
        ids: The ways to get an id, the best first.
        score: How likely this is the listing.
        reasons: The factors of the score.
    """

    selector: str
    kind: str
    path: Path
    items: list[Any]
    shape: Shape
    ids: tuple[IdChoice, ...]
    score: float
    reasons: dict[str, Any]

    def summary(self) -> dict[str, Any]:
        """The candidate as evidence in a rule."""
        return {
            "selector": self.selector,
            "kind": self.kind,
            "items": len(self.items),
            "id": self.ids[0].expression,
            "score": round(self.score, 4),
            "reasons": self.reasons,
        }


def possible_listings(sample: EndpointSample) -> list[ListCandidate]:
    """All possible listings, the best first; only the stated one, if its selector finds items."""
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
    # The items as the whole answer: a map among or within them is not what was stated.
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


def candidates(sample: Any) -> list[ListCandidate]:
    """All possible listings, the best first."""
    found: list[ListCandidate] = []
    for each in lists(sample):
        if len(found) >= MAX_CANDIDATES:
            break
        candidate = _scored(each)
        if candidate:
            found.append(candidate)
    joined = _joined(found)
    if joined:
        found.append(joined)
    if not found:
        found = _single_model(sample)
    found = [_less_if_group(candidate, found) for candidate in found]
    return sorted(found, key=lambda candidate: (-candidate.score, len(candidate.path), candidate.selector))


def rival(chosen: ListCandidate, others: list[ListCandidate]) -> ListCandidate | None:
    """Another list that is nearly as likely and would give other models."""
    # The runner-up of an id with its owner is the same id without it.
    ids = {text for choice in chosen.ids[: 1 + ("owner" in chosen.ids[0].reasons)] for text in choice.values}
    for other in others:
        if other is chosen or chosen.kind == "several_arrays":
            continue
        if other.score < _RIVAL * chosen.score and not _is_sibling(chosen, other):
            continue
        if chosen.kind in ("groups", "member_groups") and chosen.path[: len(other.path)] == other.path:
            continue  # the other list holds the groups whose members were chosen
        theirs = set(other.ids[0].values)
        if len(ids & theirs) < _READ_TOO * len(theirs):
            return other
    return None


def _is_sibling(chosen: ListCandidate, other: ListCandidate) -> bool:
    """Whether the other list is an unread sibling of the chosen one, of the same form."""
    return (
        other.score >= _SIBLING * chosen.score
        and other.reasons["container"] >= UNLIKELY
        and other.path[: len(chosen.path)] != chosen.path[: len(other.path)]
        and _same_form(chosen, other)
    )


def _single_model(sample: Any) -> list[ListCandidate]:
    """An answer that is itself a single model: of a known family, or stated to be the server's model."""
    candidate = _scored(FoundList("[@]", "single", (), [sample])) if isinstance(sample, dict) else None
    if candidate is None or candidate.ids[0].depth != 0:
        return []
    table = read_table("selection.toml")["single"]
    keys = {snake(key) for key in sample}
    told = candidate.ids[0].expression in table["ids"] and len(keys & set(table["beside"])) >= table["enough"]
    return [candidate] if told or candidate.ids[0].reasons["known"] == 1 else []


def _less_if_group(outer: ListCandidate, found: list[ListCandidate]) -> ListCandidate:
    """Lower the score of items that each hold a list of models (groups), and of the members of an envelope."""
    weights = read_table("selection.toml")["containers"]
    depth = len(outer.path)
    in_groups = ("groups", "member_groups", "text_groups")
    held = [
        one
        for one in found
        if outer.kind == "members"
        and one.path[:depth] == outer.path
        and len(one.path) > depth
        and one.kind not in in_groups
        and one.shape.count > outer.shape.count
    ]
    if not held and outer.kind in ("array", "members"):
        held = [
            one
            for one in found
            if one is not outer
            and one.kind in in_groups
            and one.shape.count >= outer.shape.count
            and (
                one.path == outer.path
                if len(one.path) <= depth
                else one.path[:-1] == outer.path
                and (float(weights.get(snake(one.path[-1]), 0.0)) >= 1 or _titled(outer, one))
            )
        ]
    if not held:
        return outer
    return replace(outer, score=_GROUP_PENALTY * outer.score, reasons={**outer.reasons, "holds": held[0].selector})


def _titled(outer: ListCandidate, inner: ListCandidate) -> bool:
    """Whether the outer items have titles, and the inner ones the ids of known models (versions of a named model)."""
    title, name = outer.ids[0].reasons, inner.ids[0].reasons
    return bool(title["form"] < name["form"] == 1 and name["known"] == 1)


def _scored(found: FoundList) -> ListCandidate | None:
    selector, kind, path = found.selector, found.kind, found.path
    items, owners = found.items, found.owners
    shape = shape_of(items)
    if shape.seen < len(items):
        owners = ()  # a sample of the items: they no longer match their owners
    ids = id_choices(shape, owners) if shape.count else []
    if ids and any(is_no_model(text) for text in ids[0].values):
        none = [_is_no_model(item, ids[0].expression) for item in items]
        if owners:
            objects = [no for item, no in zip(items, none, strict=True) if isinstance(item, dict)]
            owners = [owner for owner, no in zip(owners, objects, strict=True) if not no]
        items = [item for item, no in zip(items, none, strict=True) if not no]
        shape = shape_of(items)
        ids = id_choices(shape, owners) if shape.count else []
    if not ids:
        return None
    owned = owned_choice(ids[0], shape, owners)
    if found.only_owned and owned is None:
        return None
    if owned is not None:
        ids.insert(0, owned)
        if "_owner" in owned.expression and found.owned_selector is not None:
            selector, items = found.owned_selector, with_owners(items, owners)
            shape = shape_of(items)
    data = read_table("selection.toml")
    container = container_weight(path[-1:] if kind in ("groups", "member_groups") else path)
    top = {snake(column.path[-1]) for column in shape.columns.values() if len(column.path) <= ids[0].depth + 1}
    known = len(top & set(data["model_keys"]))
    reasons = {
        "id": ids[0].score,
        "container": container,
        "known_keys": known,
        "size": len(items),
        "depth": len(path),
        "objects": round(shape.count / shape.seen, 4),
    }
    name_score = 0.55 + 0.45 * min(1.0, known / 5)
    size = 0.8 + 0.2 * min(1.0, math.log10(1 + len(items)) / 2)
    score = ids[0].score * container * name_score * size * _DEPTH_DECAY ** len(path) * reasons["objects"]
    if kind in ("members", "groups", "member_groups"):
        score *= 0.95
    elif kind in ("texts", "text_groups"):
        score *= TEXTS_PENALTY
    return ListCandidate(selector, kind, path, items, shape, tuple(ids[:6]), score, reasons)


def _is_no_model(item: Any, expression: str) -> bool:
    model_id = compile_expression(expression)(item)
    return isinstance(model_id, str) and is_no_model(model_id)


def _joined(found: list[ListCandidate]) -> ListCandidate | None:
    """Sibling lists with different ids, of the same form or named for purposes, taken together as the listing."""
    arrays = [candidate for candidate in found if candidate.kind == "array" and candidate.path]
    groups = [one for one in found if one.kind == "groups" and len(one.path) > 1 and _purpose(one.path[-2])]
    joined = [one for one in (_together(arrays, -1), _together(groups, -2)) if one is not None]
    return max(joined, key=lambda one: one.score, default=None)


def _together(lists: list[ListCandidate], place: int) -> ListCandidate | None:
    """The best of the lists with its siblings; their paths differ by the key at this position."""
    if len(lists) < 2:
        return None
    best = max(lists, key=lambda candidate: (candidate.score, candidate.selector))
    members = [best]
    for other in lists:
        around = [(one.path[:place], one.path[place:][1:]) for one in (best, other)]
        if other is best or around[0] != around[1]:
            continue
        by_purpose = _purpose(best.path[place]) and _purpose(other.path[place])
        alike = by_purpose or (other.score >= 0.6 * best.score and _same_form(best, other))
        if alike and not any(_overlap(member, other) > 0.2 for member in members):
            members.append(other)
    if not 2 <= len(members) <= MAX_JOINED:
        return None
    members.sort(key=lambda candidate: candidate.path)
    parts = [f"labelled({one.selector.removesuffix('[*]')}, {literal(one.path[place])})" for one in members]
    items = [{"_label": one.path[place], **item} for one in members for item in one.items if isinstance(item, dict)]
    joined = _scored(FoundList(f"[{', '.join(parts)}][]", "several_arrays", best.path, items))
    return replace(joined, score=1.05 * max(best.score, joined.score)) if joined else None


def _purpose(key: str) -> bool:
    """Whether a key names a purpose of the models below it."""
    return bool(task_meanings(squashed(key)))


def _same_form(first: ListCandidate, second: ListCandidate) -> bool:
    keys = [{path[0] for path in one.shape.columns} - {"_owner"} for one in (first, second)]
    alike = len(keys[0] & keys[1]) / max(1, len(keys[0] | keys[1]))
    return alike >= 0.25 and bool({choice.expression for choice in first.ids[:2]} & {second.ids[0].expression})


def _overlap(first: ListCandidate, second: ListCandidate) -> float:
    ids = [set(one.ids[0].values) for one in (first, second)]
    return len(ids[0] & ids[1]) / max(1, min(len(ids[0]), len(ids[1])))


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
    """What a mark found, in words; None unless all that it asks for holds."""
    found = [_held(asked, mark[asked], answer, listing) for asked in mark if asked != "weight"]
    return None if None in found else " and ".join(filter(None, found))


def _held(asked: str, wanted: Any, answer: Any, listing: ListCandidate) -> str | None:
    columns = listing.shape.columns
    if asked == "top":
        held = isinstance(answer, dict) and all(key in answer for key in wanted)
        return f"the answer has {', '.join(wanted)}" if held else None
    if asked == "item":
        held = all((key,) in columns and listing.shape.fill(columns[key,]) >= 0.5 for key in wanted)
        return f"items have {', '.join(wanted)}" if held else None
    if asked == "value":
        ((key, text),) = wanted.items()
        return f"{key} is {text}" if _mostly(key, text, listing) else None
    if asked == "created":
        return f"created is always {wanted}" if _mostly("created", wanted, listing) else None
    if asked == "list":
        held = bool(listing.path) and snake(listing.path[-1]) == wanted
        return f"the listing is under {listing.path[-1]}" if held else None
    ids = listing.ids[0].values[:200]
    matching = sum(re2.fullmatch(wanted, encodable(text)) is not None for text in ids)
    return f"ids match {wanted}" if matching >= _MOST * len(ids) else None


def _mostly(key: str, wanted: Any, listing: ListCandidate) -> bool:
    column = listing.shape.columns.get((key,))
    if column is None or listing.shape.fill(column) < 0.5:
        return False
    return sum(1 for value in column.values if value == wanted) >= _MOST * len(column.values)
