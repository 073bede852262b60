"""Generate and store a rule from a provider's live or stored listing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.errors import ModelSyncerError
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.listing.redaction import redact_body
from provider_pipeline.listing.source import ListingEndpoint
from provider_pipeline.rules.document import Detail, ExtractionRule, stored_parts
from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline.rules.generation.samples import EndpointSample
from provider_pipeline.rules.judge import ListingJudge, Verdict
from provider_pipeline.sync.config import SampleResponse, StoredResponse, listing_source
from provider_pipeline.sync.repair.activation import active_version, adopt, readable_rule
from provider_pipeline.sync.repair.candidates import refuse_errors, written_candidate
from provider_pipeline.sync.repair.promotion import Gate

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
    """The endpoints of the provider's active rule, in its order; none when it has no rule.

    Of a rule that this build refuses, the paths alone.
    """
    active = active_version(session, catalog.providers.get(session, slug).id)
    if active is None:
        return ()
    rule = readable_rule(active)
    if rule is None:
        endpoints = stored_parts({"model_list_config": active.model_list_config})["endpoints"]
        return tuple(ListingPlace(endpoint.get("path") or "") for endpoint in endpoints)
    return tuple(ListingPlace(endpoint.path or "", endpoint.detail) for endpoint in rule.endpoints)


def fetch_sample(
    session: Session, slug: str, places: Sequence[ListingPlace], *, client: ListingClient
) -> tuple[list[EndpointSample], int]:
    """Fetches the first page of each endpoint, stores them, and returns them with their raw response's id.

    Of an endpoint with details, those of its first few models are asked for too.

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
    """Keeps a sample as a raw response, so that its rule can be tried on it again; returns the raw response's id.

    Keys that it holds are masked, as in a response that is fetched.

    Args:
        session: An open session.
        slug: The provider.
        contents: The bytes of one page of each endpoint.
        url: Where they came from, without secrets.
    """
    provider = catalog.providers.get(session, slug)
    pages = [
        catalog.raw_responses.StoredPage(endpoint=position, number=1, url=url, content=redact_body(content, ()))
        for position, content in enumerate(contents)
    ]
    return catalog.raw_responses.store(session, provider.id, pages, complete=False).id


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


@dataclass(frozen=True)
class GeneratedRule:
    """A rule version that was generated and stored.

    Attributes:
        slug: The provider.
        version: The stored version; the one that existed when the same rule was generated again.
        activated: Whether it is the active one now.
        reason: Why it was, or was not, activated.
        rule: The rule.
        analysis: What `RuleGenerator.analyze_sample` returned, with its evidence.
        models: Models it extracts from the sample.
        raw_response_id: The stored sample.
        gates: What the gates found.
    """

    slug: str
    version: int
    activated: bool
    reason: str
    rule: ExtractionRule
    analysis: Mapping[str, Any]
    models: int
    raw_response_id: int | None
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
    """Writes a rule from samples, stores it as a version, and activates it if it is better. Commits nothing.

    Samples count among the stored responses of which a provider keeps so many: older ones are forgotten.

    Args:
        session: An open session.
        slug: The provider.
        samples: The first page of each endpoint. A person has chosen these endpoints, or `activate` is False.
        sample_id: The stored raw response that the sample is from.
        activate: True or False overrules the gates.
        whole: The samples are all there is, whatever they say of further pages: the rule does not look for them.
        created_by_id: Who asked for it, in the operator's own numbering.

    Raises:
        RuleValidationError: No valid rule can be written from these samples; nothing was stored.
    """
    provider = catalog.providers.get(session, slug)
    # Whoever asks for a rule names its endpoints, or has it kept back.
    candidate = replace(written_candidate(slug, samples, whole=whole), places_agreed=True)
    refuse_errors(slug, _verdict(candidate.rule, samples).issues)
    adoption = adopt(
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
        version=adoption.version,
        activated=adoption.activated,
        reason=adoption.reason,
        rule=candidate.rule,
        analysis=candidate.analysis,
        models=adoption.evidence.failing.candidate.models,
        raw_response_id=sample_id,
        gates=adoption.gates,
    )


def _verdict(rule: ExtractionRule, samples: Sequence[EndpointSample]) -> Verdict:
    judge = ListingJudge(rule)
    for position, sample in enumerate(samples):
        judge.add_page(sample.document, endpoint=position)
    return judge.verdict()
