"""What to fetch: a provider's base URL, endpoints, authentication and policy, as data."""

from collections.abc import Mapping
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from provider_pipeline.errors import ConfigurationError
from provider_pipeline.listing.auth.kinds import Auth, NoAuth
from provider_pipeline.listing.policy import RequestPolicy, join_url, key_in_url, url_refusal
from provider_pipeline.listing.redaction import redacted_url
from provider_pipeline.rules.document import ID_PLACEHOLDER, Detail
from provider_pipeline.rules.limits import checked_path
from provider_pipeline.rules.pagination import Expression, NoPagination, Pagination, parse_pagination


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

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = ""
    params: dict[str, str] = Field(default_factory=dict)
    pagination: Annotated[Pagination, BeforeValidator(parse_pagination)] = NoPagination()
    selector: Expression | None = None
    id_field: Expression | None = None
    detail: Detail | None = None
    max_details_per_page: int | None = None


class ListingSource(BaseModel):
    """A provider's listing and how to request it; holds no secret.

    Raises:
        ConfigurationError: On construction: a URL is unusable, carries a secret, or is not allowed by the policy.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    slug: str
    base_url: str
    auth: Auth = NoAuth()
    endpoints: tuple[ListingEndpoint, ...] = (ListingEndpoint(),)
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
