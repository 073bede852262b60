"""Decides what follows after a page: another request, the end of the listing, or a listing that cannot be read on."""

from dataclasses import dataclass, field
from typing import Any, assert_never
from urllib.parse import urljoin

from requests.utils import parse_header_links

from provider_pipeline.listing.policy import may_follow, param, with_params
from provider_pipeline.rules.language import compile_expression
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
class PageInfo:
    """What the next request is derived from.

    Attributes:
        url: The page's own URL, without credentials.
        document: Its parsed body.
        number: 1 for the endpoint's first page.
        link_header: The response's Link header.
        count: How many items the rule's selector finds on it; None if it finds no list.
        seen: How many it found on this page and those before.
        spelling: Which of the names that the rule gives its parameter is used.
    """

    url: str
    document: Any = field(repr=False)
    number: int = 1
    link_header: str | None = None
    count: int | None = None
    seen: int = 0
    spelling: int = 0


@dataclass(frozen=True)
class NextRequest:
    """The next page's URL: `named` by the server, or the page's own with a parameter of the rule's."""

    url: str
    named: bool = False


@dataclass(frozen=True)
class Finished:
    """The page was the last one."""


@dataclass(frozen=True)
class Broken:
    """The listing goes on but not readably, or its end is uncertain; `reason` continues the words "the page"."""

    reason: str


Step = NextRequest | Finished | Broken


def next_request(pagination: Pagination, page: PageInfo) -> Step:
    """The request after a page, by the rule's pagination."""
    match pagination:
        case NoPagination() | LinkHeaderPagination():
            # Without pagination too: a rule is generated from a body, which does not show the header.
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


def announced_total(pagination: Pagination, document: Any) -> int | None:
    """The number of items in the whole listing that the page announces, if the rule says where."""
    return _whole(compile_expression(pagination.total)(document)) if pagination.total else None


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
        # Compared with the pages that came, because some servers number the first one 0.
        more: bool | Broken = page.number < total
    else:
        more = _goes_on(pagination, page, page.seen)
    if not more or isinstance(more, Broken):
        return more or Finished()
    current = asked if asked is not None else stated if stated is not None else page.number
    return NextRequest(with_params(page.url, {pagination.param: str(current + 1)}))


def _offset(pagination: OffsetPagination, page: PageInfo) -> Step:
    offset = _whole(param(page.url, pagination.param)) or 0
    # Advance by the items that came, because servers silently cap the requested limit.
    reached = offset + (page.count or 0)
    more = _goes_on(pagination, page, reached)
    if isinstance(more, Broken):
        return more
    return NextRequest(with_params(page.url, {pagination.param: str(reached)})) if more else Finished()


def _goes_on(pagination: PageNumberPagination | OffsetPagination, page: PageInfo, reached: int) -> bool | Broken:
    """Whether there are items after the number of them reached, by the page's total or its word of more."""
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
    try:
        url = urljoin(page.url, target)
    except ValueError:
        return Broken("names a next URL that is not a URL")
    if not may_follow(page.url, url):
        return Broken("names a next URL on another host, which is not followed: the credentials are for this one only")
    return NextRequest(url, named=True)


def _search(expression: str, page: PageInfo) -> Any:
    return compile_expression(expression)(page.document)


def _is_token(value: Any) -> bool:
    return (isinstance(value, str) and bool(value)) or is_integer(value)


def _truth(value: Any) -> bool:
    return value.strip().lower() not in ("", "false", "no", "0") if isinstance(value, str) else bool(value)


def _whole(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.strip().isdecimal() and len(value) < 16:
        return int(value)
    return value if is_integer(value) and value >= 0 else None
