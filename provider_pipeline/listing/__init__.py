"""Fetching providers' model listings over HTTP.

Here: the public names. `ListingClient.pages` turns a `ListingSource` into `Page`s within `FetchLimits`. Not here:
what a page's models are (`provider_pipeline.rules`) and where pages are kept (`provider_pipeline.catalog`).
"""

from typing import TYPE_CHECKING

from provider_pipeline.lazy import loaded_on_use

if TYPE_CHECKING:
    from provider_pipeline.listing.auth import Auth, AuthConfig, Authorizer, NoAuth, TokenCache
    from provider_pipeline.listing.client import ListingClient
    from provider_pipeline.listing.documents import parse_document
    from provider_pipeline.listing.pace import Pace
    from provider_pipeline.listing.pages import Body, KnownPage, Page
    from provider_pipeline.listing.paging import Broken, Finished, NextRequest, PageInfo, next_request
    from provider_pipeline.listing.policy import FetchLimits, RequestPolicy
    from provider_pipeline.listing.posting import NoReply, Reply, post
    from provider_pipeline.listing.redaction import redact, redact_body, redact_document, redacted_url
    from provider_pipeline.listing.source import ListingEndpoint, ListingSource
    from provider_pipeline.listing.walk import Known
else:
    __getattr__ = loaded_on_use(__name__)

__all__ = [
    "Auth",
    "AuthConfig",
    "Authorizer",
    "Body",
    "Broken",
    "FetchLimits",
    "Finished",
    "Known",
    "KnownPage",
    "ListingClient",
    "ListingEndpoint",
    "ListingSource",
    "NextRequest",
    "NoAuth",
    "NoReply",
    "Pace",
    "Page",
    "PageInfo",
    "Reply",
    "RequestPolicy",
    "TokenCache",
    "next_request",
    "parse_document",
    "post",
    "redact",
    "redact_body",
    "redact_document",
    "redacted_url",
]
