"""Find the list of models in a document, and score how much each candidate looks like one."""

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from provider_pipeline.rules.generation.identifiers import IdChoice, id_choices
from provider_pipeline.rules.generation.shape import Path, Shape, shape_of, snake
from provider_pipeline.rules.ids import MAX_ID_LENGTH, family_of
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.language import literal, path_expression, quote_key

MAX_DEPTH: Final = 5
MAX_CANDIDATES: Final = 60
_MAX_KEYS: Final = 60
_MAX_COLUMNS: Final = 100
_MAX_JOINED: Final = 8
"""The most sibling lists that a selector names one by one."""

_DEPTH_DECAY: Final = 0.93
_RIVAL: Final = 0.85
_GROUP_PENALTY: Final = 0.6
_TEXTS_PENALTY: Final = 0.6
_KNOWN_IDS: Final = 0.3
_ID = re.compile(r"[^\s,;{}\"<>]+\Z")


@dataclass(frozen=True)
class ListCandidate:
    """A list of items that could be the listing.

    Args:
        selector: JMESPath on the answer.
        kind: How the items are held: `array`, `members`, `groups`, `member_groups`, `several_arrays`, `texts`,
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


_FoundList = tuple[str, str, Path, list[Any]]
"""The selector, kind, path and items of a candidate that has no score yet."""


def candidates(sample: Any) -> list[ListCandidate]:
    """Every list that could be the listing, the best first."""
    found: list[ListCandidate] = []
    for selector, kind, path, items in _lists(sample, ()):
        if len(found) >= MAX_CANDIDATES:
            break
        candidate = _scored(selector, kind, path, items)
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
    ids = set(chosen.ids[0].values)
    for other in others:
        if other is chosen or other.score < _RIVAL * chosen.score or chosen.kind == "several_arrays":
            continue
        if chosen.kind in ("groups", "member_groups") and chosen.path[: len(other.path)] == other.path:
            continue  # the other list holds the groups whose members were chosen
        theirs = set(other.ids[0].values)
        if len(ids & theirs) < 0.5 * len(theirs):
            return other
    return None


def _single_model(sample: Any) -> list[ListCandidate]:
    """An answer that is itself one model, of a known family."""
    candidate = _scored("[@]", "single", (), [sample]) if isinstance(sample, dict) else None
    if candidate is None or candidate.ids[0].reasons["known"] != 1 or candidate.ids[0].depth != 0:
        return []
    return [candidate]


def _less_if_group(outer: ListCandidate, found: list[ListCandidate]) -> ListCandidate:
    """Lower the score of items that each hold a list of models (groups), and of the members of an envelope."""
    weights = read_table("selection.toml")["containers"]
    depth = len(outer.path)
    in_groups = ("groups", "member_groups")
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
            and one.path[:-1] == outer.path
            and float(weights.get(snake(one.path[-1]), 0.0)) >= 1
            and one.shape.count >= outer.shape.count
        ]
    if not held:
        return outer
    return replace(outer, score=_GROUP_PENALTY * outer.score, reasons={**outer.reasons, "holds": held[0].selector})


def _lists(node: Any, path: Path) -> Iterator[_FoundList]:
    if isinstance(node, list):
        yield from _lists_of_array(node, path)
    elif isinstance(node, dict) and len(path) < MAX_DEPTH:
        yield from _lists_of_object(node, path)
        yield from _tables(node, path)
        for key, value in list(node.items())[:_MAX_KEYS]:
            if isinstance(value, (dict, list)):
                yield from _lists(value, (*path, key))


def _lists_of_array(node: list[Any], path: Path) -> Iterator[_FoundList]:
    base = path_expression(path) if path else ""
    texts = _bare_ids(node, named=bool(path) and snake(path[-1]) in read_table("selection.toml")["texts"]["containers"])
    if texts:
        yield f"{base}[*].{{id: @}}", "texts", path, texts
    if len(node) >= 2 and all(isinstance(row, list) for row in node):
        rows = _records(node[0], node[1:])
        if rows:
            yield f"records({base}[0], {base}[1:])", "table", path, rows
    objects = [item for item in node if isinstance(item, dict)]
    if objects and len(objects) >= 0.5 * len(node):
        yield f"{base}[*]", "array", path, node
        yield from _groups(f"{base}[*]", path, objects)


def _lists_of_object(node: dict[str, Any], path: Path) -> Iterator[_FoundList]:
    base, values = path_expression(path), list(node.values())
    prefix = f"{base}.*" if path else "*"
    objects = [value for value in values if isinstance(value, dict)]
    if objects and len(objects) == len(values) and _alike(objects):
        yield f"with_keys({base})", "members", path, [{"_key": key, **value} for key, value in node.items()]
        if len(objects) >= 2:
            yield from _groups(prefix, path, objects)
    lists = [value for value in values if isinstance(value, list)]
    inner = [entry for value in lists for entry in value]
    texts = _bare_ids(inner, named=False)
    if texts and len(lists) >= 2 and len(lists) == len(values):
        yield f"{prefix}[].{{id: @}}", "text_groups", path, texts
    if len(lists) > _MAX_JOINED and len(lists) == len(values):
        yield f"{prefix}[]", "groups", path, inner


def _groups(prefix: str, path: Path, objects: list[dict[str, Any]]) -> Iterator[_FoundList]:
    """The lists and maps that most of the objects hold under one key, taken together."""
    for key in _common_keys(objects, list):
        inner = [entry for item in objects if isinstance(item.get(key), list) for entry in item[key]]
        yield f"{prefix}.{quote_key(key)}[]", "groups", (*path, key), inner
    for key in _common_keys(objects, dict):
        yield from _member_group(f"{prefix}.{quote_key(key)}", (*path, key), [item.get(key) for item in objects])


def _member_group(prefix: str, path: Path, values: list[Any]) -> Iterator[_FoundList]:
    maps = [value for value in values if isinstance(value, dict)]
    members = [{"_key": key, **value} for held in maps for key, value in held.items() if isinstance(value, dict)]
    total = sum(len(held) for held in maps)
    distinct = len({key for held in maps for key in held})
    if len(values) >= 3 and distinct <= 1.5 * total / len(values):
        return  # the same keys in every item: parts of the item, not members of a map
    if len(members) >= 2 and len(members) == total and _alike(members):
        yield f"{prefix}.with_keys(@)[]", "member_groups", path, members


def _common_keys(objects: list[dict[str, Any]], kind: type) -> list[str]:
    sample = objects[:50]
    keys = {key: None for item in sample for key, value in item.items() if isinstance(value, kind) and value}
    return [key for key in keys if sum(isinstance(item.get(key), kind) for item in sample) >= 0.5 * len(sample)][:20]


def _alike(objects: list[dict[str, Any]]) -> bool:
    """Whether the objects share most of their keys."""
    sample = objects[:50]
    if len(sample) == 1:
        return len(sample[0]) >= 3
    counts = Counter(key for item in sample for key in item)
    common = max(2, 0.5 * len(sample))
    shared = sum(count for key, count in counts.items() if key != "_key" and count >= common)
    return shared > 0 and shared >= 0.5 * (counts.total() - counts["_key"])


def _bare_ids(node: list[Any], *, named: bool) -> list[dict[str, str]]:
    """The items of a list of model ids: texts of known families, or in a list that is named for models."""
    sample = node[:200]
    if len(sample) < 2 or not all(isinstance(entry, str) for entry in node):
        return []
    fitting = sum(len(entry) <= MAX_ID_LENGTH and _ID.match(entry) is not None for entry in sample)
    known = sum(family_of(entry) is not None for entry in sample)
    if fitting < 0.9 * len(sample) or (known < _KNOWN_IDS * len(sample) and not named):
        return []
    return [{"id": entry} for entry in node]


def _tables(node: dict[str, Any], path: Path) -> Iterator[_FoundList]:
    """Rows in one member of an object, with the column names in another or one level deeper."""
    rows = [key for key, value in node.items() if isinstance(value, list) and value and isinstance(value[0], list)]
    for key in rows[:4]:
        for expression, names in _headers(node, path):
            items = _records(names, node[key])
            if items:
                here = (*path, key)
                yield f"records({expression}, {path_expression(here)})", "table", here, items
                break


def _headers(node: dict[str, Any], path: Path) -> Iterator[tuple[str, list[Any]]]:
    for key, value in list(node.items())[:_MAX_COLUMNS]:
        here = (*path, key)
        if isinstance(value, list):
            yield from _column_names(value, here)
        elif isinstance(value, dict):
            for inner, held in list(value.items())[:_MAX_COLUMNS]:
                if isinstance(held, list):
                    yield from _column_names(held, (*here, inner))


def _column_names(value: list[Any], path: Path) -> Iterator[tuple[str, list[Any]]]:
    if value and all(isinstance(entry, str) for entry in value):
        yield path_expression(path), value
    elif value and all(isinstance(entry, dict) for entry in value):
        for key in ("name", "id", "key", "field", "label"):
            if all(isinstance(entry.get(key), str) for entry in value):
                yield f"{path_expression(path)}[*].{quote_key(key)}", [entry[key] for entry in value]
                return


def _records(names: list[Any], rows: list[Any]) -> list[dict[str, Any]]:
    """The rows as objects, as the selector's `records` makes them; none unless they fit the names."""
    fitting = 2 <= len(names) <= _MAX_COLUMNS and all(isinstance(name, str) for name in names)
    if not fitting or len(set(names)) < len(names):
        return []
    if not all(isinstance(row, list) and len(row) == len(names) for row in rows):
        return []
    return [dict(zip(names, row, strict=True)) for row in rows]


def _scored(selector: str, kind: str, path: Path, items: list[Any]) -> ListCandidate | None:
    shape = shape_of(items)
    ids = id_choices(shape) if shape.count else []
    if not ids:
        return None
    data = read_table("selection.toml")
    named = path[-1:] if kind in ("groups", "member_groups") else path
    weights = [float(data["containers"].get(snake(key), 0.9)) for key in named]
    container = min(weights) if weights and min(weights) < 0.5 else (weights[-1] if weights else 1.1)
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
    likeness = 0.55 + 0.45 * min(1.0, known / 5)
    size = 0.8 + 0.2 * min(1.0, math.log10(1 + len(items)) / 2)
    score = ids[0].score * container * likeness * size * _DEPTH_DECAY ** len(path) * reasons["objects"]
    if kind in ("members", "groups", "member_groups"):
        score *= 0.95
    elif kind in ("texts", "text_groups"):
        score *= _TEXTS_PENALTY
    return ListCandidate(selector, kind, path, items, shape, tuple(ids[:6]), score, reasons)


def _joined(found: list[ListCandidate]) -> ListCandidate | None:
    """Sibling lists of the same form with different ids, taken together as the listing."""
    arrays = [candidate for candidate in found if candidate.kind == "array" and candidate.path]
    if len(arrays) < 2:
        return None
    best = max(arrays, key=lambda candidate: (candidate.score, candidate.selector))
    members = [best]
    for other in arrays:
        if other is best or other.path[:-1] != best.path[:-1] or other.score < 0.6 * best.score:
            continue
        if _same_form(best, other) and not any(_overlap(member, other) > 0.2 for member in members):
            members.append(other)
    if not 2 <= len(members) <= _MAX_JOINED:
        return None
    members.sort(key=lambda candidate: candidate.path)
    parts = [f"labelled({path_expression(one.path)}, {literal(one.path[-1])})" for one in members]
    items = [{"_label": one.path[-1], **item} for one in members for item in one.items if isinstance(item, dict)]
    joined = _scored(f"[{', '.join(parts)}][]", "several_arrays", best.path, items)
    return replace(joined, score=1.05 * max(best.score, joined.score)) if joined else None


def _same_form(first: ListCandidate, second: ListCandidate) -> bool:
    keys = [{path[0] for path in one.shape.columns} for one in (first, second)]
    alike = len(keys[0] & keys[1]) / max(1, len(keys[0] | keys[1]))
    return alike >= 0.25 and first.ids[0].expression == second.ids[0].expression


def _overlap(first: ListCandidate, second: ListCandidate) -> float:
    ids = [set(one.ids[0].values) for one in (first, second)]
    return len(ids[0] & ids[1]) / max(1, min(len(ids[0]), len(ids[1])))
