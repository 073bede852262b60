"""The listing client: a source in, its pages out.

Here: the loop over endpoints and pages, and the bounds on a whole listing. Not here: one exchange (`transport`), what
follows a page (`paging`), what is readable (`documents`), whether it is a listing that fits its rule
(`provider_pipeline.rules`).
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from provider_pipeline.errors import ListingUnreadableError
from provider_pipeline.listing.auth import TokenCache
from provider_pipeline.listing.documents import parse_document
from provider_pipeline.listing.paging import Broken, NextRequest, PageInfo, next_request
from provider_pipeline.listing.policy import FetchLimits
from provider_pipeline.listing.source import ListingEndpoint, ListingSource, Page
from provider_pipeline.listing.transport import Answer, Transport


class ListingClient:
    """Fetches listings; thread-safe, since each listing has its own connections, and only access tokens are shared.

    Args:
        limits: What one listing may cost.
        environ: Where keys are looked up, at call time; by default the process environment.
    """

    def __init__(self, limits: FetchLimits | None = None, environ: Mapping[str, str] | None = None) -> None:
        self._limits = limits or FetchLimits()
        self._environ = environ
        self._tokens = TokenCache()

    def pages(self, source: ListingSource) -> Iterator[Page]:
        """Fetch a listing page by page, in order, each when it is asked for.

        Reaching the end without an exception means that the listing is complete.

        Yields:
            The pages of the first endpoint, then of the next.

        Raises:
            MissingCredentialError: The key's environment variable or file is not usable; nothing was sent.
            ListingUnreachableError: No answer came.
            ListingRefusedError: The server answered with an error status, or redirects elsewhere.
            ListingUnreadableError: The server answered with something that is not a complete JSON listing within the
                limits.
        """
        environ = os.environ if self._environ is None else self._environ
        authorize = partial(source.auth.authorizer, source.slug, environ, self._tokens)
        limits = source.policy.limits(self._limits)
        with Transport(source.slug, authorize, limits, source.policy) as transport:
            budget = _Budget(limits)
            for index, endpoint in enumerate(source.endpoints):
                yield from self._endpoint_pages(transport, source, index, endpoint, budget)

    def _endpoint_pages(
        self, transport: Transport, source: ListingSource, index: int, endpoint: ListingEndpoint, budget: "_Budget"
    ) -> Iterator[Page]:
        url = source.url(endpoint)
        asked: set[str] = set()
        bodies: set[bytes] = set()
        number = 0
        while url not in asked:
            asked.add(url)
            number += 1
            answer = budget.fetch(transport, url)
            digest = hashlib.sha256(answer.content).digest()
            if digest in bodies:
                raise ListingUnreadableError(
                    f"{answer.where} answered page {number} with the same body as an earlier page",
                    hint="the server ignores the pagination parameter; check the rule's pagination",
                )
            bodies.add(digest)
            document = parse_document(
                answer.content, where=answer.where, content_type=answer.headers.get("Content-Type")
            )
            yield Page(
                endpoint=index,
                number=number,
                url=answer.shown_url,
                content=answer.content,
                document=document,
                etag=answer.headers.get("ETag"),
            )
            step = next_request(endpoint.pagination, PageInfo(answer.url, document, number, answer.headers.get("Link")))
            if isinstance(step, Broken):
                raise ListingUnreadableError(
                    f"{answer.where} answered page {number}, which {step.reason}",
                    hint="the listing is incomplete; check the rule's pagination",
                )
            if not isinstance(step, NextRequest):
                return
            url = step.url
        raise ListingUnreadableError(
            f"{transport.where(url)} is named again as the page after page {number}: the listing goes in circles",
            hint="the listing is incomplete; check the rule's pagination",
        )


@dataclass
class _Budget:
    """What a listing may cost, and has cost so far."""

    limits: FetchLimits
    pages: int = field(default=0)
    bytes: int = field(default=0)

    def fetch(self, transport: Transport, url: str) -> Answer:
        """Fetch one more page, if the limits leave room for it."""
        limits = self.limits
        if self.pages >= limits.max_pages:
            raise ListingUnreadableError(
                f"{transport.where(url)} would be page {self.pages + 1:,}; a listing may have {limits.max_pages:,}",
                hint="if this listing really is that long, raise the limits or its page size",
            )
        answer = transport.get(url, most_bytes=min(limits.max_page_bytes, limits.max_total_bytes - self.bytes))
        self.pages += 1
        self.bytes += len(answer.content)
        return answer
