"""Sync one provider, end to end; `ModelSyncer` is the public Python API of it."""

import logging
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.catalog.database import documented_errors
from provider_pipeline.errors import ProviderPipelineError, RuleValidationError
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.sync.extract import read_listing
from provider_pipeline.sync.gc_tuning import seldom_collecting
from provider_pipeline.sync.load import Keep, Settled, settle
from provider_pipeline.sync.outcome import AcceptedGuards, SyncOutcome, accept_guards
from provider_pipeline.sync.plan import prepare
from provider_pipeline.sync.repair.tasks import open_task_for
from provider_pipeline.sync.repair.trials import serve_trials
from provider_pipeline.sync.repair.worker import Repair, improve_rule

SAMPLE_ORIGIN: Final = "sample"
"""What made a rule that was written before anything was fetched."""


def improve_on_sample(session: Session, outcome: SyncOutcome, *, origin: str) -> Repair | None:
    """Looks for a better rule than the one from a sample, once, and commits; None where there is nothing to look for.

    Args:
        session: A session without pending changes.
        outcome: The provider's first sync that succeeded, committed.
        origin: What made the rule that it used.
    """
    return improve_rule(session, outcome.slug) if origin == SAMPLE_ORIGIN else None


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
    provider = catalog.providers.get(session, slug)
    session.rollback()
    with seldom_collecting(), catalog.sync_locks.sync_lock(session, provider) as locks:
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
        for each in kept:
            _let_others_read(session, each, now)
    except (ProviderPipelineError, SQLAlchemyError):
        session.rollback()
        names = ", ".join(each.slug for each in kept)
        _LOG.exception("%s: synced, but not every rule on trial has read the listing", names)


def _let_others_read(session: Session, settled: Settled, now: datetime) -> None:
    target, outcome = settled.reading.target, settled.outcome
    if target.on_trial and outcome.raw_response_id is not None:
        serve_trials(session, settled.provider_id, outcome.raw_response_id, now=now)
        session.commit()
    if target.state.last_success_at is None and outcome.last_success_at is not None:
        improve_on_sample(session, outcome, origin=target.active.origin)


class ModelSyncer:
    """Brings a provider's rows in line with its listing, or leaves them alone and says why.

    Args:
        session: A SQLAlchemy session on a migrated catalogue, without pending changes; each sync commits it.
        client: Fetches listings; by default one with the default limits and this process's environment.
    """

    def __init__(self, session: Session, *, client: ListingClient | None = None) -> None:
        self._session = session
        self._client = client or ListingClient()

    def sync_provider_models(
        self,
        provider_slug: str,
        created_by_id: int | None = None,
        dry_run: bool = False,
        *,
        accept: Iterable[str] = (),
        reason: str | None = None,
    ) -> dict[str, Any]:
        """Syncs one provider in one transaction.

        Args:
            provider_slug: The provider.
            created_by_id: Who asked, for the task that a blocked listing opens.
            dry_run: Do everything but keep it; the result holds the changes that would be made.
            accept: Guards that need not hold this listing, such as `shrink` or `prices`; recorded with who asked.
            reason: Why the listing is right; needed with `accept`.

        Returns:
            `success` (True), `provider`, `dry_run`, `models_synced`, `models_created`, `models_renamed`,
            `models_updated` (rows whose `meta_hash` changed), `models_unchanged`, `models_missing`, `models_removed`,
            `models_restored`, `models_rejected`, `rule_version`, `raw_response_id`, `issues` (warnings), `changes` (the
            first 50, as `model_id`, `kind`, `changed`: field to [old, new], `cause`), `seconds`.

        Raises:
            RuleValidationError: The rule does not fit the listing. Nothing was written; a RULE_GEN task is open
                (not after a dry run).
            ModelSyncerError: Unknown provider, no rule, network error or unreadable response. Nothing was written.
            ConfigurationError: The key's environment variable is not set, or `accept` names no guard or lacks a reason.
            DatabaseUnavailableError: The database does not answer, takes no writes (`DatabaseReadOnlyError`), has no
                space (`DatabaseFullError`) or no connection left. Nothing was written.
        """
        accepted = accept_guards(accept, reason, created_by_id=created_by_id)
        keep: Keep = "nothing" if dry_run else "all"
        with documented_errors(self._session):
            outcome = attempt_sync(self._session, provider_slug, client=self._client, keep=keep, accept=accepted)
            if outcome.status == "blocked" and not dry_run:
                open_task_for(self._session, outcome, created_by_id=created_by_id)
                self._session.commit()
        if outcome.status == "blocked":
            raise RuleValidationError(
                outcome.reason or provider_slug,
                outcome.issues,
                hint="nothing was written"
                + ("" if dry_run else f"; a RULE_GEN task is open: provider-pipeline rules generate {provider_slug}"),
            )
        if outcome.error is not None:
            raise outcome.error
        return _documented(outcome)


def _documented(outcome: SyncOutcome) -> dict[str, Any]:
    return {
        "success": True,
        "provider": outcome.slug,
        "dry_run": outcome.dry_run,
        "models_synced": outcome.models,
        "models_created": outcome.created,
        "models_renamed": outcome.renamed,
        "models_updated": outcome.updated,
        "models_unchanged": outcome.unchanged,
        "models_missing": outcome.missing,
        "models_removed": outcome.removed,
        "models_restored": outcome.restored,
        "models_rejected": outcome.rejected,
        "rule_version": outcome.rule_version,
        "raw_response_id": outcome.raw_response_id,
        "issues": [dict(issue) for issue in outcome.issues],
        "changes": [asdict(change) for change in outcome.changes],
        "seconds": outcome.seconds,
    }
