"""Masks the keys in stored responses, as in those that are fetched now: earlier versions knew fewer of them."""

import os
from collections.abc import Iterator
from dataclasses import replace

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.errors import ListingUnreadableError, MissingCredentialError
from provider_pipeline.listing.auth.kinds import AuthConfig
from provider_pipeline.listing.redaction import redact, redact_body, redacted_url


def mask_stored(session: Session, slug: str) -> list[int]:
    """Masks a provider's own keys, if they can be read, and other people's in its stored responses. Commits nothing.

    If the last accepted one is among them, the next sync asks for the whole listing and compares every row.

    Returns:
        The keys of the responses that were changed.

    Raises:
        UnknownProviderError: There is no such provider.
        ConfigurationError: The provider's `auth_config` is invalid.
    """
    provider = catalog.providers.get(session, slug)
    catalog.providers.lock(session, provider.id)
    secrets = tuple(_readable_secrets(provider))
    masked = []
    for response in catalog.raw_responses.list_raw_responses(session, slug):
        pages = list(catalog.raw_responses.stored_pages(session, response.id))
        clean = [_masked(page, secrets) for page in pages]
        if clean != pages:
            catalog.raw_responses.replace_pages(session, response.id, clean)
            masked.append(response.id)
    return masked


def _readable_secrets(provider: catalog.providers.Provider) -> Iterator[str]:
    for place in AuthConfig.parse(provider.auth_config, slug=provider.slug).places:
        try:
            yield place.resolve(provider.slug, os.environ)
        except MissingCredentialError:
            continue


def _masked(page: catalog.raw_responses.StoredPage, secrets: tuple[str, ...]) -> catalog.raw_responses.StoredPage:
    try:
        content = redact_body(page.content, secrets)
    except ListingUnreadableError:
        # Fetched now, it would be refused unread: nothing of it may stay.
        content = b"null"
    headers = {name: redact(value, secrets) for name, value in page.headers.items()}
    return replace(page, content=content, headers=headers, url=redacted_url(page.url, secrets))
