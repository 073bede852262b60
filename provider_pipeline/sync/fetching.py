"""From the provider to the spool: every page of a listing, before any of it is judged.

Here: keeping the pages as they come, and what the whole is told apart by. Not here: the requests
(`provider_pipeline.listing`), and what becomes of the pages (`attempt.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from provider_pipeline import catalog
from provider_pipeline.listing import ListingClient, ListingSource
from provider_pipeline.rules import content_digest
from provider_pipeline.sync.spool import Spool


@dataclass(frozen=True)
class Fetched:
    """A listing that came whole.

    Attributes:
        content: What it is told apart by.
        validators: What the server gave to recognise each page by; empty if it gave nothing.
    """

    content: catalog.ListingContent
    validators: tuple[Mapping[str, Any], ...]


def fetch_listing(client: ListingClient, source: ListingSource, pages: Spool[catalog.StoredPage]) -> Fetched:
    """Fetches a listing into a spool.

    Raises:
        ProviderPipelineError: It did not come whole.
    """
    validators = []
    for page in client.pages(source):
        digest = content_digest(page.document)
        pages.append(catalog.StoredPage(page.endpoint, page.number, page.url, page.content, digest=digest))
        validators.append({"endpoint": page.endpoint, "number": page.number, "url": page.url, "etag": page.etag})
    known = any(each["etag"] for each in validators)
    return Fetched(catalog.listing_content(pages), tuple(validators) if known else ())
