"""Generates and stores a rule from a provider's live or stored listing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.listing.endpoints import ListingEndpoint
from provider_pipeline.listing.redaction import redact_body
from provider_pipeline.rules.document import Detail, ExtractionRule
from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline.rules.generation.samples import EndpointSample
from provider_pipeline.rules.judge import ListingJudge
from provider_pipeline.rules.statistics import PARTIAL_LISTING
from provider_pipeline.sync.plan import SampleResponse, listing_source
from provider_pipeline.sync.repair.activation import try_activate
from provider_pipeline.sync.repair.candidates import (
    ListingPlace,
    active_version,
    generated_candidate,
    readable_rule,
    refuse_errors,
    with_active_currency,
)
from provider_pipeline.sync.repair.promotion import Gate

_MAX_SAMPLE_DETAILS = 5
"""Models whose details are fetched for a sample."""


def fetch_sample(
    session: Session, slug: str, places: Sequence[ListingPlace], *, client: ListingClient
) -> tuple[list[EndpointSample], int]:
    """Fetches the first page of each endpoint and the details of a few models, and stores them as a raw response.

    Returns:
        The samples, and the raw response's id.

    Raises:
        ModelSyncerError: A page, or a detail, could not be fetched or read.
    """
    provider = catalog.providers.get(session, slug)
    samples, pages = [], []
    for position, place in enumerate(places):
        page = next(client.pages(listing_source(provider, [ListingEndpoint(path=place.path)])))
        if place.detail is not None:
            endpoint = _with_few_details(place.path, place.detail, page.document)
            page = next(client.pages(listing_source(provider, [endpoint])))
        samples.append(EndpointSample(page.document, place.path, place.detail))
        pages.append(catalog.raw_responses.StoredPage(endpoint=position, number=1, url=page.url, content=page.content))
    return samples, catalog.raw_responses.store(session, provider.id, pages, complete=False).id


def store_sample(session: Session, slug: str, *contents: bytes, url: str) -> int:
    """Stores one page of each endpoint as a raw response, with secrets masked, and returns its id.

    `url` is the source of the pages, and must not hold secrets.
    """
    provider = catalog.providers.get(session, slug)
    pages = [
        catalog.raw_responses.StoredPage(endpoint=position, number=1, url=url, content=redact_body(content, ()))
        for position, content in enumerate(contents)
    ]
    return catalog.raw_responses.store(session, provider.id, pages, complete=False).id


def _with_few_details(path: str, detail: Detail, listing: object) -> ListingEndpoint:
    """The endpoint with the details of the listing's first models."""
    found = ExtractionRule.parse(RuleGenerator().analyze_sample(listing)).endpoints[0]
    return ListingEndpoint(
        path=path,
        selector=found.selector,
        id_field=found.fields["id"],
        detail=detail,
        max_details_per_page=_MAX_SAMPLE_DETAILS,
    )


@dataclass(frozen=True)
class GeneratedRule:
    """A rule version that was generated and stored.

    Attributes:
        slug: The provider.
        version: The stored version; an existing one if the same rule was generated before.
        activated: Whether it was activated.
        reason: Why it was, or was not, activated.
        needs_review: Whether a person must look at it, because the generator was not sure of the list or the id.
        rule: The rule.
        analysis: The result of `RuleGenerator.analyze_sample`, with its evidence.
        models: Models it extracts from the sample.
        fits: Whether it reads the whole sample.
        raw_response_id: The stored sample.
        gates: Result of each gate.
    """

    slug: str
    version: int
    activated: bool
    reason: str
    needs_review: bool
    rule: ExtractionRule
    analysis: Mapping[str, Any]
    models: int
    raw_response_id: int | None
    fits: bool
    gates: tuple[Gate, ...] = ()


def generate_rule(
    session: Session,
    slug: str,
    samples: Sequence[EndpointSample],
    *,
    sample_id: int | None = None,
    activate: bool | None = None,
    whole: bool = False,
    created_by_id: int | None = None,
) -> GeneratedRule:
    """Generates a rule from samples, stores it as a version, and activates it if it passes the gates. Commits nothing.

    Samples count towards the stored responses that a provider keeps: older ones are pruned.

    Args:
        session: An open session.
        slug: The provider.
        samples: The first page of each endpoint. Unless `activate` is False, a person has chosen these endpoints.
        sample_id: The stored raw response that the samples are from.
        activate: True or False overrules the gates.
        whole: The samples are the complete listing, even if they announce further pages: the rule does not paginate.
        created_by_id: The id, in the operator's system, of the person who asked for it.

    Raises:
        RuleValidationError: No valid rule can be written from these samples; nothing was stored.
    """
    provider = catalog.providers.get(session, slug)
    active = readable_rule(session, active_version(session, provider.id))
    # See `samples`: a person has chosen the endpoints.
    candidate = replace(generated_candidate(session, slug, samples, active, whole=whole), places_agreed=True)
    if active is not None:
        candidate = with_active_currency(candidate, active)
    judge = ListingJudge(candidate.rule)
    for position, sample in enumerate(samples):
        judge.add_page(sample.document, endpoint=position)
    # A rule that reads only a part of the listing is stored for a person to complete; it fails the gates.
    refuse_errors(slug, [each for each in judge.verdict().issues if each["type"] != PARTIAL_LISTING])
    result = try_activate(
        session,
        provider.id,
        candidate,
        SampleResponse(samples, sample_id),
        origin="generated",
        activate=activate,
        created_by_id=created_by_id,
    )
    if sample_id is not None:
        catalog.providers.lock(session, provider.id)
        catalog.raw_responses.prune(session, provider.id)
    return GeneratedRule(
        slug=slug,
        version=result.version,
        activated=result.status == "activated",
        reason=result.reason,
        needs_review=candidate.is_unsure and result.status == "needs_review" and activate is None,
        rule=candidate.rule,
        analysis=candidate.analysis,
        models=result.evidence.failing.candidate.models,
        raw_response_id=sample_id,
        fits=result.evidence.failing.candidate.valid,
        gates=result.gates,
    )
