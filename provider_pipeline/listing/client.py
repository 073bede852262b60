"""Fetch a provider's whole listing, and its models' own answers where a rule asks for them."""

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
from provider_pipeline.listing.addresses import join_url
from provider_pipeline.listing.auth.credentials import TokenCache
from provider_pipeline.listing.completeness import Body, Page
from provider_pipeline.listing.deadline import Deadline
from provider_pipeline.listing.documents import parse_document
from provider_pipeline.listing.error_responses import error_in
from provider_pipeline.listing.pace import Crowd, Pace
from provider_pipeline.listing.paginator import Budget, EndpointWalk, Known
from provider_pipeline.listing.policy import FetchLimits
from provider_pipeline.listing.rate_limits import HostGates
from provider_pipeline.listing.redaction import one_line
from provider_pipeline.listing.source import ListingEndpoint, ListingSource
from provider_pipeline.listing.transport import Transport
from provider_pipeline.rules.document import ID_PLACEHOLDER, Detail
from provider_pipeline.rules.language import getter_within
from provider_pipeline.rules.paths import climbs
from provider_pipeline.rules.values import BadValueError, read_id
from provider_pipeline.rules.work import Work

OpenTransport = Callable[[Deadline], Transport]
"""A transport of its own for one thread, with a deadline of its own."""

_UNKNOWN: Final = 404
_VALIDATORS: Final = frozenset({"etag", "last-modified"})


def detailed_pages(
    pages: Iterator[Page],
    source: ListingSource,
    endpoint: ListingEndpoint,
    transport: Transport,
    budget: Budget,
    opening: OpenTransport,
) -> Iterator[Page]:
    """The pages of an endpoint, each with the details of its models; one without a detail is as it was.

    A page loses what it says of its own freshness, which is not its details'.

    Args:
        pages: The pages as they were sent.
        source: The provider.
        endpoint: The endpoint.
        transport: The listing's own, whose deadline all details are under.
        budget: What the listing may cost.
        opening: Opens the transports of the workers.

    Raises:
        ListingError: A detail could not be had; the text names the model.
    """
    if endpoint.detail is None:
        yield from pages
        return
    desk = _Desk(source, endpoint.detail, transport, budget, opening)
    for page in pages:
        model_ids = listed_ids(endpoint, page.document)[: endpoint.most_details]
        document = {"listing": page.document, "details": desk.ask(model_ids)}
        content = json.dumps(document, separators=(",", ":")).encode()
        headers = {name: value for name, value in page.headers.items() if name not in _VALIDATORS}
        yield replace(page, headers=headers, body=Body(partial(bytes, content), json.loads), fingerprint=None)


class _Desk:
    """Asks about models, several at a time."""

    def __init__(
        self, source: ListingSource, detail: Detail, transport: Transport, budget: Budget, opening: OpenTransport
    ) -> None:
        self._source = source
        self._detail = detail
        self._transport = transport
        self._budget = budget
        self._opening = opening
        self._lock = threading.Lock()

    def ask(self, model_ids: list[str]) -> dict[str, Any]:
        """The details by id, null where there is none.

        Raises:
            ListingError: One of them could not be had.
        """
        budget = self._budget
        budget.details += len(model_ids)
        if budget.details > budget.limits.max_details:
            raise ListingUnreadableError(
                f"{self._source.slug}: the listing names {budget.details:,} models or more; details are asked for of "
                f"at most {budget.limits.max_details:,}",
                hint="raise max_details, or read this provider's listing without details",
            )
        found: dict[str, Any] = {}
        failures: dict[int, ListingError] = {}
        waiting = iter(enumerate(model_ids))

        def work(deadline: Deadline) -> None:
            # By the clock, also while it reads what came: its seconds are the listing's, which is waiting for it.
            with self._opening(deadline) as transport, deadline.running():
                while True:
                    with self._lock:
                        place, model_id = next(waiting, (0, None))
                    if model_id is None or failures:
                        return
                    try:
                        found[model_id] = self._one(transport, deadline, model_id)
                    except ListingError as error:
                        failures[place] = error

        workers = min(self._detail.concurrency, len(model_ids))
        if workers:
            with self._transport.lending() as seconds, ThreadPoolExecutor(workers) as pool:
                tasks = [pool.submit(work, Deadline(seconds, self._source.slug)) for _ in range(workers)]
            for task in tasks:
                task.result()
        if failures:
            place = min(failures)
            raise _about(model_ids[place], failures[place], self._source.slug)
        return {model_id: found[model_id] for model_id in model_ids}

    def _one(self, transport: Transport, deadline: Deadline, model_id: str) -> Any:
        url = detail_url(self._source, self._detail, model_id)
        limits = self._budget.limits
        try:
            answer = transport.get(
                url, most_bytes=min(limits.max_page_bytes, limits.max_total_bytes - self._budget.bytes)
            )
        except ListingRefusedError as error:
            if error.status == _UNKNOWN:
                return None
            raise
        with self._lock:
            self._budget.take(answer)
        kind = answer.headers.get("Content-Type")
        found = parse_document(answer.content, where=answer.where, content_type=kind, said=transport.said)
        deadline.refuse_late()
        if (message := error_in(found, transport.said, whole=False)) is not None:
            raise ListingRefusedError(
                f"{answer.where} answered {answer.status} with an error instead of a detail: {message!r}",
                status=answer.status,
                hint="the server calls its errors successes; check the key and the path of the rule's detail",
            )
        return found


def listed_ids(endpoint: ListingEndpoint, document: Any) -> list[str]:
    """The ids of the models on a page, each once, in its order; an item without a readable one is left to the rule."""
    if endpoint.selector is None or endpoint.id_field is None:
        return []
    work = Work()
    items, read = getter_within(endpoint.selector, work)(document), getter_within(endpoint.id_field, work)
    ids = [read(item) for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    return list(dict.fromkeys(text for value in ids if (text := _readable(value)) is not None))


def detail_url(source: ListingSource, detail: Detail, model_id: str) -> str:
    """The URL of a model's own answer: the id is one part of the path, whatever it holds.

    Raises:
        ListingUnreadableError: The id would mean another place than a part of the path.
    """
    path = detail.path.replace(ID_PLACEHOLDER, quote(model_id, safe=""))
    if climbs(path.partition("?")[0]):
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


def _about(model_id: str, error: ListingError, slug: str) -> ListingError:
    """The error, with the model it is about."""
    text = f"{slug}: the detail of {one_line(model_id, 120)!r}: {error.message.removeprefix(f'{slug}: ')}"
    hint = error.hint or "check the path of the rule's detail"
    if isinstance(error, ListingRefusedError):
        return ListingRefusedError(text, status=error.status, stage=error.stage, hint=hint, transient=error.transient)
    return type(error)(text, stage=error.stage, hint=hint, transient=error.transient)


class ListingClient:
    """Fetches listings; thread-safe: they share access tokens, turns at hosts and the processor, but no connections.

    Args:
        limits: What one listing may cost.
        environ: Where keys are looked up, at call time; by default the process environment.
        chance: A random number from 0 to 1, by which waits differ.
    """

    def __init__(
        self,
        limits: FetchLimits | None = None,
        environ: Mapping[str, str] | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._limits = limits or FetchLimits()
        self._environ = environ
        self._chance = chance
        self._tokens = TokenCache()
        self._gates = HostGates()
        self._crowd = Crowd()

    def pace(self, source: ListingSource) -> Pace:
        """How fast one listing of a source may be worked on, for those who do more with its pages than to keep them."""
        return Pace(Deadline(source.policy.limits(self._limits).deadline, source.slug), self._crowd)

    def pages(self, source: ListingSource, *, known: Known | None = None, pace: Pace | None = None) -> Iterator[Page]:
        """Fetch a listing page by page, in order, each when it is asked for.

        Reaching the end without an exception means that the listing is complete.

        Args:
            source: What to fetch.
            known: Gives what is known of a page, so that the server may answer that it has not changed.
            pace: What `pace` gave for this listing. The processor time that this thread takes between two pages counts
                in any case.

        Yields:
            The pages of the first endpoint, then of the next.

        Raises:
            MissingCredentialError: The key's environment variable or file is not usable; nothing was sent.
            ListingUnreachableError: No answer came.
            ListingRefusedError: The server answered with an error status or an error object, or redirects elsewhere.
            ListingUnreadableError: The server answered with something that is not a complete JSON listing within the
                limits.
        """
        environ = os.environ if self._environ is None else self._environ
        authorize = partial(source.auth.authorizer, source.slug, environ, self._tokens)
        limits = source.policy.limits(self._limits)
        pace = pace or self.pace(source)
        opening = partial(
            Transport, source.slug, authorize, limits, source.policy, gates=self._gates, chance=self._chance
        )
        with pace.working(), opening(pace.deadline) as transport:
            budget = Budget(limits, pace)
            for index, endpoint in enumerate(source.endpoints):
                # That a page has not changed says nothing of its models' details.
                pages = EndpointWalk(transport, source, index, budget, None if endpoint.detail else known).pages()
                yield from detailed_pages(pages, source, endpoint, transport, budget, opening)
