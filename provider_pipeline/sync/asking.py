"""How a registered provider is asked, and how its answer is judged, by what the catalogue knows of it.

Here: from stored settings and rules to what `provider_pipeline.listing` fetches and `provider_pipeline.rules` judges
with. Not here: what becomes of the listing (`attempt.py` writes it, `health.py` only looks). The concept: whoever asks
a provider, a sync or a person's check, asks and judges in the same way.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from pydantic import ValidationError
from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.errors import ConfigurationError
from provider_pipeline.listing import AuthConfig, ListingEndpoint, ListingSource, RequestPolicy
from provider_pipeline.rules import ExtractionRule, ListingJudge, Profile, Thresholds


def listing_source(provider: catalog.Provider, endpoints: Iterable[ListingEndpoint]) -> ListingSource:
    """Where and how these endpoints of a provider are asked."""
    return ListingSource(
        slug=provider.slug,
        base_url=provider.base_url,
        auth=AuthConfig.parse(provider.auth_config, slug=provider.slug),
        endpoints=tuple(endpoints),
        policy=RequestPolicy.parse(provider.request_config, slug=provider.slug),
    )


def active_source(provider: catalog.Provider, rule: ExtractionRule) -> ListingSource:
    """The whole listing that a rule is for."""
    return listing_source(
        provider,
        (
            ListingEndpoint(
                path=endpoint.path or "",
                pagination=endpoint.pagination,
                selector=endpoint.selector,
                id_field=endpoint.fields["id"],
                detail=endpoint.detail,
            )
            for endpoint in rule.endpoints
        ),
    )


def active_judge(
    session: Session,
    provider: catalog.Provider,
    rule: ExtractionRule,
    thresholds: Thresholds,
    profile: Mapping[str, Any] | None,
    *,
    accepted: Collection[str] = (),
    watch: Callable[[], None],
) -> ListingJudge:
    """What judges a listing, beside the last accepted one.

    Args:
        session: Reads the rows of the last accepted listing, page by page.
        provider: The provider.
        rule: What reads the listing.
        thresholds: How far it may stray.
        profile: The stored profile of the last accepted one; None to compare with nothing.
        accepted: Guards whose findings a person has accepted.
        watch: Ends a judgement that takes too long, see `ListingJudge`.
    """
    if profile is None:
        return ListingJudge(rule, thresholds=thresholds, watch=watch)
    return ListingJudge(
        rule,
        thresholds=thresholds,
        previous_profile=Profile.from_json(profile),
        previous_rows=partial(_previous_rows, session, provider.id),
        accepted=accepted,
        watch=watch,
    )


def _previous_rows(
    session: Session, provider_id: int, rows: Sequence[Mapping[str, Any]]
) -> Mapping[str, Mapping[str, Any]]:
    hashes = {row["model_id"]: row["meta_hash"] for row in rows}
    differing = catalog.differing_rows(session, provider_id, hashes)
    selves = ((row["model_id"], differing.get(row["model_id"], row)) for row in rows)
    return {model_id: before for model_id, before in selves if before is not None}


def parse_thresholds(slug: str, document: Mapping[str, Any]) -> Thresholds:
    """The provider's thresholds: the defaults, but for what the document names.

    Raises:
        ConfigurationError: It names a threshold that does not exist, or gives one a value it cannot have.
    """
    try:
        return Thresholds.model_validate(dict(document))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ConfigurationError(
            f"{slug}: the threshold {'.'.join(map(str, first['loc']))} is not understood: {first['msg']}",
            hint=f"the thresholds are {', '.join(sorted(Thresholds.model_fields))}",
        ) from error
