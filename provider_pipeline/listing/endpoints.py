"""A provider's endpoints that list models, as data, and the paginator that fetches all pages of one or refuses it."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from provider_pipeline.errors import (
    ConfigurationError,
    ListingError,
    ListingPartialError,
    ListingRefusedError,
    ListingUnreadableError,
)
from provider_pipeline.listing.auth.kinds import Auth, AuthConfig, NoAuth
from provider_pipeline.listing.cpu_throttle import CpuThrottle
from provider_pipeline.listing.documents import containers_in, parse_document
from provider_pipeline.listing.error_responses import NOT_MODIFIED, error_message_in
from provider_pipeline.listing.limits import FetchLimits
from provider_pipeline.listing.pages import (
    VALIDATORS,
    Body,
    Broken,
    CompletenessCheck,
    Finished,
    KnownPage,
    NextRequest,
    Page,
    PageInfo,
    Step,
    announced_total,
    next_request,
)
from provider_pipeline.listing.policy import RequestPolicy, join_url, key_in_url, url_refusal
from provider_pipeline.listing.redaction import redacted_url
from provider_pipeline.listing.transport import HttpResponse, Transport, body_fingerprint
from provider_pipeline.rules.document import ID_PLACEHOLDER, Detail
from provider_pipeline.rules.limits import LISTING_STEPS, Work, checked_path
from provider_pipeline.rules.pagination import (
    CursorPagination,
    Expression,
    LinkHeaderPagination,
    NoPagination,
    PageTokenPagination,
    Pagination,
    parse_pagination,
)
from provider_pipeline.rules.variants import BUILT_WHEN_USED, parsed_by


class ListingEndpoint(BaseModel):
    """One endpoint that lists models.

    Attributes:
        path: Appended to the provider's base URL, e.g. `/v1/models`; may hold a query; empty for the base URL itself.
        params: Query parameters of the first request, such as a page size; not secret.
        pagination: The rule's pagination document, or None, is parsed on construction.
        selector: The rule's expression for a page's items, to count them and to recognise an error object.
        id_field: The rule's expression for an item's id, to notice pages that only repeat items.
        detail: Where to fetch each model's details; needs `selector` and `id_field`.
        max_details_per_page: Fetch the details of so many of a page's models only, for a sample; None for all.
    """

    model_config = BUILT_WHEN_USED

    path: str = ""
    params: dict[str, str] = Field(default_factory=dict)
    pagination: Annotated[Pagination, parsed_by(parse_pagination)] = Field(default_factory=NoPagination)
    selector: Expression | None = None
    id_field: Expression | None = None
    detail: Detail | None = None
    max_details_per_page: int | None = None


def _parse_auth(stated: Auth | Mapping[str, Any]) -> Auth:
    return stated if isinstance(stated, AuthConfig) else AuthConfig.parse(stated)


class ListingSource(BaseModel):
    """A provider's listing and how to request it; holds no secret.

    Raises:
        ConfigurationError: On construction: a URL is unusable, carries a secret, or is not allowed by the policy.
    """

    model_config = ConfigDict(**BUILT_WHEN_USED, hide_input_in_errors=True)

    slug: str
    base_url: str
    auth: Annotated[Auth, parsed_by(_parse_auth)] = Field(default_factory=NoAuth)
    endpoints: tuple[ListingEndpoint, ...] = Field(default_factory=lambda: (ListingEndpoint(),))
    policy: RequestPolicy = Field(default_factory=RequestPolicy)

    @model_validator(mode="after")
    def _is_usable(self) -> Self:
        if not self.endpoints:
            raise ConfigurationError(f"{self.slug}: it has no listing endpoint", hint="generate a rule for it first")
        _check_url(self.slug, self.base_url)
        for endpoint in self.endpoints:
            self._check_path(endpoint.path, endpoint.params)
            if endpoint.detail is not None:
                self._check_path(endpoint.detail.path.replace(ID_PLACEHOLDER, "id"), {})
        refusal = url_refusal(self.base_url, self.policy)
        if refusal is not None:
            raise ConfigurationError(
                f"{self.slug}: a request to {redacted_url(self.base_url)} {refusal.reason}", hint=refusal.hint
            )
        return self

    def _check_path(self, path: str, params: Mapping[str, str]) -> None:
        try:
            checked_path(path)
        except ValueError as error:
            raise ConfigurationError(f"{self.slug}: endpoint {redacted_url(path)} {error}") from error
        url = join_url(self.base_url, path, params)
        _check_url(self.slug, url)
        _refuse_key(self.slug, url)

    def url(self, endpoint: ListingEndpoint) -> str:
        """The URL of an endpoint's first page, without credentials."""
        return join_url(self.base_url, endpoint.path, endpoint.params)


def _check_url(slug: str, url: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or not url.isprintable() or " " in url:
        raise ConfigurationError(
            f"{slug}: {redacted_url(url)!r} is not a URL that can be asked",
            hint="expected http(s)://host[:port][/path]",
        )


def _refuse_key(slug: str, url: str) -> None:
    if (part := key_in_url(url)) is not None:
        # Of the URL, show at most the host, and not even that if the secret is in it.
        where = f"the {part} of its URL" + ("" if part == "host" else f" at {urlsplit(url).hostname}")
        raise ConfigurationError(
            f"{slug}: {where} looks like a secret, and would be kept in the table",
            hint="name the key's environment variable in auth_config, such as "
            '{"type": "query", "name": "key", "env": "ACME_API_KEY"}; see docs/authentication.md',
        )


KnownPageLookup = Callable[[int, int, str], KnownPage | None]
"""Finds the stored page for an endpoint's index, a page number and a redacted URL."""

_CHECK_PAGINATION = "the listing is incomplete; check the rule's pagination"


class _ParameterIgnoredError(ListingPartialError):
    """A page repeats earlier ones: the server does not know the parameter that asked for it."""


@dataclass
class Budget:
    """What a listing may cost, and has cost so far."""

    limits: FetchLimits
    pace: CpuThrottle
    pages: int = field(default=0)
    bytes: int = field(default=0)
    details: int = field(default=0)
    containers: int = field(default=0)

    @property
    def max_bytes(self) -> int:
        """How large the next response may be."""
        return min(self.limits.max_page_bytes, self.limits.max_total_bytes - self.bytes)

    def fetch(self, transport: Transport, url: str, known: KnownPage | None, *, named: bool) -> HttpResponse:
        """Fetch one more page, if the limits allow it."""
        limits = self.limits
        if self.pages >= limits.max_pages:
            raise ListingUnreadableError(
                f"{transport.where(url, named=named)} would be page {self.pages + 1:,}; a listing may have "
                f"{limits.max_pages:,}",
                hint="if this listing really is that long, raise the limits or its page size",
            )
        validators = {"If-None-Match": known.etag, "If-Modified-Since": known.last_modified} if known else {}
        conditions = {name: value for name, value in validators.items() if value}
        fingerprint = known.fingerprint if known else None
        response = transport.get(url, max_bytes=self.max_bytes, conditions=conditions, named=named, known=fingerprint)
        self.pages += 1
        self.charge(response)
        return response

    def charge(self, response: HttpResponse) -> None:
        """Count a response's bytes and containers.

        Raises:
            ListingUnreadableError: The listing holds more than it may.
        """
        self.bytes += len(response.content)
        most = self.limits.max_containers
        # A container takes two bytes at least, so small listings need no counting.
        if self.bytes > most:
            self.containers += containers_in(response.content)
        if self.containers > most:
            raise ListingUnreadableError(
                f"{response.where} answered with more than the {most:,} objects and lists that a listing may have",
                hint="if this listing really is that large, raise the limit of its bytes",
            )


class EndpointPaginator:
    """Fetches the pages of one endpoint, once."""

    def __init__(
        self,
        transport: Transport,
        source: ListingSource,
        index: int,
        budget: Budget,
        known: KnownPageLookup | None,
    ) -> None:
        self._transport = transport
        self._source = source
        self._index = index
        self._endpoint = source.endpoints[index]
        self._budget = budget
        self._known = known
        self._completeness = CompletenessCheck(self._endpoint.selector, self._endpoint.id_field, budget.pace.keep)
        self._bodies: set[bytes] = set()
        self._work = Work(LISTING_STEPS)
        self._seen = 0
        self._spelling = 0

    def pages(self) -> Iterator[Page]:
        """Fetch page after page, each when it is asked for.

        Raises:
            ModelSyncerError: The listing is not complete.
        """
        url = self._source.url(self._endpoint)
        visited: set[str] = set()
        number, named = 0, False
        before: PageInfo | None = None
        while url not in visited:
            visited.add(url)
            number += 1
            try:
                response, page = self._fetch(url, number, named=named)
                if page.not_modified and self._is_only_page(number) and "Link" not in response.headers:
                    # A complete listing that has not changed needs no further look.
                    yield page
                    return
                self._budget.pace.expect(len(response.content))
                count = self._validate(response, page)
            except (ListingRefusedError, _ParameterIgnoredError) as error:
                other = self._other_spelling(error, before)
                if not isinstance(other, NextRequest):
                    raise
                url, number = other.url, number - 1
                continue
            self._budget.pace.keep()
            yield page
            self._budget.pace.keep()
            self._seen += count or 0
            link = response.headers.get("Link")
            before = PageInfo(response.url, page.document, number, link, count, self._seen, self._spelling, self._work)
            step = self._step(response, before)
            if isinstance(step, Finished):
                return
            # A URL that the server named stays the server's, even with our parameter appended.
            url, named = step.url, step.named or response.named
        raise ListingUnreadableError(
            f"{self._transport.where(url, named=named)} is named again as the page after page {number}: the listing "
            "goes in circles",
            hint=_CHECK_PAGINATION,
        )

    def _other_spelling(self, error: ListingError, before: PageInfo | None) -> Step | None:
        """The second page's request by the next name of its parameter, if the server did not know the last one."""
        refused = isinstance(error, ListingRefusedError) and error.status not in (400, 422)
        pagination = self._endpoint.pagination
        if (
            before is None
            or before.number > 1
            or refused
            or not isinstance(pagination, CursorPagination | PageTokenPagination)
        ):
            return None
        self._spelling += 1
        if self._spelling > len(pagination.also):
            return None
        return next_request(pagination, replace(before, spelling=self._spelling))

    def _fetch(self, url: str, number: int, *, named: bool) -> tuple[HttpResponse, Page]:
        # A Link header, and so the next page, may change while the body and its validator stay as they are.
        by_link = isinstance(self._endpoint.pagination, LinkHeaderPagination)
        shown = self._transport.shown(url, named=named)
        known = None if self._known is None or by_link else self._known(self._index, number, shown)
        response = self._budget.fetch(self._transport, url, known, named=named)
        unchanged = known if response.status == NOT_MODIFIED else None
        fingerprint = self._fingerprint(response, number) if unchanged is None else unchanged.fingerprint
        same_bytes = known is not None and fingerprint is not None and fingerprint == known.fingerprint
        headers = self._transport.kept_headers(response)
        if unchanged is not None:
            validators = {"etag": unchanged.etag, "last-modified": unchanged.last_modified}
            headers = {name: value for name, value in validators.items() if value is not None} | headers
        if by_link or "Link" in response.headers:
            headers = {name: value for name, value in headers.items() if name not in VALIDATORS}
        page = Page(
            endpoint=self._index,
            number=number,
            url=response.shown_url,
            status=response.status,
            headers=headers,
            fetched_at=response.received_at,
            not_modified=unchanged is not None or same_bytes,
            body=self._body(response, unchanged),
            fingerprint=fingerprint,
        )
        return response, page

    def _body(self, response: HttpResponse, unchanged: KnownPage | None) -> Body:
        def parse(content: bytes) -> Any:
            kind = None if unchanged else response.headers.get("Content-Type")
            return parse_document(content, where=response.where, content_type=kind, redactor=self._transport.redacted)

        return Body((lambda: response.content) if unchanged is None else unchanged.load, parse)

    def _is_only_page(self, number: int) -> bool:
        return number == 1 and isinstance(self._endpoint.pagination, NoPagination)

    def _fingerprint(self, response: HttpResponse, number: int) -> str | None:
        # A page that may have a successor must be parsed to find it, whether or not it came before.
        if not self._is_only_page(number):
            return None
        return response.fingerprint or body_fingerprint(response.headers, response.content)

    def _validate(self, response: HttpResponse, page: Page) -> int | None:
        """Validate a page against earlier pages; return its item count, or None if unknown."""
        if not page.not_modified and not self._is_only_page(page.number):
            digest = hashlib.sha256(page.content).digest()
            if digest in self._bodies:
                raise _ParameterIgnoredError(
                    f"{response.where} answered page {page.number} with the same body as an earlier page",
                    hint="the server ignores the pagination parameter; check the rule's pagination",
                )
            self._bodies.add(digest)
        items = self._completeness.items(page.document)
        if not items:
            self._refuse_error(response, page)
        if self._completeness.only_repeats(items or []) and page.number > 1:
            raise _ParameterIgnoredError(
                f"{response.where} answered page {page.number} with nothing but ids of earlier pages",
                hint="the server ignores the pagination parameter, or jumps back; check the rule's pagination",
            )
        return None if items is None else len(items)

    def _refuse_error(self, response: HttpResponse, page: Page) -> None:
        no_items = self._endpoint.selector is not None
        message = error_message_in(page.document, self._transport.redacted, no_items=no_items)
        if message is not None:
            raise ListingRefusedError(
                f"{response.where} answered {response.status} with an error instead of a listing: {message!r}",
                status=response.status,
                hint="the server calls its errors successes; check the key, the endpoint's path and its parameters",
            )

    def _step(self, response: HttpResponse, page: PageInfo) -> NextRequest | Finished:
        """The next request, or the end if the announced total has come."""
        pagination = self._endpoint.pagination
        step = next_request(pagination, page)
        if isinstance(step, Broken):
            raise ListingPartialError(
                f"{response.where} answered page {page.number}, which {step.reason}", hint=_CHECK_PAGINATION
            )
        total = announced_total(pagination, page) if isinstance(step, Finished) else None
        if total is not None and self._endpoint.selector and (reason := self._completeness.disagreement(total)):
            partial = isinstance(pagination, NoPagination) and total > self._seen
            raise (ListingPartialError if partial else ListingUnreadableError)(
                f"{response.where} answered page {page.number}, the last, which {reason}",
                hint="the listing changed while it was read, or the server miscounts; if it always does, take `total` "
                "out of the rule's pagination",
                transient=True,
            )
        return step
