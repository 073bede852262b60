"""One provider, end to end: fetch, store, judge, write.

Here: the order of the steps. Not here: the steps (`preparing.py`, `reading.py`, `settling.py`), many providers
(`fleet.py`), and what to do about a blocked one (`syncer.py`, the Dagster sensor).
Why the steps are in this order: README, "How a sync keeps the table safe".
"""

import logging
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.errors import ProviderPipelineError
from provider_pipeline.listing import ListingClient
from provider_pipeline.sync.acceptance import AcceptedGuards
from provider_pipeline.sync.collecting import seldom_collecting
from provider_pipeline.sync.conclusions import Keep
from provider_pipeline.sync.first_listing import improve_on_sample
from provider_pipeline.sync.outcome import SyncOutcome
from provider_pipeline.sync.preparing import prepare
from provider_pipeline.sync.reading import read_listing
from provider_pipeline.sync.settling import Settled, settle
from provider_pipeline.sync.trials import serve_trials

_LOG = logging.getLogger("provider_pipeline.sync")


def utc_now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


def attempt_sync(
    session: Session,
    slug: str,
    *,
    client: ListingClient,
    keep: Keep = "all",
    accept: AcceptedGuards | None = None,
    clock: Callable[[], datetime] = utc_now,
) -> SyncOutcome:
    """Syncs one provider and says what came of it.

    Commits the session: once with the rows, their changes, the raw response and the sync state together, or once with
    only the raw response and the failure.

    Args:
        session: A session without pending changes.
        slug: The provider.
        client: Fetches the listing.
        keep: `all`; `raw` fetches, stores and judges the listing but writes no model and no state; `nothing` is a dry
            run: everything is done, writes included, and rolled back.
        accept: Guards whose findings a person takes responsibility for; recorded with the rows.
        clock: The time that rows and states are stamped with.

    Raises:
        UnknownProviderError: No such provider.
        RuleMissingError: It has no active rule.
        SyncInProgressError: Another process is syncing it; nothing was done.
        InvalidRuleError: Its stored rule cannot be compiled.
        CatalogError: The database failed. A fault of the provider or its listing never raises; it is the outcome.
    """
    provider = catalog.get_provider(session, slug)
    session.rollback()
    with seldom_collecting(), catalog.sync_lock(session, provider) as locks:
        try:
            target = prepare(session, [slug], accept=accept, now=clock())[slug]
            session.rollback()
            if isinstance(target, ProviderPipelineError):
                raise target
            with closing(read_listing(session, target, client)) as reading:
                settled = settle(session, [reading], locks=locks, keep=keep, clock=clock)[0]
            let_others_read(session, [settled], now=clock())
        finally:
            # Of what an error left. A transaction that waits for a second connection, as the lock takes one to be given
            # back, waits for ever behind a pooler whose connections are all in such transactions.
            session.rollback()
    return settled.outcome


def let_others_read(session: Session, settled: list[Settled], *, now: datetime) -> None:
    """Shows listings to the rules on trial, and the first one of a provider to the generator; commits.

    That is after the sync itself is committed: they have no part in it, and what goes wrong with them is not its
    failure.

    Args:
        session: A session without pending changes.
        settled: What was committed.
        now: The time of the syncs.
    """
    kept = [each for each in settled if each.outcome.raw_response_id is not None and not each.outcome.dry_run]
    try:
        on_trial = catalog.providers_on_trial(session, [each.provider_id for each in kept])
        session.rollback()
        for each in kept:
            _let_others_read(session, each, each.provider_id in on_trial, now)
    except (ProviderPipelineError, SQLAlchemyError):
        session.rollback()
        names = ", ".join(each.slug for each in kept)
        _LOG.exception("%s: synced, but not every rule on trial has read the listing", names)


def _let_others_read(session: Session, settled: Settled, is_on_trial: bool, now: datetime) -> None:
    target, outcome = settled.reading.target, settled.outcome
    if is_on_trial and outcome.raw_response_id is not None:
        serve_trials(session, settled.provider_id, outcome.raw_response_id, now=now)
        session.commit()
    if target.state.last_success_at is None and outcome.last_success_at is not None:
        improve_on_sample(session, outcome, origin=target.active.origin)
