"""Find every list in a document that could hold models, however it is nested."""

import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from provider_pipeline.rules.generation.capability_predicates import task_meanings
from provider_pipeline.rules.ids import MAX_ID_LENGTH, is_no_model, named_family
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.language import Path, literal, path_expression, quote_key, snake, squashed

MAX_DEPTH: Final = 5
MAX_JOINED: Final = 8
"""Limit of sibling lists named one by one in a selector."""
UNLIKELY: Final = 0.5
"""Container weight below which a list is certainly something else, such as agents or users."""
_MAX_KEYS: Final = 200
_MAX_COLUMNS: Final = 100
_KNOWN_IDS: Final = 0.3
_ID = re.compile(r"[^\s,;{}\"<>]+\Z")


@dataclass(frozen=True)
class FoundList:
    """A candidate that has no score yet.

    Args:
        selector: As of `ListCandidate`, like `kind`, `path` and `items`.
        owners: The name of each item's holder, if the items are grouped by holder.
        owned_selector: The selector that gives each item its holder's name under `_owner`.
        only_owned: Whether the list is a candidate only if ids need their owner.
    """

    selector: str
    kind: str
    path: Path
    items: list[Any]
    owners: Sequence[str] = ()
    owned_selector: str | None = None
    only_owned: bool = False


def lists(sample: Any) -> Iterator[FoundList]:
    """All lists, the outer ones first: many small lists deep in one member must not hide another member."""
    pending: deque[tuple[Any, Path]] = deque([(sample, ())])
    while pending:
        node, path = pending.popleft()
        if isinstance(node, list):
            yield from _lists_of_array(node, path)
        elif isinstance(node, dict) and len(path) < MAX_DEPTH:
            yield from _lists_of_object(node, path)
            yield from _tables(node, path)
            inner = list(node.items())[:_MAX_KEYS]
            pending.extend((value, (*path, key)) for key, value in inner if isinstance(value, (dict, list)))


def _lists_of_array(node: list[Any], path: Path) -> Iterator[FoundList]:
    base = path_expression(path) if path else ""
    texts = _bare_ids(node, named=bool(path) and snake(path[-1]) in read_table("selection.toml")["texts"]["containers"])
    if texts:
        yield FoundList(f"{base}[*].{{id: @}}", "texts", path, texts)
    if len(node) >= 2 and all(isinstance(row, list) for row in node):
        rows = _records(node[0], node[1:])
        if rows:
            yield FoundList(f"records({base}[0], {base}[1:])", "table", path, rows)
    objects = [item for item in node if isinstance(item, dict)]
    if objects and len(objects) >= 0.5 * len(node):
        yield FoundList(f"{base}[*]", "array", path, node)
        field = _holder_id(objects)
        yield from _groups(
            f"{base}[*]",
            path,
            objects,
            owners=[str(item[field]) for item in objects] if field else (),
            owned=f"owned({path_expression(path)}, {{}}, {literal(field)})",
        )


def _holder_id(holders: Sequence[dict[str, Any]]) -> str | None:
    """The field with the name of each holder of models."""
    for key in read_table("selection.toml")["owned"]["holders"]:
        names = {item.get(key) for item in holders if isinstance(item.get(key), str)}
        if len(names) == len(holders):
            return str(key)
    return None


def _lists_of_object(node: dict[str, Any], path: Path) -> Iterator[FoundList]:
    base, values = path_expression(path), list(node.values())
    prefix = f"{base}.*" if path else "*"
    holders = {key: value for key, value in node.items() if isinstance(value, dict)}
    if holders and len(holders) == len(values) and _alike(holders.values()):
        yield FoundList(f"with_keys({base})", "members", path, _members(node))
    if len(holders) >= 2:
        owned = f"owned({base}, {{}}, '')"
        yield from _groups(prefix, path, list(holders.values()), owners=list(holders), owned=owned)
        yield from _maps_of_maps(node, path)
    lists = {key: value for key, value in node.items() if isinstance(value, list)}
    texts = [(key, value) for key, value in lists.items() if value and all(isinstance(each, str) for each in value)]
    if len(lists) >= 2 and len(lists) == len(values):
        yield from _text_groups(texts, prefix, path)
        owners = [key for key, value in lists.items() for entry in value if isinstance(entry, dict)]
        yield FoundList(
            f"{prefix}[]",
            "groups",
            path,
            [entry for value in lists.values() for entry in value],
            owners=owners if _may_own(lists) else (),
            owned_selector=f"owned({base}, '', '')",
            only_owned=len(lists) <= MAX_JOINED,
        )


def _text_groups(texts: Sequence[tuple[str, list[str]]], prefix: str, path: Path) -> Iterator[FoundList]:
    """Ids in lists by vendor or by purpose, without lists of other things beside them."""
    kept = [(key, value) for key, value in texts if container_weight((key,)) >= UNLIKELY]
    ids = _bare_ids([entry for _, value in kept for entry in value], named=False)
    if len(kept) < 2 or not ids:
        return
    if len(kept) <= MAX_JOINED and all(task_meanings(squashed(key)) for key, _ in kept):
        parts = [f"labelled({path_expression((*path, key))}[*].{{id: @}}, {literal(key)})" for key, _ in kept]
        items = [{"_label": key, "id": entry} for key, value in kept for entry in value]
        yield FoundList(f"[{', '.join(parts)}][]", "text_groups", path, items)
        return
    if len(kept) == len(texts):
        selector = f"{prefix}[]"
    else:
        selector = f"[{', '.join(path_expression((*path, key)) for key, _ in kept)}][]"
    yield FoundList(f"{selector}.{{id: @}}", "text_groups", path, ids)


def _maps_of_maps(node: dict[str, Any], path: Path) -> Iterator[FoundList]:
    """The maps of models that an object holds by owner, taken together."""
    maps = {
        key: value
        for key, value in node.items()
        if isinstance(value, dict)
        and value
        and all(isinstance(each, dict) for each in value.values())
        and container_weight((key,)) >= UNLIKELY
    }
    if len(maps) < 2 or not _may_own(maps):
        return
    base = path_expression(path)
    plain = f"{base}.*.with_keys(@)[]" if path else "*.with_keys(@)[]"
    owned = f"owned({base}, '', '')"
    only_maps = len(maps) == len(node)
    for found in _member_group(plain if only_maps else owned, path, list(maps.values()), list(maps), owned):
        yield found if only_maps else replace(found, items=with_owners(found.items, found.owners), owned_selector=None)


def _may_own(holders: Iterable[str]) -> bool:
    """Whether the keys can be owners' names; those of containers, such as `data`, are not."""
    return not any(snake(key) in read_table("selection.toml")["containers"] for key in holders)


def with_owners(items: Sequence[Any], owners: Sequence[str]) -> list[Any]:
    """The items with their owners, as the rule's `owned` makes them."""
    objects = [item for item in items if isinstance(item, dict)]
    return [{"_owner": owner, **item} for owner, item in zip(owners, objects, strict=True)]


def _members(node: dict[str, Any]) -> list[dict[str, Any]]:
    """The members that are objects, each with its key; without specimens."""
    return [
        {"_key": key, **value}
        for key, value in node.items()
        if isinstance(value, dict) and not is_no_model(key, is_key=True)
    ]


def _groups(
    prefix: str, path: Path, objects: list[dict[str, Any]], *, owners: Sequence[str], owned: str
) -> Iterator[FoundList]:
    """The lists and maps that most of the objects hold under one key, taken together."""
    for key in _common_keys(objects, list):
        held = [item[key] if isinstance(item.get(key), list) else [] for item in objects]
        inner = [entry for each in held for entry in each]
        if snake(key) in read_table("selection.toml")["texts"]["containers"] and (ids := _bare_ids(inner, named=True)):
            yield FoundList(f"{prefix}.{quote_key(key)}[].{{id: @}}", "text_groups", (*path, key), ids)
            continue
        names = [
            owner
            for owner, each in zip(owners or [""] * len(held), held, strict=True)
            for entry in each
            if isinstance(entry, dict)
        ]
        yield FoundList(
            f"{prefix}.{quote_key(key)}[]",
            "groups",
            (*path, key),
            inner,
            owners=names if owners else (),
            owned_selector=owned.format(literal(key)),
        )
    for key in _common_keys(objects, dict):
        held_maps = [item.get(key) for item in objects]
        yield from _member_group(
            f"{prefix}.{quote_key(key)}.with_keys(@)[]",
            (*path, key),
            held_maps,
            owners,
            owned.format(literal(key)),
        )


def _member_group(
    selector: str, path: Path, values: list[Any], owners: Sequence[str], owned: str
) -> Iterator[FoundList]:
    maps = [value if isinstance(value, dict) else {} for value in values]
    held = [_members(each) for each in maps]
    members = [member for each in held for member in each]
    total = sum(len(each) for each in maps)
    keys = {key for each in maps for key in each}
    known = sum(named_family(key) is not None for key in keys)
    if len(values) >= 3 and len(keys) <= 1.5 * total / len(values) and known < _KNOWN_IDS * len(keys):
        return  # the same keys in every item: parts of the item, not members of a map
    objects = sum(isinstance(value, dict) for each in maps for value in each.values())
    if len(members) >= 2 and objects == total and _alike(members):
        names = [owner for owner, each in zip(owners, held, strict=True) for _ in each] if owners else ()
        yield FoundList(selector, "member_groups", path, members, owners=names, owned_selector=owned)


def _common_keys(objects: list[dict[str, Any]], kind: type) -> list[str]:
    counts = Counter(key for item in objects for key, value in item.items() if isinstance(value, kind) and value)
    empty = Counter(key for item in objects for key, value in item.items() if isinstance(value, kind) and not value)
    weights = read_table("selection.toml")["containers"]
    return [
        key
        for key, count in counts.items()
        if count + empty[key] >= 0.5 * len(objects) or (count >= 2 and float(weights.get(snake(key), 0)) > 1.1)
    ][:20]


def _alike(objects: Iterable[dict[str, Any]]) -> bool:
    """Whether the objects share most of their keys."""
    every = list(objects)
    if len(every) == 1:
        return len(every[0]) >= 3
    counts = Counter(key for item in every for key in item)
    common = max(2, 0.5 * len(every))
    shared = sum(count for key, count in counts.items() if key != "_key" and count >= common)
    return shared > 0 and shared >= 0.5 * (counts.total() - counts["_key"])


def _bare_ids(node: list[Any], *, named: bool) -> list[dict[str, str]]:
    """The items of a list of model ids: texts of known families, or in a list that is named for models."""
    if len(node) < 2 or not all(isinstance(entry, str) for entry in node):
        return []
    fitting = sum(len(entry) <= MAX_ID_LENGTH and _ID.match(entry) is not None for entry in node)
    known = sum(named_family(entry) is not None for entry in node)
    if fitting < 0.9 * len(node) or (known < _KNOWN_IDS * len(node) and not named):
        return []
    return [{"id": entry} for entry in node]


def _tables(node: dict[str, Any], path: Path) -> Iterator[FoundList]:
    """Rows in one member of an object, with the column names in another or one level deeper."""
    rows = [key for key, value in node.items() if isinstance(value, list) and value and isinstance(value[0], list)]
    for key in rows[:4]:
        for expression, names in _headers(node, path):
            items = _records(names, node[key])
            if items:
                here = (*path, key)
                yield FoundList(f"records({expression}, {path_expression(here)})", "table", here, items)
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


def container_weight(path: Path) -> float:
    """Weight of the containers' names as evidence for models; a single one against models decides."""
    weights = [float(read_table("selection.toml")["containers"].get(snake(key), 0.9)) for key in path]
    return min(weights) if weights and min(weights) < UNLIKELY else (weights[-1] if weights else 1.1)
