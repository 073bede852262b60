"""Find the list of models in a document, and score how much each candidate looks like one."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.generation.identifiers import IdChoice, id_choices
from provider_pipeline.rules.generation.shape import Path, Shape, shape_of, snake
from provider_pipeline.rules.generation.tabular import bare_ids, headed_table, tables
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.language import compile_expression, literal, path_expression, quote_key

_MOST = 0.5


@dataclass(frozen=True)
class Likeness:
    """How much an answer is like a listing of models.

    Attributes:
        weight: The sum of what speaks for it and against.
        reasons: What that was.
    """

    weight: float
    reasons: tuple[str, ...]

    @property
    def is_enough(self) -> bool:
        """Whether it is one, beyond doubt."""
        return bool(self.weight >= float(read_table("likeness.toml")["enough"]))


def model_likeness(sample: Any, rule: ExtractionRule, rows: Sequence[Mapping[str, Any]]) -> Likeness:
    """Weighs what speaks for models.

    Args:
        sample: The answer.
        rule: What the generator wrote for it.
        rows: What the rule reads of it.
    """
    if not rows:
        return Likeness(0.0, ("the rule reads no row of it",))
    marks = [mark for mark in _marks(sample, rule, rows) if mark[0]]
    return Likeness(round(sum(weight for weight, _ in marks), 3), tuple(reason for _, reason in marks))


def _marks(sample: Any, rule: ExtractionRule, rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[float, str]]:
    table = read_table("likeness.toml")
    kind = rule.metadata.get("provider_kind") or {}
    if kind.get("kind") and kind["confidence"] >= table["kind"]["least_confidence"]:
        yield table["kind"]["weight"], f"it has the marks of {kind['title']}"
    known = sum(row["family"] is not None for row in rows) / len(rows)
    yield round(table["names"]["weight"] * known, 3), f"{known:.0%} of the ids are names of known model families"
    endpoint = rule.endpoints[0]
    fields = [name for name in table["fields"]["names"] if name in endpoint.fields]
    yield table["fields"]["weight"] * len(fields), f"its items state {', '.join(fields)}"
    words = {snake(part) for part in endpoint.selector.replace("[", ".").replace("(", ".").replace(")", ".").split(".")}
    if words & set(table["container"]["words"]):
        yield table["container"]["weight"], "the list is under the name of models"
    if any("evidence" in row["capability_sources"].values() for row in rows):
        yield table["evidence"]["weight"], "its items state what models can do"
    items = compile_expression(endpoint.selector)(sample)
    objects = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    for mark in ("keys", "others"):
        for key in table[mark]["keys"]:
            if objects and sum(key in item for item in objects) > _MOST * len(objects):
                yield table[mark]["weight"], f"its items have {key!r}"


MAX_DEPTH: Final = 5
MAX_CANDIDATES: Final = 60
_MAX_KEYS: Final = 60
_DEPTH: Final = 0.93
_RIVAL: Final = 0.85
_GROUP: Final = 0.6
_TEXTS: Final = 0.6
_MAX_JOINED: Final = 8
"""More sibling lists than this are not named one by one in a selector."""


@dataclass(frozen=True)
class Candidate:
    """A list of items that could be the listing.

    Args:
        selector: JMESPath on the answer.
        kind: How the items are held: `array`, `members`, `groups`, `member_groups`, `several_arrays`,
            `texts`,
            `text_groups`, `table` or `single`.
        path: Keys from the answer to the container.
        items: The items.
        shape: Their shape.
        ids: The ways to get an id, the best first.
        score: How likely this is the listing.
        reasons: What the score is made of.
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


def candidates(sample: Any) -> list[Candidate]:
    """Every list that could be the listing, the best first."""
    found: list[Candidate] = []
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


def _single_model(sample: Any) -> list[Candidate]:
    """An answer that is itself one model, of a known family."""
    if not isinstance(sample, dict):
        return []
    candidate = _scored("[@]", "single", (), [sample])
    sure = candidate is not None and candidate.ids[0].reasons["known"] == 1 and candidate.ids[0].depth == 0
    return [candidate] if candidate is not None and sure else []


def rival(chosen: Candidate, others: list[Candidate]) -> Candidate | None:
    """Another list that is nearly as likely, and would give other models."""
    ids = set(chosen.ids[0].values)
    for other in others:
        if other is chosen or other.score < _RIVAL * chosen.score or chosen.kind == "several_arrays":
            continue
        if _holds(other, chosen):
            continue
        theirs = set(other.ids[0].values)
        if len(ids & theirs) < 0.5 * len(theirs):
            return other
    return None


def _holds(outer: Candidate, inner: Candidate) -> bool:
    """Whether one list is inside the items of the other: then they are no rivals, but groups and their members."""
    return inner.kind in ("groups", "member_groups") and inner.path[: len(outer.path)] == outer.path


def _less_if_group(outer: Candidate, found: list[Candidate]) -> Candidate:
    """Items that each hold a list of models are groups of models, not models; so are the parts of an envelope."""
    weights = read_table("selection.toml")["containers"]
    depth = len(outer.path)
    held = [
        one
        for one in found
        if outer.kind == "members"
        and one.path[:depth] == outer.path
        and len(one.path) > depth
        and one.kind not in ("groups", "member_groups")
        and one.shape.count > outer.shape.count
    ]
    if held:
        return replace(outer, score=_GROUP * outer.score, reasons={**outer.reasons, "holds": held[0].selector})
    inner = [
        one
        for one in found
        if one is not outer
        and one.kind in ("groups", "member_groups")
        and one.path[:-1] == outer.path
        and float(weights.get(snake(one.path[-1]), 0.0)) >= 1
        and one.shape.count >= outer.shape.count
    ]
    if not inner or outer.kind not in ("array", "members"):
        return outer
    return replace(outer, score=_GROUP * outer.score, reasons={**outer.reasons, "holds": inner[0].selector})


def _lists(node: Any, path: Path) -> Iterator[tuple[str, str, Path, list[Any]]]:
    if isinstance(node, list):
        objects = [item for item in node if isinstance(item, dict)]
        yield from _flat_lists(node, path)
        if objects and len(objects) >= 0.5 * len(node):
            base = path_expression(path) if path else ""
            yield f"{base}[*]", "array", path, node
            for key in _common_keys(objects, list):
                inner = [entry for item in objects if isinstance(item.get(key), list) for entry in item[key]]
                yield f"{base}[*].{quote_key(key)}[]", "groups", (*path, key), inner
            for key in _common_keys(objects, dict):
                yield from _member_group(
                    f"{base}[*].{quote_key(key)}", (*path, key), [item.get(key) for item in objects]
                )
        return
    if not isinstance(node, dict) or len(path) >= MAX_DEPTH:
        return
    values = list(node.values())
    yield from _maps(node, path, values)
    yield from ((selector, kind, (*path, *inner), items) for selector, kind, inner, items in tables(node, path))
    for key, value in list(node.items())[:_MAX_KEYS]:
        if isinstance(value, (dict, list)):
            yield from _lists(value, (*path, key))


def _flat_lists(node: list[Any], path: Path) -> Iterator[tuple[str, str, Path, list[Any]]]:
    base = path_expression(path) if path else ""
    texts = bare_ids(node, named=bool(path) and snake(path[-1]) in read_table("selection.toml")["texts"]["containers"])
    if texts:
        yield f"{base}[*].{{id: @}}", "texts", path, texts
    rows = headed_table(node)
    if rows:
        yield f"records({base}[0], {base}[1:])", "table", path, rows


def _maps(node: dict[str, Any], path: Path, values: list[Any]) -> Iterator[tuple[str, str, Path, list[Any]]]:
    base = path_expression(path)
    objects = [value for value in values if isinstance(value, dict)]
    if objects and len(objects) == len(values) and _alike(objects):
        yield f"with_keys({base})", "members", path, [{"_key": key, **value} for key, value in node.items()]
    if len(objects) >= 2 and len(objects) == len(values) and _alike(objects):
        prefix = f"{base}.*" if path else "*"
        for key in _common_keys(objects, list):
            inner = [entry for value in objects if isinstance(value.get(key), list) for entry in value[key]]
            yield f"{prefix}.{quote_key(key)}[]", "groups", (*path, key), inner
        for key in _common_keys(objects, dict):
            yield from _member_group(f"{prefix}.{quote_key(key)}", (*path, key), [value.get(key) for value in objects])
    lists = [value for value in values if isinstance(value, list)]
    texts = bare_ids([entry for value in lists for entry in value], named=False)
    if texts and len(lists) >= 2 and len(lists) == len(values):
        yield (f"{base}.*[].{{id: @}}" if path else "*[].{id: @}"), "text_groups", path, texts
    if len(lists) > _MAX_JOINED and len(lists) == len(values):
        inner = [entry for value in lists for entry in value]
        yield f"{base}.*[]" if path else "*[]", "groups", path, inner


def _member_group(prefix: str, path: Path, maps: list[Any]) -> Iterator[tuple[str, str, Path, list[Any]]]:
    members = [
        {"_key": key, **value}
        for held in maps
        if isinstance(held, dict)
        for key, value in held.items()
        if isinstance(value, dict)
    ]
    total = sum(len(held) for held in maps if isinstance(held, dict))
    different = len({key for held in maps if isinstance(held, dict) for key in held})
    if len(maps) >= 3 and different <= 1.5 * total / len(maps):
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
    counts: dict[str, int] = {}
    for item in sample:
        for key in item:
            counts[key] = counts.get(key, 0) + 1
    sizes = sum(len(item) for item in sample)
    common = max(2, 0.5 * len(sample))
    shared = sum(count for key, count in counts.items() if key != "_key" and count >= common)
    return sizes > 0 and shared >= 0.5 * (sizes - counts.get("_key", 0)) and shared > 0


def _scored(selector: str, kind: str, path: Path, items: list[Any]) -> Candidate | None:
    shape = shape_of(items)
    if not shape.count:
        return None
    ids = id_choices(shape)
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
    score = ids[0].score * container * likeness * size * _DEPTH ** len(path) * reasons["objects"]
    if kind in ("members", "groups", "member_groups"):
        score *= 0.95
    elif kind in ("texts", "text_groups"):
        score *= _TEXTS
    return Candidate(selector, kind, path, items, shape, tuple(ids[:6]), score, reasons)


def _joined(found: list[Candidate]) -> Candidate | None:
    """Sibling lists of the same form with other ids: together they are the listing."""
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


def _same_form(first: Candidate, second: Candidate) -> bool:
    keys = [{path[0] for path in one.shape.columns} for one in (first, second)]
    alike = len(keys[0] & keys[1]) / max(1, len(keys[0] | keys[1]))
    return alike >= 0.25 and first.ids[0].expression == second.ids[0].expression


def _overlap(first: Candidate, second: Candidate) -> float:
    ids = [set(one.ids[0].values) for one in (first, second)]
    return len(ids[0] & ids[1]) / max(1, min(len(ids[0]), len(ids[1])))
