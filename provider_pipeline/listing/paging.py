"""Which request follows a page.

Here: one pure function per kind of pagination, chosen by the rule's pagination document. Not here: the requests
(`client`), the documents' models and how they are inferred (`rules`). The concept: a partial listing must never pass
for a whole one, so where a page says that there is more and not where, the answer is `Broken`, not `Finished`.
"""

from dataclasses import dataclass, field
from typing import Any, assert_never
from urllib.parse import urljoin

from requests.utils import parse_header_links

from provider_pipeline.listing.urls import may_follow, param, with_params
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
)


@dataclass(frozen=True)
class PageInfo:
    """What a strategy may look at.

    Attributes:
        url: The page's own URL, without credentials.
        document: Its parsed body.
        number: 1 for the endpoint's first page, counting up.
        link_header: The answer's Link header.
        count: How many items the rule's selector finds on it; None where there is no list.
    """

    url: str
    document: Any = field(repr=False)
    number: int = 1
    link_header: str | None = None
    count: int | None = None


@dataclass(frozen=True)
class NextRequest:
    """The listing goes on at this URL.

    Attributes:
        url: The URL.
        named: The server named it; otherwise it is the page's own URL with a parameter of the rule's.
    """

    url: str
    named: bool = False


@dataclass(frozen=True)
class Finished:
    """The page was the last one."""


@dataclass(frozen=True)
class Broken:
    """The page cannot have been the last one, or nobody can tell; `reason` continues the words "the page"."""

    reason: str


Step = NextRequest | Finished | Broken


def next_request(pagination: Pagination, page: PageInfo) -> Step:
    """What follows a page, by the rule's pagination."""
    match pagination:
        case NoPagination() | LinkHeaderPagination():
            # Without pagination too: a body does not show the header, and a listing its server calls unfinished is not
            # whole.
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
    """How many items the whole listing has, as the page announces it; None where it does not, or nobody knows where."""
    return _whole(compile_expression(pagination.total)(document)) if pagination.total else None


def _cursor(pagination: CursorPagination, page: PageInfo) -> Step:
    more = _search(pagination.more, page) if pagination.more else None
    if more is not None and not _truth(more):
        return Finished()
    token = _search(pagination.token, page)
    if not _is_token(token):
        return Broken(f"has more ({pagination.more}) but no {pagination.token}") if more else Finished()
    return NextRequest(with_params(page.url, {pagination.param: str(token)}))


def _page_token(pagination: PageTokenPagination, page: PageInfo) -> Step:
    token = _search(pagination.token, page)
    if token is None or token in ("", False):
        return Finished()
    if not _is_token(token):
        return Broken(f"has a {pagination.token} that is not a token but {type(token).__name__}")
    return NextRequest(with_params(page.url, {pagination.param: str(token)}))


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
    total = _whole(_search(pagination.total_pages, page))
    if total is None:
        return Broken(f"does not say how many pages there are ({pagination.total_pages} is no number)")
    asked = _whole(param(page.url, pagination.param))
    stated = _whole(_search(pagination.page, page))
    if asked is not None and stated is not None and asked != stated:
        return Broken(f"says it is page {stated}, though page {asked} was asked for")
    # By the count of pages that came, since some servers call the first one 0.
    if page.number >= total:
        return Finished()
    current = asked if asked is not None else stated if stated is not None else page.number
    return NextRequest(with_params(page.url, {pagination.param: str(current + 1)}))


def _offset(pagination: OffsetPagination, page: PageInfo) -> Step:
    total = _whole(_search(pagination.total, page))
    if total is None:
        return Broken(f"does not say how many models there are ({pagination.total} is no number)")
    offset = _whole(param(page.url, pagination.param)) or 0
    # By what came, not by the limit that was asked for: servers cap it silently.
    count = page.count or 0
    if offset + count >= total:
        return Finished()
    if count == 0:
        return Broken(f"is empty at offset {offset:,}, though {pagination.total} is {total:,}")
    return NextRequest(with_params(page.url, {pagination.param: str(offset + count)}))


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
    return (isinstance(value, str) and bool(value)) or (isinstance(value, int) and not isinstance(value, bool))


def _truth(value: Any) -> bool:
    return value.strip().lower() not in ("", "false", "no", "0") if isinstance(value, str) else bool(value)


def _whole(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.strip().isdecimal() and len(value) < 16:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
