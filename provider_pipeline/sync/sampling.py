"""What a rule is written from: the first page of each of a provider's endpoints, fetched or from storage.

Here: which endpoints a provider has, and their samples. Not here: writing the rule (`provider_pipeline.rules`) and what
becomes of it (`regenerate.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.errors import ModelSyncerError, RuleMissingError
from provider_pipeline.listing import ListingClient, ListingEndpoint, redact_body
from provider_pipeline.rules import Detail, EndpointSample, ExtractionRule, RuleGenerator
from provider_pipeline.sync.asking import listing_source
from provider_pipeline.sync.stored import StoredResponse, stored_rule

SAMPLE_DETAILS = 5


@dataclass(frozen=True)
class ListingPlace:
    """Where a provider lists models.

    Attributes:
        path: The endpoint's path under the provider's base URL.
        detail: Where the answer about one model is, if each has one.
    """

    path: str
    detail: Detail | None = None


def active_places(session: Session, slug: str) -> tuple[ListingPlace, ...]:
    """The endpoints of the provider's active rule, in its order; none when it has no rule."""
    try:
        active = catalog.active_rule(session, catalog.get_provider(session, slug).id)
    except RuleMissingError:
        return ()
    return tuple(ListingPlace(endpoint.path or "", endpoint.detail) for endpoint in stored_rule(active).endpoints)


def fetch_sample(
    session: Session, slug: str, places: Sequence[ListingPlace], *, client: ListingClient
) -> tuple[list[EndpointSample], int]:
    """Fetches the first page of each endpoint, stores them, and returns them with their raw response's id.

    Of an endpoint with details, those of its first few models are asked for too.

    Raises:
        ModelSyncerError: A page, or a detail, could not be fetched or read.
    """
    provider = catalog.get_provider(session, slug)
    samples, pages = [], []
    for position, place in enumerate(places):
        page = next(client.pages(listing_source(provider, [ListingEndpoint(path=place.path)])))
        if place.detail is not None:
            endpoint = _with_few_details(place.path, place.detail, page.document)
            page = next(client.pages(listing_source(provider, [endpoint])))
        samples.append(EndpointSample(page.document, place.path, place.detail))
        pages.append(catalog.StoredPage(endpoint=position, number=1, url=page.url, content=page.content))
    return samples, catalog.store_raw_response(session, provider.id, pages, complete=False).id


def store_sample(session: Session, slug: str, *contents: bytes, url: str) -> int:
    """Keeps a sample as a raw response, so that its rule can be tried on it again; returns the raw response's id.

    Keys that it holds are masked, as in a response that is fetched.

    Args:
        session: An open session.
        slug: The provider.
        contents: The bytes of one page of each endpoint.
        url: Where they came from, without secrets.
    """
    provider = catalog.get_provider(session, slug)
    pages = [
        catalog.StoredPage(endpoint=position, number=1, url=url, content=redact_body(content, ()))
        for position, content in enumerate(contents)
    ]
    return catalog.store_raw_response(session, provider.id, pages, complete=False).id


def stored_sample(
    session: Session, slug: str, raw_response_id: int, places: Sequence[ListingPlace]
) -> list[EndpointSample]:
    """The first page that a stored response has of each endpoint.

    Raises:
        ModelSyncerError: It has none of one of them: it was fetched when the provider's rule had fewer.
    """
    first: dict[int, EndpointSample] = {}
    for position, document in StoredResponse(session, raw_response_id):
        if position < len(places):
            place = places[position]
            first.setdefault(position, EndpointSample(document, place.path, place.detail))
    missing = [place.path for position, place in enumerate(places) if position not in first]
    if missing:
        raise ModelSyncerError(
            f"{slug}: the stored response {raw_response_id} has no page of {', '.join(missing)}",
            hint=f"fetch a new sample with: provider-pipeline rules generate {slug}",
        )
    return [first[position] for position in range(len(places))]


def _with_few_details(path: str, detail: Detail, listing: object) -> ListingEndpoint:
    """The endpoint, with what it takes to ask for the details of the first models of a listing."""
    found = ExtractionRule.parse(RuleGenerator().analyze_sample(listing)).endpoints[0]
    return ListingEndpoint(
        path=path, selector=found.selector, id_field=found.fields["id"], detail=detail, most_details=SAMPLE_DETAILS
    )
