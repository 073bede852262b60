"""Finds a candidate rule (a stored proposal, or a generated one), its samples, and its trial data."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Any

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.errors import InvalidRuleError, ModelSyncerError, RuleMissingError, RuleValidationError
from provider_pipeline.rules.carried_over import with_inherited_fields, with_stated_parts
from provider_pipeline.rules.document import Detail, ExtractionRule, stored_parts
from provider_pipeline.rules.drift import Difference, describe_drift
from provider_pipeline.rules.generation.generator import CONFIDENT, RuleGenerator
from provider_pipeline.rules.generation.samples import EndpointSample
from provider_pipeline.rules.overrides import OverrideSet
from provider_pipeline.rules.rows import MAX_PAGES
from provider_pipeline.rules.stated_rule import StatedRule
from provider_pipeline.sync.outcome import blocking_reason
from provider_pipeline.sync.plan import Page, Response, StoredResponse, first_pages, stored_rule
from provider_pipeline.sync.repair.shadow import SHADOW_RESPONSES, Row


@dataclass(frozen=True)
class StoredProviderData:
    """The catalogue's `shadow.ProviderData`.

    Attributes:
        session: Only reads.
        provider_id: The provider.
        sample_id: The stored response that the active rule was written from, if any.
    """

    session: Session = field(repr=False)
    provider_id: int
    sample_id: int | None

    def known_ids(self) -> set[str]:
        """See `ProviderData`."""
        return catalog.models.active_ids(self.session, self.provider_id)

    def known_rows(self, ids: Sequence[str]) -> Mapping[str, Row]:
        """See `ProviderData`."""
        return catalog.models.previous_rows(self.session, self.provider_id, ids)

    def overrides(self) -> OverrideSet:
        """See `ProviderData`."""
        return catalog.sync_state.overrides(self.session, self.provider_id, datetime.now(UTC))

    def sample_pages(self) -> Iterable[Page]:
        """See `ProviderData`."""
        return () if self.sample_id is None else StoredResponse(self.session, self.sample_id)

    def stored_responses(self) -> list[StoredResponse]:
        """See `ProviderData`."""
        recent = catalog.raw_responses.recent_ids(self.session, self.provider_id, limit=SHADOW_RESPONSES + 1)
        return [StoredResponse(self.session, raw_response_id) for raw_response_id in recent]


@dataclass(frozen=True)
class CandidateRule:
    """A rule that may become the active one.

    Attributes:
        rule: The rule.
        metadata: How it was made.
        doubt: Why it may be wrong.
        is_unsure: Whether a person must approve it as a provider's first rule.
        version: Its stored version if it is a proposal; None if the generator wrote it.
        places_agreed: Whether a person named its endpoints; otherwise they must be those of the active rule.
        analysis: The generator's output, with its reasons; empty for a proposal.
        decided: Columns whose fields a person has just stated; None if no person wrote it.
        reason: Why a person wrote it.
        nowhere: Fields that a person has just stated and no model has.
    """

    rule: ExtractionRule
    metadata: Mapping[str, Any]
    doubt: str | None = None
    is_unsure: bool = False
    version: int | None = None
    places_agreed: bool = False
    analysis: Mapping[str, Any] = field(default_factory=dict, repr=False)
    decided: tuple[str, ...] | None = None
    reason: str = ""
    nowhere: tuple[str, ...] = ()


def active_version(session: Session, provider_id: int) -> catalog.rule_versions.StoredRuleVersion | None:
    """The provider's active rule version, if any."""
    try:
        return catalog.rule_versions.active(session, provider_id)
    except RuleMissingError:
        return None


def readable_rule(session: Session, version: catalog.rule_versions.StoredRuleVersion | None) -> ExtractionRule | None:
    """The rule of a version; None without a version, or if this build refuses an older build's rule."""
    try:
        return None if version is None else stored_rule(session, version)
    except InvalidRuleError:
        return None


@dataclass(frozen=True)
class ListingPlace:
    """An endpoint that lists models.

    Attributes:
        path: Its path under the provider's base URL.
        detail: The endpoint of one model's details, if any.
    """

    path: str
    detail: Detail | None = None


def active_places(session: Session, slug: str) -> tuple[ListingPlace, ...]:
    """The endpoints of the provider's active rule, in order; without details if this build refuses the rule."""
    active = active_version(session, catalog.providers.get(session, slug).id)
    if active is None:
        return ()
    rule = readable_rule(session, active)
    if rule is None:
        endpoints = stored_parts({"model_list_config": active.model_list_config})["endpoints"]
        return tuple(ListingPlace(endpoint.get("path") or "") for endpoint in endpoints)
    return tuple(ListingPlace(endpoint.path or "", endpoint.detail) for endpoint in rule.endpoints)


def stored_sample(
    session: Session, slug: str, raw_response_id: int, places: Sequence[ListingPlace]
) -> list[EndpointSample]:
    """The first page of each endpoint in a stored response.

    Raises:
        ModelSyncerError: An endpoint has no page: the response was fetched with a rule that had fewer endpoints.
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


def proposed_candidate(session: Session, provider_id: int, task: catalog.tasks.Task | None) -> CandidateRule | None:
    """The rule proposed for a task, if any."""
    if task is None or task.proposed_version is None:
        return None
    version = catalog.rule_versions.get(session, provider_id, task.proposed_version)
    return CandidateRule(stored_rule(session, version), version.metadata, version=version.version)


def stated_parts(session: Session, provider_id: int, active: ExtractionRule | None) -> StatedRule:
    """The parts of a provider's rule that a person has stated, without those that its active rule contradicts."""
    stated = StatedRule.parse(catalog.providers.stated_rule(session, provider_id))
    return stated if active is None else stated.held_by(active)


def generated_candidate(
    session: Session,
    slug: str,
    samples: Sequence[EndpointSample],
    active: ExtractionRule | None,
    *,
    whole: bool = False,
    stated: StatedRule | None = None,
) -> CandidateRule:
    """A rule that the generator writes from the first page of each endpoint, with the active pattern set.

    It keeps the parts stated by a person, if they still fit.

    Args:
        session: Only reads.
        slug: The provider, for errors.
        samples: The pages.
        active: The active rule, if any.
        whole: The samples are the complete listing, even if they announce further pages: the rule does not paginate.
        stated: Stated parts to keep in place of the stored ones.

    Raises:
        RuleValidationError: No valid rule can be written from these samples.
    """
    patterns = catalog.sync_state.active_patterns(session)
    if stated is None:
        stated = stated_parts(session, catalog.providers.get(session, slug).id, active)
    alone = len(samples) == 1
    leading = [replace(sample, stated=stated.at(sample.path, alone=alone)) for sample in samples]
    analysis = RuleGenerator(patterns).analyze_endpoints(leading)
    refuse_errors(slug, analysis["issues"])
    rule = ExtractionRule.parse(analysis, patterns=patterns)
    rule = with_stated_parts(rule, stated, ((place, sample.document) for place, sample in enumerate(samples)))
    if whole:
        page = {"type": "none", "whole": True}
        endpoints = tuple(endpoint.model_copy(update={"pagination": page}) for endpoint in rule.endpoints)
        rule = rule.model_copy(update={"endpoints": endpoints})
    doubt = next((each["message"] for each in analysis["issues"] if each["type"] == "ambiguous"), None)
    unsure = analysis["confidence"] < CONFIDENT
    return CandidateRule(rule, analysis["metadata"], doubt, is_unsure=unsure, analysis=analysis)


def refuse_errors(slug: str, issues: Sequence[Mapping[str, Any]]) -> None:
    """Raises RuleValidationError if there is an error among the issues of a sample, or of a rule on a sample."""
    if any(issue["severity"] == "error" for issue in issues):
        raise RuleValidationError(
            blocking_reason(slug, issues),
            issues,
            hint="no rule was stored; give a sample of the listing, with at least one model",
        )


def last_good_response(
    session: Session, provider_id: int, active: catalog.rule_versions.StoredRuleVersion
) -> StoredResponse | None:
    """The last accepted response or, before the first sync, the sample that the active rule was written from."""
    good_id = catalog.sync_state.get(session, provider_id).raw_response_id or active.sample_id
    return None if good_id is None else StoredResponse(session, good_id)


def with_active_paging(candidate: CandidateRule, active: ExtractionRule, response: Response) -> CandidateRule:
    """The candidate with the active rule's pagination at endpoints whose sample shows no better one.

    There the active rule declares one page to be whole, or several pages came although the candidate has no pagination.
    """
    pages = Counter(position for position, _ in response)
    endpoints = list(candidate.rule.endpoints)
    for position, ours in enumerate(active.endpoints[: len(endpoints)]):
        if ours.is_called_whole or (pages[position] > 1 and not endpoints[position].is_paged):
            endpoints[position] = endpoints[position].model_copy(update={"pagination": ours.pagination})
    return replace(candidate, rule=candidate.rule.model_copy(update={"endpoints": tuple(endpoints)}))


def with_active_currency(candidate: CandidateRule, active: ExtractionRule) -> CandidateRule:
    """The candidate with the active rule's currency, which a person may have stated, if the sample names none."""
    currencies = [endpoint.currency for endpoint in active.endpoints]
    endpoints = [
        endpoint if endpoint.currency or currency is None else endpoint.model_copy(update={"currency": currency})
        for endpoint, currency in zip_longest(candidate.rule.endpoints, currencies[: len(candidate.rule.endpoints)])
    ]
    return replace(candidate, rule=candidate.rule.model_copy(update={"endpoints": tuple(endpoints)}))


def with_moved_fields(
    candidate: CandidateRule, active: ExtractionRule, good: Response, response: Response
) -> CandidateRule:
    """The candidate with fields of the active rule that have moved, found by their values."""
    rule, inherited = with_inherited_fields(candidate.rule, active, list(_page_pairs(active, good, response)))
    if not inherited:
        return candidate
    return replace(candidate, rule=rule, metadata={**candidate.metadata, "inherited": inherited})


def differences_between(active: ExtractionRule, good: Response, response: Response) -> tuple[Difference, ...]:
    """Differences from the last good response."""
    if good.id == response.id:
        return ()
    return tuple(
        difference
        for position, (before, after) in enumerate(_page_pairs(active, good, response))
        for difference in describe_drift(active, before, after, endpoint=position)
    )


def _page_pairs(active: ExtractionRule, good: Response, response: Response) -> Iterable[tuple[list[Any], list[Any]]]:
    """The first pages of each endpoint, in both responses."""
    return (
        (first_pages(good, position, MAX_PAGES), first_pages(response, position, MAX_PAGES))
        for position in range(len(active.endpoints))
    )
