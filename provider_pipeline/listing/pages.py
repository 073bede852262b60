"""The pages of a listing: their content, their completeness, and the request after each."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Final, assert_never

from requests.utils import parse_header_links

from provider_pipeline.errors import RuleTooCostlyError
from provider_pipeline.listing.policy import may_follow, param, resolved_url, with_params
from provider_pipeline.listing.redaction import one_line, redact_quote
from provider_pipeline.rules.ids import CompactIds
from provider_pipeline.rules.language import getter_within
from provider_pipeline.rules.limits import LISTING_STEPS, Work
from provider_pipeline.rules.pagination import (
    CursorPagination,
    LinkHeaderPagination,
    NextUrlPagination,
    NoPagination,
    OffsetPagination,
    PageNumberPagination,
    PageTokenPagination,
    Pagination,
    parameter_names,
)
from provider_pipeline.rules.values import is_integer


@dataclass(frozen=True)
class KnownPage:
    """A stored page, for a conditional request.

    Attributes:
        load: Reads its content.
        fingerprint: See `Page`; None if it was not stored.
    """

    etag: str | None
    last_modified: str | None
    load: Callable[[], bytes] = field(repr=False)
    fingerprint: str | None = None


class Body:
    """A page's content and document, each loaded on first use."""

    def __init__(self, load: Callable[[], bytes], parse: Callable[[bytes], Any]) -> None:
        self._load = load
        self._parse = parse

    @cached_property
    def content(self) -> bytes:
        """The bytes."""
        return self._load()

    @cached_property
    def document(self) -> Any:
        """The document: any JSON value, null included."""
        return self._parse(self.content)


@dataclass(frozen=True)
class Page:
    """One page of a listing.

    Attributes:
        endpoint: Index of its endpoint in the source.
        number: 1 for an endpoint's first page.
        url: Where it came from, redacted.
        status: The response's status; 304 for an unchanged page.
        headers: The headers worth keeping, by lower-case name, redacted. It holds a validator (`etag`,
            `last-modified`) only if an unchanged body also means unchanged following pages, which is not so where a
            Link header names the next one.
        fetched_at: Time of the response, in UTC.
        not_modified: The server answered that the page is unchanged, or sent the same bytes again.
        body: Its content and document.
        fingerprint: SHA-256 of content type and bytes, to recognise an unchanged response without parsing it; None if
            the endpoint may have more pages.
    """

    endpoint: int
    number: int
    url: str
    status: int
    headers: Mapping[str, str] = field(repr=False)
    fetched_at: datetime
    not_modified: bool
    body: Body = field(repr=False)
    fingerprint: str | None = None

    @property
    def content(self) -> bytes:
        """The decompressed body, with secrets masked."""
        return self.body.content

    @property
    def document(self) -> Any:
        """The body, parsed: any JSON value, null included."""
        return self.body.document

    @property
    def etag(self) -> str | None:
        """The validator for the next conditional request, if any."""
        return self.headers.get("etag")

    @property
    def last_modified(self) -> str | None:
        """The other validator, if any."""
        return self.headers.get("last-modified")


VALIDATORS: Final = ("etag", "last-modified")
_KEPT_HEADERS: Final = (
    *("content-type", "date", *VALIDATORS),
    *("request-id", "x-request-id", "x-amzn-requestid", "apim-request-id", "cf-ray"),
)
_VALIDATOR: Final = re.compile(r"[\x21-\x7e]+(?: [\x21-\x7e]+)*")
_MAX_HEADER: Final = 200


def kept_headers(headers: Mapping[str, str], secrets: Iterable[str]) -> dict[str, str]:
    """The headers worth keeping with a page, by lower-case name, redacted.

    Validators that cannot be sent back unchanged are left out.
    """
    kept = {name: redact_quote(headers[name], secrets) for name in _KEPT_HEADERS if name in headers}
    for name, value in list(kept.items()):
        if name not in VALIDATORS:
            kept[name] = one_line(value, _MAX_HEADER)
        elif len(value) > _MAX_HEADER or value != headers[name] or not _VALIDATOR.fullmatch(value):
            del kept[name]
    return kept


_BATCH: Final = 10_000
"""Items counted between two checks of the deadline."""


class CompletenessCheck:
    """Counts the items and ids on one endpoint's pages, for one listing.

    If a rule's expressions are too costly, nothing is counted: the judge will refuse the listing.

    Args:
        selector: The rule's expression for a page's items; None to count nothing.
        id_field: The rule's expression for an item's id.
        keep_pace: Called between batches of items; raises when the listing has taken too long.
    """

    def __init__(self, selector: str | None, id_field: str | None, keep_pace: Callable[[], None]) -> None:
        self._work = Work(LISTING_STEPS)
        self._select = getter_within(selector, self._work) if selector else None
        self._id = getter_within(id_field, self._work) if id_field else None
        self._keep_pace = keep_pace
        self._seen = CompactIds()
        self._uncounted: list[Any] | None = None
        self._pages = 0
        self._items = 0
        self._first_seen = 0
        self._repeated_within_pages = 0

    def items(self, document: Any) -> list[Any] | None:
        """The items on a page; None if there is no selector, or it finds no list."""
        try:
            found = self._select(document) if self._select else None
        except RuleTooCostlyError:
            return None
        if not isinstance(found, list):
            return None
        self._work.grant(self._items + len(found))
        return found

    def only_repeats(self, items: list[Any]) -> bool:
        """Add the next page's items; returns whether earlier pages had all their ids."""
        self._pages += 1
        if self._pages == 1:
            # Most listings have one page, so its ids are counted only when another page or a total arrives.
            self._uncounted = items
            return False
        self._count_first_page()
        return self._count(items)

    def disagreement(self, total: int) -> str | None:
        """Describes how the received items differ from an announced total; None if they match.

        A server may count a model listed twice as one or as two, and a page may repeat items of the previous one
        because the listing grew meanwhile.
        """
        self._count_first_page()
        counts = {self._items, self._first_seen, self._first_seen + self._repeated_within_pages}
        if total in counts:
            return None
        came = f"{self._items:,} came"
        if self._first_seen != self._items:
            came += f", {self._first_seen:,} of them different"
        return f"announces a total of {total:,} items, but {came}"

    def _count_first_page(self) -> None:
        if self._uncounted is not None:
            self._count(self._uncounted)
            self._uncounted = None

    def _count(self, items: list[Any]) -> bool:
        hashes = self._hashes(items)
        new = {each for each in hashes if self._seen.get(each) is None}
        without_id = len(items) - len(hashes)
        self._items += len(items)
        self._first_seen += len(new) + without_id
        self._repeated_within_pages += sum(map(new.__contains__, hashes)) - len(new)
        for each in new:
            self._seen.add(each)
        return bool(hashes) and not new

    def _hashes(self, items: list[Any]) -> list[int]:
        hashes: list[int] = []
        if self._id is None:
            return hashes
        try:
            for start in range(0, len(items), _BATCH):
                self._keep_pace()
                ids = map(self._id, items[start : start + _BATCH])
                # A number and its digits are the same id. As text, because integers hash to themselves.
                hashes += [
                    hash(str(each)) for each in ids if isinstance(each, (str, int)) and not isinstance(each, bool)
                ]
        except RuleTooCostlyError:
            return []
        return hashes


@dataclass(frozen=True)
class PageInfo:
    """Input for the next request.

    Attributes:
        url: The page's own URL, without credentials.
        document: Its parsed body.
        number: 1 for the endpoint's first page.
        link_header: The response's Link header.
        count: Number of items that the rule's selector finds on it; None if it finds no list.
        seen: Number of items on this page and those before.
        spelling: Index of the parameter name in use, among the rule's names.
        work: The step budget of the pagination's expressions, on all pages together.
    """

    url: str
    document: Any = field(repr=False)
    number: int = 1
    link_header: str | None = None
    count: int | None = None
    seen: int = 0
    spelling: int = 0
    work: Work = field(default_factory=lambda: Work(LISTING_STEPS), repr=False, compare=False)


@dataclass(frozen=True)
class NextRequest:
    """The next page's URL: `named` by the server, or else the page's own with the rule's parameter."""

    url: str
    named: bool = False


@dataclass(frozen=True)
class Finished:
    """The page was the last one."""


@dataclass(frozen=True)
class Broken:
    """The next page cannot be determined, or the listing's end is uncertain; `reason` follows the words "the page"."""

    reason: str


Step = NextRequest | Finished | Broken


def next_request(pagination: Pagination, page: PageInfo) -> Step:
    """The request after a page, by the rule's pagination."""
    match pagination:
        case NoPagination() | LinkHeaderPagination():
            # Even without pagination: a rule is generated from a body, without the header.
            return _link_header(page)
        case CursorPagination():
            return _cursor(pagination, page)
        case PageTokenPagination():
            return _page_token(pagination, page)
        case NextUrlPagination():
            return _next_url(pagination, page)
        case PageNumberPagination():
            return _page_number(pagination, page)
        case OffsetPagination():
            return _offset(pagination, page)
        case _:
            assert_never(pagination)


def announced_total(pagination: Pagination, page: PageInfo) -> int | None:
    """The number of items in the whole listing that the page announces, if the rule says where."""
    return _whole(_search(pagination.total, page)) if pagination.total else None


def _cursor(pagination: CursorPagination, page: PageInfo) -> Step:
    more = _search(pagination.more, page) if pagination.more else None
    if more is not None and not _truth(more):
        return Finished()
    token = _search(pagination.token, page)
    if not _is_token(token):
        return Broken(f"has more ({pagination.more}) but no {pagination.token}") if more else Finished()
    return NextRequest(with_params(page.url, {parameter_names(pagination)[page.spelling]: str(token)}))


def _page_token(pagination: PageTokenPagination, page: PageInfo) -> Step:
    token = _search(pagination.token, page)
    if token is None or token in ("", False):
        return Finished()
    if not _is_token(token):
        return Broken(f"has a {pagination.token} that is not a token but {type(token).__name__}")
    return NextRequest(with_params(page.url, {parameter_names(pagination)[page.spelling]: str(token)}))


def _next_url(pagination: NextUrlPagination, page: PageInfo) -> Step:
    target = _search(pagination.token, page)
    if target is None or target in ("", False):
        return Finished()
    if not isinstance(target, str):
        return Broken(f"has a {pagination.token} that is not a URL but {type(target).__name__}")
    return _follow(page, target)


def _link_header(page: PageInfo) -> Step:
    for link in parse_header_links(page.link_header or ""):
        if "next" in link.get("rel", "").lower().split():
            return _follow(page, link["url"])
    return Finished()


def _page_number(pagination: PageNumberPagination, page: PageInfo) -> Step:
    asked = _whole(param(page.url, pagination.param))
    stated = _whole(_search(pagination.page, page))
    if asked is not None and stated is not None and asked != stated:
        return Broken(f"says it is page {stated}, though page {asked} was asked for")
    if pagination.total_pages:
        total = _whole(_search(pagination.total_pages, page))
        if total is None:
            return Broken(f"does not say how many pages there are ({pagination.total_pages} is no number)")
        # Compared with the number of received pages, because some servers start at page 0.
        more: bool | Broken = page.number < total
    else:
        more = _goes_on(pagination, page, page.seen)
    if not more or isinstance(more, Broken):
        return more or Finished()
    current = asked if asked is not None else stated if stated is not None else page.number
    return NextRequest(with_params(page.url, {pagination.param: str(current + 1)}))


def _offset(pagination: OffsetPagination, page: PageInfo) -> Step:
    offset = _whole(param(page.url, pagination.param)) or 0
    # Advance by the number of received items, because servers silently cap the requested limit.
    reached = offset + (page.count or 0)
    more = _goes_on(pagination, page, reached)
    if isinstance(more, Broken):
        return more
    return NextRequest(with_params(page.url, {pagination.param: str(reached)})) if more else Finished()


def _goes_on(pagination: PageNumberPagination | OffsetPagination, page: PageInfo, reached: int) -> bool | Broken:
    """Whether there are more items than those reached, by the page's total or its `more`."""
    if pagination.more:
        more = _search(pagination.more, page)
        if more is None:
            return Broken(f"does not say whether there is more ({pagination.more} is missing)")
        if not _truth(more):
            return False
        end = f"{pagination.more} holds"
    else:
        total = _whole(_search(str(pagination.total), page))
        if total is None:
            return Broken(f"does not say how many models there are ({pagination.total} is no number)")
        if reached >= total:
            return False
        end = f"{pagination.total} is {total:,}"
    return True if page.count else Broken(f"is empty at offset {reached:,}, though {end}")


def _follow(page: PageInfo, target: str) -> Step:
    url = resolved_url(page.url, target)
    if url is None:
        return Broken("names a next URL that is not a URL")
    if not may_follow(page.url, url):
        return Broken("names a next URL on another host, which is not followed: the credentials are for this one only")
    return NextRequest(url, named=True)


def _search(expression: str, page: PageInfo) -> Any:
    return getter_within(expression, page.work)(page.document)


def _is_token(value: Any) -> bool:
    return (isinstance(value, str) and bool(value)) or is_integer(value)


def _truth(value: Any) -> bool:
    return value.strip().lower() not in ("", "false", "no", "0") if isinstance(value, str) else bool(value)


def _whole(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.strip().isdecimal() and len(value) < 16:
        return int(value)
    return value if is_integer(value) and value >= 0 else None
