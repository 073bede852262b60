"""Fetches a provider's complete listing, with the details of each model where a rule asks for them."""

import json
import os
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any, Final
from urllib.parse import quote

from provider_pipeline.errors import ListingError, ListingRefusedError, ListingUnreadableError
from provider_pipeline.listing.auth.credentials import TokenCache
from provider_pipeline.listing.cpu_throttle import ActiveListings, CpuThrottle
from provider_pipeline.listing.documents import parse_document
from provider_pipeline.listing.endpoints import (
    Budget,
    EndpointPaginator,
    KnownPageLookup,
    ListingEndpoint,
    ListingSource,
)
from provider_pipeline.listing.error_responses import error_message_in
from provider_pipeline.listing.limits import Deadline, FetchLimits, HostLimits
from provider_pipeline.listing.pages import VALIDATORS, Body, Page
from provider_pipeline.listing.policy import join_url
from provider_pipeline.listing.redaction import one_line
from provider_pipeline.listing.transport import Transport
from provider_pipeline.rules.document import ID_PLACEHOLDER, Detail
from provider_pipeline.rules.language import getter_within
from provider_pipeline.rules.limits import Work, has_dot_segments
from provider_pipeline.rules.values import BadValueError, read_id

_OpenTransport = Callable[[Deadline], Transport]

_NOT_FOUND: Final = 404


class ListingClient:
    """Fetches listings; thread-safe. Listings share access tokens, rate limits and the processor, but no connections.

    Args:
        limits: What one listing may cost.
        environ: Where keys are looked up for each listing; the process environment by default.
        jitter: A random number from 0 to 1, by which waits differ.
    """

    def __init__(
        self,
        limits: FetchLimits | None = None,
        environ: Mapping[str, str] | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._limits = limits or FetchLimits()
        self._environ = environ
        self._jitter = jitter
        self._tokens = TokenCache()
        self._host_limits = HostLimits()
        self._active_listings = ActiveListings()

    @property
    def heavy_listings(self) -> int:
        """How many listings have used so much processor time that they pause for all others."""
        return self._active_listings.heavy

    def pace(self, source: ListingSource) -> CpuThrottle:
        """The pace of one listing of a source, for callers that also process its pages."""
        deadline = Deadline(source.policy.limits(self._limits).deadline, source.slug)
        return CpuThrottle(deadline, self._active_listings)

    def pages(
        self, source: ListingSource, *, known: KnownPageLookup | None = None, pace: CpuThrottle | None = None
    ) -> Iterator[Page]:
        """Fetch a listing page by page, in order, each when it is asked for.

        Reaching the end without an exception means that the listing is complete.

        Args:
            source: What to fetch.
            known: Finds stored pages, for conditional requests.
            pace: From `pace`, for this listing. This thread's processor time between two pages counts in any case.

        Yields:
            The pages of the first endpoint, then of the next.

        Raises:
            MissingCredentialError: The key's environment variable or file is not usable; nothing was sent.
            ListingUnreachableError: No response came.
            ListingRefusedError: The server answered with an error status or an error object, or redirects elsewhere.
            ListingUnreadableError: The server answered with something other than a complete JSON listing within the
                limits.
        """
        environ = os.environ if self._environ is None else self._environ
        authorize = partial(source.auth.authorizer, source.slug, environ, self._tokens)
        limits = source.policy.limits(self._limits)
        pace = pace or self.pace(source)
        open_transport = partial(
            Transport,
            source.slug,
            authorize,
            limits,
            source.policy,
            host_limits=self._host_limits,
            jitter=self._jitter,
        )
        with pace.working(), open_transport(pace.deadline) as transport:
            budget = Budget(limits, pace)
            for index, endpoint in enumerate(source.endpoints):
                # That a page has not changed says nothing about its models' details.
                conditional = None if endpoint.detail else known
                pages = EndpointPaginator(transport, source, index, budget, conditional).pages()
                if endpoint.detail is None:
                    yield from pages
                else:
                    fetcher = _DetailFetcher(source, endpoint.detail, transport, budget, open_transport)
                    yield from (_with_details(page, endpoint, fetcher) for page in pages)


def _with_details(page: Page, endpoint: ListingEndpoint, fetcher: "_DetailFetcher") -> Page:
    """A page with its models' details, without the validators and fingerprint of the page alone."""
    details = fetcher.fetch(listed_ids(endpoint, page.document)[: endpoint.max_details_per_page])
    content = json.dumps({"listing": page.document, "details": details}, separators=(",", ":")).encode()
    headers = {name: value for name, value in page.headers.items() if name not in VALIDATORS}
    return replace(page, headers=headers, body=Body(partial(bytes, content), json.loads), fingerprint=None)


class _DetailFetcher:
    """Fetches models' details with several workers, within the listing's deadline and budget."""

    def __init__(
        self,
        source: ListingSource,
        detail: Detail,
        transport: Transport,
        budget: Budget,
        open_transport: _OpenTransport,
    ) -> None:
        self._source = source
        self._detail = detail
        self._transport = transport
        self._budget = budget
        self._open_transport = open_transport
        self._lock = threading.Lock()

    def fetch(self, model_ids: list[str]) -> dict[str, Any]:
        """The details by id, null for a model without any.

        Raises:
            ListingError: A detail could not be fetched; the text names the model.
        """
        budget = self._budget
        budget.details += len(model_ids)
        if budget.details > budget.limits.max_details:
            raise ListingUnreadableError(
                f"{self._source.slug}: the listing names {budget.details:,} models or more; details are fetched for at "
                f"most {budget.limits.max_details:,}",
                hint="raise max_details, or read this provider's listing without details",
            )
        found: dict[str, Any] = {}
        failures: dict[int, ListingError] = {}
        waiting = iter(enumerate(model_ids))

        def work(deadline: Deadline) -> None:
            # Wall-clock time, also while parsing, because the listing waits for it.
            with self._open_transport(deadline) as transport, deadline.running():
                while True:
                    with self._lock:
                        place, model_id = next(waiting, (0, None))
                    if model_id is None or failures:
                        return
                    try:
                        found[model_id] = self._fetch_one(transport, deadline, model_id)
                    except ListingError as error:
                        failures[place] = error

        workers = min(self._detail.concurrency, len(model_ids))
        if workers:
            with self._transport.borrow_deadline() as seconds, ThreadPoolExecutor(workers) as pool:
                tasks = [pool.submit(work, Deadline(seconds, self._source.slug)) for _ in range(workers)]
            for task in tasks:
                task.result()
        if failures:
            place = min(failures)
            raise _naming_the_model(model_ids[place], failures[place], self._source.slug)
        return {model_id: found[model_id] for model_id in model_ids}

    def _fetch_one(self, transport: Transport, deadline: Deadline, model_id: str) -> Any:
        url = detail_url(self._source, self._detail, model_id)
        try:
            response = transport.get(url, max_bytes=self._budget.max_bytes)
        except ListingRefusedError as error:
            if error.status == _NOT_FOUND:
                return None
            raise
        with self._lock:
            self._budget.charge(response)
        kind = response.headers.get("Content-Type")
        document = parse_document(
            response.content, where=response.where, content_type=kind, redactor=transport.redacted
        )
        deadline.refuse_late()
        if (message := error_message_in(document, transport.redacted, no_items=False)) is not None:
            raise ListingRefusedError(
                f"{response.where} answered {response.status} with an error instead of a detail: {message!r}",
                status=response.status,
                hint="the server calls its errors successes; check the key and the path of the rule's detail",
            )
        return document


def listed_ids(endpoint: ListingEndpoint, document: Any) -> list[str]:
    """The distinct ids of the models on a page, in order; items without a readable id are left to the rule."""
    if endpoint.selector is None or endpoint.id_field is None:
        return []
    work = Work()
    items, read = getter_within(endpoint.selector, work)(document), getter_within(endpoint.id_field, work)
    ids = [read(item) for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    return list(dict.fromkeys(text for value in ids if (text := _readable(value)) is not None))


def detail_url(source: ListingSource, detail: Detail, model_id: str) -> str:
    """The URL of a model's details, with the id escaped as a single path segment.

    Raises:
        ListingUnreadableError: The id, such as `..`, would lead to another path.
    """
    path = detail.path.replace(ID_PLACEHOLDER, quote(model_id, safe=""))
    if has_dot_segments(path.partition("?")[0]):
        raise ListingUnreadableError(
            f"{source.slug}: {model_id!r} cannot be part of a URL's path",
            hint="check the rule's id; without details this model can be read",
        )
    return join_url(source.base_url, path)


def _readable(value: Any) -> str | None:
    try:
        return read_id(value, "integer" if isinstance(value, int) else "string")
    except BadValueError:
        return None


def _naming_the_model(model_id: str, error: ListingError, slug: str) -> ListingError:
    text = f"{slug}: the detail of {one_line(model_id, 120)!r}: {error.message.removeprefix(f'{slug}: ')}"
    hint = error.hint or "check the path of the rule's detail"
    if isinstance(error, ListingRefusedError):
        return ListingRefusedError(text, status=error.status, stage=error.stage, hint=hint, transient=error.transient)
    return type(error)(text, stage=error.stage, hint=hint, transient=error.transient)
