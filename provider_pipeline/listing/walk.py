"""From an endpoint's first page to its last.

Here: the loop over one endpoint's pages, and the bounds on a whole listing. Not here: one exchange (`transport`), what
follows a page (`paging`), what is readable (`documents`), what the pages prove together (`proofs`). The concept: the
end is reached only when nothing contradicts that the listing is whole; every other way out is an error.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from provider_pipeline.errors import ListingRefusedError, ListingUnreadableError
from provider_pipeline.listing.answers import error_in
from provider_pipeline.listing.documents import containers_in, parse_document
from provider_pipeline.listing.messages import NOT_MODIFIED, Answer
from provider_pipeline.listing.pace import Pace
from provider_pipeline.listing.pages import Body, KnownPage, Page
from provider_pipeline.listing.paging import Broken, Finished, NextRequest, PageInfo, announced_total, next_request
from provider_pipeline.listing.policy import FetchLimits
from provider_pipeline.listing.proofs import PageProofs
from provider_pipeline.listing.source import ListingSource
from provider_pipeline.listing.transport import Transport
from provider_pipeline.rules.pagination import LinkHeaderPagination, NoPagination

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
