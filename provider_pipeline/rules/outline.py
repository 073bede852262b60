"""The outline of a listing: which fields enough of its items have, and where its lists are."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from provider_pipeline.rules.rows import content_digest

MIN_FILL: Final = 0.05
"""A field of fewer items is not a shape of its own."""
MAX_PAGES: Final = 20
"""Pages of an endpoint whose structure is looked at."""
MAX_DEPTH: Final = 6
MAX_PATHS: Final = 600
MAX_ITEMS: Final = 20_000
_LIST_DEPTH: Final = 3


def lists_of(page: Any, depth: int = _LIST_DEPTH) -> Any:
    """The keys of an answer's objects and where its lists are, without what is in the lists."""
    if isinstance(page, dict) and depth:
        return {key: lists_of(value, depth - 1) for key, value in page.items() if isinstance(value, (dict, list))}
    return type(page).__name__


class Outline:
    """Builds the fingerprint of a listing's outline, page by page.

    While it stays, a listing has gained no field and no list: `growth.growth` finds nothing, and is spared. It finds
    fields that less than `MIN_FILL` of the items had, and that more have now.
    """

    def __init__(self) -> None:
        self._items: Counter[int] = Counter()
        self._paths: Counter[tuple[Any, ...]] = Counter()
        self._pages: Counter[int] = Counter()
        self._lists: list[Any] = []
        self._is_known = True

    def add(self, endpoint: int, document: Any, items: Iterable[Any]) -> None:
        """Count the items of one page."""
        self._pages[endpoint] += 1
        if not self._is_known or self._pages[endpoint] > MAX_PAGES:
            return
        if self._pages[endpoint] == 1:
            self._lists.append(lists_of(document))
        objects = [item for item in items if isinstance(item, dict)]
        self._items[endpoint] += len(objects)
        self._is_known = (
            self._items.total() <= MAX_ITEMS
            and _count_paths(objects, (endpoint,), self._paths)
            and len(self._paths) <= MAX_PATHS
        )
        if not self._is_known:
            self._paths.clear()

    def fingerprint(self) -> str | None:
        """The fingerprint; None for a listing whose growth needs a closer look each time."""
        if not self._is_known:
            return None
        filled = sorted(path for path, count in self._paths.items() if count / self._items[path[0]] >= MIN_FILL)
        return content_digest([self._lists, filled])


def _count_paths(objects: Iterable[dict[str, Any]], path: tuple[Any, ...], paths: Counter[tuple[Any, ...]]) -> bool:
    """Counts the objects that have a value at each path below `path`, key by key: twice as fast as object by object.

    False if a list holds objects, whose values can be fields of their own.
    """
    columns: dict[str, list[Any]] = {}
    for each in objects:
        for key, value in each.items():
            if value is not None:
                columns.setdefault(key, []).append(value)
    for key, values in columns.items():
        place = (*path, key)
        paths[place] += len(values)
        kinds = set(map(type, values))
        if list in kinds and any(type(each) is list and each and isinstance(each[0], dict) for each in values):
            return False
        if dict in kinds and len(path) < MAX_DEPTH:
            inner = [each for each in values if type(each) is dict]
            if not _count_paths(inner, place, paths):
                return False
    return True
