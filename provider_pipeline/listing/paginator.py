"""Walk through all pages of a listing, by the pagination its rule names."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, assert_never
from urllib.parse import urljoin

from requests.utils import parse_header_links

from provider_pipeline.errors import ListingRefusedError, ListingUnreadableError
from provider_pipeline.listing.addresses import may_follow, param, with_params
from provider_pipeline.listing.completeness import Body, KnownPage, Page, PageProofs
from provider_pipeline.listing.documents import containers_in, parse_document
from provider_pipeline.listing.error_responses import NOT_MODIFIED, error_in
from provider_pipeline.listing.exchange import Answer
from provider_pipeline.listing.pace import Pace
from provider_pipeline.listing.policy import FetchLimits
from provider_pipeline.listing.source import ListingSource
from provider_pipeline.listing.transport import Transport
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


Known = Callable[[int, int, str], KnownPage | None]
"""What is known of a page, by its endpoint, its number and its redacted URL."""

_CHECK_PAGINATION = "the listing is incomplete; check the rule's pagination"


@dataclass
class Budget:
    """What a listing may cost, and has cost so far."""

    limits: FetchLimits
    pace: Pace
    pages: int = field(default=0)
    bytes: int = field(default=0)
    details: int = field(default=0)
    containers: int = field(default=0)

    def fetch(self, transport: Transport, url: str, known: KnownPage | None, *, named: bool) -> Answer:
        """Fetch one more page, if the limits leave room for it."""
        limits = self.limits
        if self.pages >= limits.max_pages:
            raise ListingUnreadableError(
                f"{transport.where(url, named=named)} would be page {self.pages + 1:,}; a listing may have "
                f"{limits.max_pages:,}",
                hint="if this listing really is that long, raise the limits or its page size",
            )
        most_bytes = min(limits.max_page_bytes, limits.max_total_bytes - self.bytes)
        answer = transport.get(url, most_bytes=most_bytes, conditions=_conditions(known), named=named)
        self.pages += 1
        self.take(answer)
        return answer

    def take(self, answer: Answer) -> None:
        """Count what an answer brought.

        Raises:
            ListingUnreadableError: The listing holds more than it may.
        """
        self.bytes += len(answer.content)
        most = self.limits.max_containers
        # So many bytes hold half as many at the most: small listings are not counted.
        if self.bytes > most:
            self.containers += containers_in(answer.content)
        if self.containers > most:
            raise ListingUnreadableError(
                f"{answer.where} answered with more than the {most:,} objects and lists that a listing may have",
                hint="if this listing really is that large, raise the limit of its bytes",
            )


class EndpointWalk:
    """The pages of one endpoint, once."""

    def __init__(
        self, transport: Transport, source: ListingSource, index: int, budget: Budget, known: Known | None
    ) -> None:
        self._transport = transport
        self._source = source
        self._index = index
        self._endpoint = source.endpoints[index]
        self._budget = budget
        self._known = known
        self._proofs = PageProofs(self._endpoint.selector, self._endpoint.id_field, budget.pace.keep)
        self._bodies: set[bytes] = set()

    def pages(self) -> Iterator[Page]:
        """Fetch page after page, each when it is asked for.

        Raises:
            ModelSyncerError: The listing is not whole; why not.
        """
        url = self._source.url(self._endpoint)
        asked: set[str] = set()
        number, named = 0, False
        while url not in asked:
            asked.add(url)
            number += 1
            answer, page = self._fetch(url, number, named=named)
            if page.not_modified and self._is_alone(number) and "Link" not in answer.headers:
                # Nobody needs to look at a whole listing again that has not changed.
                yield page
                return
            self._budget.pace.expect(len(answer.content))
            count = self._examine(answer, page)
            self._budget.pace.keep()
            yield page
            self._budget.pace.keep()
            step = self._step(answer, page, count)
            if isinstance(step, Finished):
                return
            # A parameter appended to a URL that the server named leaves the rest of it the server's.
            url, named = step.url, step.named or answer.named
        raise ListingUnreadableError(
            f"{self._transport.where(url, named=named)} is named again as the page after page {number}: the listing "
            "goes in circles",
            hint=_CHECK_PAGINATION,
        )

    def _fetch(self, url: str, number: int, *, named: bool) -> tuple[Answer, Page]:
        # A Link header may change, and with it what follows, while the body and its validator stay as they are.
        by_link = isinstance(self._endpoint.pagination, LinkHeaderPagination)
        shown = self._transport.shown(url, named=named)
        known = None if self._known is None or by_link else self._known(self._index, number, shown)
        answer = self._budget.fetch(self._transport, url, known, named=named)
        unchanged = known if answer.status == NOT_MODIFIED else None
        fingerprint = self._fingerprint(answer, number) if unchanged is None else unchanged.fingerprint
        came_again = known is not None and fingerprint is not None and fingerprint == known.fingerprint
        headers = self._transport.kept_headers(answer)
        if unchanged is not None:
            validators = {"etag": unchanged.etag, "last-modified": unchanged.last_modified}
            headers = {name: value for name, value in validators.items() if value is not None} | headers
        if by_link or "Link" in answer.headers:
            headers = {name: value for name, value in headers.items() if name not in ("etag", "last-modified")}
        page = Page(
            endpoint=self._index,
            number=number,
            url=answer.shown_url,
            status=answer.status,
            headers=headers,
            fetched_at=answer.received_at,
            not_modified=unchanged is not None or came_again,
            body=self._body(answer, unchanged),
            fingerprint=fingerprint,
        )
        return answer, page

    def _body(self, answer: Answer, unchanged: KnownPage | None) -> Body:
        def parse(content: bytes) -> Any:
            kind = None if unchanged else answer.headers.get("Content-Type")
            return parse_document(content, where=answer.where, content_type=kind, said=self._transport.said)

        return Body((lambda: answer.content) if unchanged is None else unchanged.load, parse)

    def _is_alone(self, number: int) -> bool:
        """Whether a page is the whole listing of its endpoint."""
        return number == 1 and isinstance(self._endpoint.pagination, NoPagination)

    def _fingerprint(self, answer: Answer, number: int) -> str | None:
        # Of many pages, each has to be looked at for what follows it, whether it came before or not.
        if not self._is_alone(number):
            return None
        kind = answer.headers.get("Content-Type", "")
        return hashlib.sha256(kind.encode() + b"\n" + answer.content).hexdigest()

    def _examine(self, answer: Answer, page: Page) -> int | None:
        """Refuse a page that is none, or that earlier pages disprove; how many items it has, if that can be told."""
        if not page.not_modified and not self._is_alone(page.number):
            self._refuse_repetition(answer, page)
        items = self._proofs.items(page.document)
        if not items:
            self._refuse_error(answer, page)
        if self._proofs.brings_nothing_new(items or []) and page.number > 1:
            raise ListingUnreadableError(
                f"{answer.where} answered page {page.number} with nothing but ids of earlier pages",
                hint="the server ignores the pagination parameter, or jumps back; check the rule's pagination",
            )
        return None if items is None else len(items)

    def _refuse_repetition(self, answer: Answer, page: Page) -> None:
        digest = hashlib.sha256(page.content).digest()
        if digest in self._bodies:
            raise ListingUnreadableError(
                f"{answer.where} answered page {page.number} with the same body as an earlier page",
                hint="the server ignores the pagination parameter; check the rule's pagination",
            )
        self._bodies.add(digest)

    def _refuse_error(self, answer: Answer, page: Page) -> None:
        message = error_in(page.document, self._transport.said, whole=self._endpoint.selector is not None)
        if message is not None:
            raise ListingRefusedError(
                f"{answer.where} answered {answer.status} with an error instead of a listing: {message!r}",
                status=answer.status,
                hint="the server calls its errors successes; check the key, the endpoint's path and its parameters",
            )

    def _step(self, answer: Answer, page: Page, count: int | None) -> NextRequest | Finished:
        """What follows a page; the end only if the announced total has come."""
        pagination, link = self._endpoint.pagination, answer.headers.get("Link")
        step = next_request(pagination, PageInfo(answer.url, page.document, page.number, link, count))
        if isinstance(step, Broken):
            raise ListingUnreadableError(
                f"{answer.where} answered page {page.number}, which {step.reason}", hint=_CHECK_PAGINATION
            )
        total = announced_total(pagination, page.document) if isinstance(step, Finished) else None
        if total is not None and self._endpoint.selector and (reason := self._proofs.disagrees_with(total)):
            raise ListingUnreadableError(
                f"{answer.where} answered page {page.number}, the last, which {reason}",
                hint="the listing changed while it was read, or the server miscounts; if it always does, take `total` "
                "out of the rule's pagination",
                transient=True,
            )
        return step


def _conditions(known: KnownPage | None) -> dict[str, str]:
    validators = {"If-None-Match": known.etag, "If-Modified-Since": known.last_modified} if known else {}
    return {name: value for name, value in validators.items() if value}
