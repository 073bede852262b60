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
_MAX_FORMS: Final = 1_000

Form = tuple[Any, ...]
"""The keys of an object that have a value; one whose value is an object as a pair with that object's form."""


def lists_of(page: Any, depth: int = _LIST_DEPTH) -> Any:
    """The keys of an answer's objects and where its lists are, without what is in the lists."""
    if isinstance(page, dict) and depth:
        return {key: lists_of(value, depth - 1) for key, value in page.items() if isinstance(value, (dict, list))}
    return type(page).__name__


class _NoFormError(Exception):
    """An item has objects in a list, whose values can be fields of their own."""


class Outline:
    """Builds the fingerprint of a listing's outline, page by page.

    While it stays, a listing has gained no field and no list: `growth.growth` finds nothing, and is spared. It finds
    fields that less than `MIN_FILL` of the items had, and that more have now.
    """

    def __init__(self) -> None:
        self._forms: Counter[tuple[int, Form]] = Counter()
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
        try:
            self._forms.update([(endpoint, _form(item)) for item in items if isinstance(item, dict)])
        except _NoFormError:
            self._is_known = False
        if len(self._forms) > _MAX_FORMS or self._forms.total() > MAX_ITEMS:
            self._is_known = False
        if not self._is_known:
            self._forms.clear()

    def fingerprint(self) -> str | None:
        """The fingerprint; None for a listing whose growth needs a closer look each time."""
        items: Counter[int] = Counter()
        paths: Counter[tuple[Any, ...]] = Counter()
        for (endpoint, form), count in self._forms.items():
            items[endpoint] += count
            _count_paths(form, (endpoint,), count, paths)
        if not self._is_known or len(paths) > MAX_PATHS:
            return None
        filled = sorted(path for path, count in paths.items() if count / items[path[0]] >= MIN_FILL)
        return content_digest([self._lists, filled])


def _form(item: dict[str, Any], depth: int = 1) -> Form:
    return tuple(
        [
            key if type(value) not in (dict, list) else _inner(key, value, depth)
            for key, value in item.items()
            if value is not None
        ]
    )


def _inner(key: str, value: Any, depth: int) -> Any:
    if isinstance(value, dict):
        return (key, _form(value, depth + 1) if depth < MAX_DEPTH else ())
    if value and isinstance(value[0], dict):
        raise _NoFormError
    return key


def _count_paths(form: Form, path: tuple[Any, ...], count: int, paths: Counter[tuple[Any, ...]]) -> None:
    for entry in form:
        key, inner = (entry, ()) if isinstance(entry, str) else entry
        paths[*path, key] += count
        _count_paths(inner, (*path, key), count, paths)
