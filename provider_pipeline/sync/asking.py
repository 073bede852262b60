"""How a registered provider is asked, and how its answer is judged, by what the catalogue knows of it.

Here: from stored settings and rules to what `provider_pipeline.listing` fetches and `provider_pipeline.rules` judges
with. Not here: what becomes of the listing (`attempt.py` writes it, `health.py` only looks). The concept: whoever asks
a provider, a sync or a person's check, asks and judges in the same way.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.errors import ConfigurationError
from provider_pipeline.listing import AuthConfig, ListingEndpoint, ListingSource, RequestPolicy
from provider_pipeline.rules import ExtractionRule, ListingJudge, Thresholds
from provider_pipeline.sync.history import StoredHistory


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
    state: catalog.SyncState,
    *,
    now: datetime,
    accepted: Collection[str] = (),
    watch: Callable[[], None],
) -> ListingJudge:
    """What judges a listing, beside those that were accepted before.

    Args:
        session: Reads the models of accepted listings, page by page.
        provider: The provider.
        rule: What reads the listing.
        thresholds: How far it may stray.
        state: How its latest sync went.
        now: When the listing is fetched.
        accepted: Guards whose findings a person has accepted.
        watch: Ends a judgement that takes too long, see `ListingJudge`.
    """
    if state.profile is None:
        return ListingJudge(rule, thresholds=thresholds, watch=watch)
    history = StoredHistory(session, provider.id, state, window_days=thresholds.window_days, now=now)
    return ListingJudge(rule, thresholds=thresholds, history=history, accepted=accepted, watch=watch)


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
