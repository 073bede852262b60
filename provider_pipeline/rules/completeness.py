"""What an answer says of further pages, and which listings were read only in part.

The fields' names are data (`data/pagination.toml`).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl

from provider_pipeline.rules.document import Endpoint
from provider_pipeline.rules.issues import issue
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.language import Path, compiled, path_expression, snake
from provider_pipeline.rules.pagination import can_follow, parse_pagination
from provider_pipeline.rules.values import is_integer

Fields = dict[str, list[tuple[Path, Any]]]
"""Scalar fields of the answer by snake_case key, each with its path."""

PARTIAL_LISTING: Final = "partial_listing"
"""Type of the issue of a listing that was not read to its end."""


class PagesRead:
    """The pages of one listing as a rule's endpoints read them, to tell whether any were left unread."""

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        self._endpoints = endpoints
        self._paginations = [parse_pagination(endpoint.pagination) for endpoint in endpoints]
        self._listings = [compiled(endpoint.selector).leading_keys for endpoint in endpoints]
        self._pages: Counter[int] = Counter()
        self._items: Counter[int] = Counter()
        self._last: dict[int, Any] = {}

    def add(self, endpoint: int, answer: Any, count: int) -> None:
        """Count an endpoint's next page, which has so many items."""
        self._pages[endpoint] += 1
        self._items[endpoint] += count
        self._last[endpoint] = answer

    def issues(self) -> Iterator[dict[str, Any]]:
        """An error for each endpoint whose last page says that there is more, which its rule cannot ask for."""
        for position, answer in self._last.items():
            pagination = self._paginations[position]
            if can_follow(pagination, answer):
                continue
            endpoint, count = self._endpoints[position], self._items[position]
            field = says_more(answer, count, self._listings[position], path=endpoint.path, pages=self._pages[position])
            if field:
                where = f" of {endpoint.path}" if len(self._endpoints) > 1 and endpoint.path else ""
                yield partial_listing(f"{field} in the answer{where} says that there is more than the {count:,} read")


def partial_listing(message: str) -> dict[str, Any]:
    """The issue of a listing that goes on where the rule does not."""
    return issue(
        PARTIAL_LISTING,
        "error",
        f"{message}; the rule does not know how to ask for it",
        expected="the whole listing",
        actual="a part of it",
        recovery="Regenerate the rule, or put the provider's way of paging into the rule's pagination. If the answer "
        'is the whole listing all the same, state {"type": "none", "whole": true} there.',
    )


def says_more(
    sample: Any, item_count: int, listing: Path = (), *, path: str | None = None, pages: int = 1
) -> str | None:
    """The field by which an answer says that it, with the pages before it, is not the whole listing.

    A plain statement outweighs numbers: `has_more: false`, an empty token or address, a count of pages. A total is
    believed unless the page has room for more items, or the total counts what was filtered away.

    Args:
        sample: The answer.
        item_count: How many items its listing has, with those of the pages before.
        listing: Keys from the answer to the listing.
        path: The endpoint's path, whose query may filter.
        pages: How many pages were read; a total says nothing after several, where each names the next.
    """
    if not isinstance(sample, dict):
        return None
    fields = page_fields(sample, listing)
    for statements in (_booleans(fields), _continuations(fields)):
        if statements:
            return next((field for field, more in statements if more), None)
    return _page_count(fields, item_count, pages) or (larger_total(fields, item_count, path) if pages == 1 else None)


def _booleans(fields: Fields) -> list[tuple[str, bool]]:
    """Fields that say outright whether there is more; if two disagree, there is."""
    data = read_table("pagination.toml")["more"]
    return [
        (path_expression(path), said is sense)
        for keys, sense in ((data["keys"], True), (data["last"], False))
        for path, value in values_of(fields, keys)
        if (said := _boolean(value)) is not None
    ]


def _boolean(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value.strip().lower()) if isinstance(value, str) else None


def _continuations(fields: Fields) -> list[tuple[str, bool]]:
    """Fields for the next page's token or address, and whether they hold one."""
    tokens = values_of(fields, read_table("pagination.toml")["more"]["tokens"])
    return [
        (path_expression(path), bool(value.strip() if isinstance(value, str) else value))
        for path, value in (*tokens, *next_addresses(fields))
    ]


def values_of(fields: Fields, keys: Iterable[str]) -> Iterator[tuple[Path, Any]]:
    """The fields under any of the keys, in the keys' order."""
    return (each for key in keys for each in fields.get(key, []))


def _page_count(fields: Fields, item_count: int, pages: int) -> str | None:
    numbers = read_table("pagination.toml")["numbers"]
    count = whole_number(fields, numbers["total_pages"])
    totals = [value for _, value in whole_totals(fields)]
    return None if count is None or count[1] <= pages or item_count in totals else count[0]


def larger_total(fields: Fields, item_count: int, path: str | None) -> str | None:
    """The field with a total that more items are needed for."""
    data = read_table("pagination.toml")
    totals = whole_totals(fields)
    larger = [each for each in totals if each[1] > item_count]
    if not larger or len(larger) < len(totals):
        return None
    if any(value == item_count for _, value in values_of(fields, data["offsets"]["filtered"])):
        return None
    pages = whole_number(fields, data["numbers"]["total_pages"])
    limit = whole_number(fields, data["offsets"]["limit"])
    if (pages is not None and pages[1] <= 1) or (limit is not None and limit[1] > item_count > 0):
        return None
    paged = limit or whole_number(fields, [*data["numbers"]["page"], *data["offsets"]["offset"]])
    return larger[0][0] if paged or not _filters(path) else None


def whole_totals(fields: Fields) -> list[tuple[str, int]]:
    """Counts of the whole listing; a mere `count` only where nothing else is one."""
    data = read_table("pagination.toml")["offsets"]
    counts = {
        key: [(path_expression(path), value) for path, value in fields.get(key, []) if is_integer(value)]
        for key in data["total"]
    }
    whole = [each for key, values in counts.items() if key not in data["page_own"] for each in values]
    return whole or [each for key in data["page_own"] for each in counts[key]]


def _filters(path: str | None) -> bool:
    """Whether the query of an endpoint's path asks for a part of the models."""
    paging = read_table("pagination.toml")["offsets"]["paging_parameters"]
    return any(snake(name) not in paging for name, _ in parse_qsl((path or "").partition("?")[2]))


def next_addresses(fields: Fields) -> Iterator[tuple[Path, Any]]:
    """Fields that hold the next page's address, or nothing on the last page."""
    urls = read_table("pagination.toml")["urls"]
    for key in (*urls["keys"], *urls["inside_next"]):
        for path, value in fields.get(key, []):
            if key not in urls["inside_next"] or snake(path[-2:][0]) == "next":
                yield path, value


def stated_more(fields: Fields) -> str | None:
    """The field that says with true or false whether there is more."""
    keys = read_table("pagination.toml")["more"]["keys"]
    return next((path_expression(path) for path, value in values_of(fields, keys) if isinstance(value, bool)), None)


def page_fields(sample: dict[str, Any], listing: Path) -> Fields:
    """Scalar fields beside and around the listing, and in the containers where pagination is usually found."""
    containers = set(read_table("pagination.toml")["offsets"]["containers"])
    found: Fields = {}
    pending: list[tuple[Path, dict[str, Any]]] = [((), sample)]
    for path, node in pending:
        for key, value in list(node.items())[:200]:
            if isinstance(value, dict):
                around = (*path, key) == listing[: len(path) + 1]
                if around or (len(path) < 2 + len(listing) and snake(key) in containers):
                    pending.append(((*path, key), value))
            elif not isinstance(value, list):
                found.setdefault(snake(key), []).append(((*path, key), value))
    return found


def whole_number(fields: Fields, keys: list[str]) -> tuple[str, int, str] | None:
    """The first integer under one of the keys: its expression, the number, and the key as written."""
    for key in keys:
        for path, value in fields.get(key, []):
            if is_integer(value):
                return path_expression(path), value, path[-1]
    return None
