"""Load validated listings: rows, raw responses, sync state and notifications of many providers in one transaction."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Literal

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.errors import DatabaseUnavailableError, ModelSyncerError, ProviderPipelineError
from provider_pipeline.sync.events import models_changed
from provider_pipeline.sync.extract import Reading, judged, row_spool
from provider_pipeline.sync.outcome import SyncOutcome, blocking_reason
from provider_pipeline.sync.plan import reading_basis
from provider_pipeline.sync.replay import reread_listing
from provider_pipeline.sync.upsert import AcceptedListing, Written, write_listings

Keep = Literal["all", "raw", "nothing"]
"""What is kept of a sync: everything; the listing alone; nothing, after a dry run."""


def judgement(reading: Reading, raw: catalog.raw_responses.RawResponseRef) -> SyncOutcome:
    """A listing that was judged, before anything of it is written.

    Args:
        reading: The reading.
        raw: Where its listing is stored.
    """
    verdict, target = reading.verdict, reading.target
    if verdict is None:
        raise AssertionError("only what was judged is stored")
    return SyncOutcome(
        target.slug,
        "synced" if verdict.valid else "blocked",
        reason=None if verdict.valid else blocking_reason(target.slug, verdict.issues),
        issues=verdict.issues,
        models=verdict.profile.count,
        rejected=verdict.rejected_count,
        page_count=raw.page_count,
        byte_count=raw.byte_count,
        raw_response_id=raw.id,
        listing_changed=raw.is_new,
        rule_version=target.version,
    )


def failure(reading: Reading) -> SyncOutcome:
    """A listing that did not come whole, or could not be judged."""
    slug, text = reading.target.slug, str(reading.error)
    reason = text if slug in text else f"{slug}: {text}"
    return SyncOutcome(slug, "failed", reason=reason, error=reading.error, rule_version=reading.target.version)


def repetition(reading: Reading) -> SyncOutcome:
    """The last accepted listing once more: what was found in it then, and no change."""
    target, content = reading.target, reading.content
    last = target.state.last_result
    if content is None:
        raise AssertionError("a repeat came whole")
    return SyncOutcome(
        target.slug,
        "synced",
        issues=tuple(last["issues"]),
        models=last["models"],
        rejected=last["rejected"],
        unchanged=sum(last[name] for name in ("created", "renamed", "updated", "unchanged", "restored")),
        page_count=content.page_count,
        byte_count=content.byte_count,
        raw_response_id=target.state.raw_response_id,
        rule_version=target.version,
        capability_coverage=last["capability_coverage"],
        not_modified=True,
    )


def stamped(reading: Reading, outcome: SyncOutcome, *, keep: Keep, now: datetime) -> SyncOutcome:
    """The outcome with what it means beside the attempts before.

    Args:
        reading: The reading.
        outcome: What it came to.
        keep: What is kept of it.
        now: When it was settled.
    """
    state, synced = reading.target.state, outcome.status == "synced"
    return replace(
        outcome,
        raw_response_id=None if keep == "nothing" else outcome.raw_response_id,
        recovered=synced and state.consecutive_failures > 0,
        rule=reading.rule,
        rule_changed=reading.target.version != state.rule_version,
        last_success_at=now if synced and keep == "all" else state.last_success_at,
        consecutive_failures=0 if synced else state.consecutive_failures + 1,
        min_coverage=reading.thresholds.min_coverage,
        seconds=time.monotonic() - reading.started,
        dry_run=keep == "nothing",
    )


@dataclass(frozen=True)
class Settled:
    """A reading with what became of it.

    Attributes:
        reading: The reading.
        outcome: What it came to, as the caller is told.
        written: What was written of its models, if anything was.
    """

    reading: Reading
    outcome: SyncOutcome
    written: Written | None = field(default=None, repr=False)

    @property
    def slug(self) -> str:
        """The provider."""
        return self.reading.target.slug

    @property
    def provider_id(self) -> int:
        """Its key."""
        return self.reading.target.provider.id


def settle(
    session: Session,
    readings: Sequence[Reading],
    *,
    locks: catalog.sync_locks.SyncLocks,
    keep: Keep,
    clock: Callable[[], datetime],
    waiting: bool = True,
) -> list[Settled]:
    """Writes what readings came to, each provider's wholly or not at all, and commits.

    Args:
        session: A session without pending changes.
        readings: At most one for each provider.
        locks: Have the providers' sync locks; of one that was lost meanwhile, nothing is written.
        keep: `all`; `raw` stores the listings but writes no model and no state; `nothing` is a dry run: everything is
            done, writes included, and rolled back.
        clock: The time that rows and states are stamped with.
        waiting: Wait for a provider that somebody else is deciding about at this moment; otherwise leave it out.

    Returns:
        One for each reading that is not left out.

    Raises:
        CatalogError: The database failed, or something does not fit it; then nothing that was judged is written.
    """
    came_again = [each for each in readings if each.is_repeat]
    repeats = _settle_repeats(session, came_again, locks, keep=keep, now=clock())
    done = {each.slug for each in repeats}
    rest = [_judged_after_all(session, reading) for reading in readings if reading.target.slug not in done]
    return repeats + (_settle_rest(session, rest, locks, keep=keep, now=clock(), waiting=waiting) if rest else [])


def _judged_after_all(session: Session, reading: Reading) -> Reading:
    """The reading; judged where it is no repeat any more, because another sync ended since."""
    if not reading.is_repeat:
        return reading
    try:
        return judged(session, reading)
    except DatabaseUnavailableError:
        raise
    except ProviderPipelineError as error:
        return reading.failed(error)
    finally:
        session.rollback()


def _settle_repeats(
    session: Session, readings: Sequence[Reading], locks: catalog.sync_locks.SyncLocks, *, keep: Keep, now: datetime
) -> list[Settled]:
    found = [Settled(reading, stamped(reading, repetition(reading), keep=keep, now=now)) for reading in readings]
    if keep != "all" or not found:
        return found
    syncs = [
        catalog.sync_state.RepeatedSync(
            each.provider_id, each.reading.target.state, each.outcome.summary(), each.reading.validators
        )
        for each in found
    ]
    noted = catalog.sync_state.record_repeats(session, syncs, token=locks.token, now=now)
    session.commit()
    return [each for each in found if each.provider_id in noted]


def _settle_rest(
    session: Session,
    readings: Sequence[Reading],
    locks: catalog.sync_locks.SyncLocks,
    *,
    keep: Keep,
    now: datetime,
    waiting: bool,
) -> list[Settled]:
    # From here on their leases cannot be taken over, and their rules stay the active ones, until the commit.
    locked = locks.lock_providers(session, [each.target.provider.id for each in readings], waiting=waiting)
    others = [each for each in readings if each.target.provider.id not in locked]
    lost = [_not_ours(session, each) for each in others] if waiting else []
    ours = [each for each in readings if each.target.provider.id in locked]
    whole, failed = _with_their_rules(session, ours, keep=keep)
    raws = catalog.raw_responses.store_many(
        session, [catalog.raw_responses.NewListing(each.target.provider.id, each.pages, each.content) for each in whole]
    )
    settled = [Settled(reading, judgement(reading, raw)) for reading, raw in zip(whole, raws, strict=True)]
    if keep != "raw":
        settled = _written(session, settled, now)
    settled += [Settled(reading, failure(reading)) for reading in failed]
    settled = [replace(each, outcome=stamped(each.reading, each.outcome, keep=keep, now=now)) for each in settled]
    if keep == "all":
        _record(session, settled, now)
    catalog.raw_responses.prune(session, *(each.provider_id for each in settled if each.outcome.listing_changed))
    if keep == "nothing":
        session.rollback()
    else:
        session.commit()
    return settled + lost


def _not_ours(session: Session, reading: Reading) -> Settled:
    """A reading of which nothing may be written: its provider is another process's by now, or gone."""
    slug = reading.target.slug
    if catalog.providers.find_id(session, slug) is None:
        error: ModelSyncerError = catalog.providers.unknown(session, slug)
        return Settled(reading, SyncOutcome(slug, "failed", reason=str(error), error=error))
    error = catalog.sync_locks.lock_lost(session, slug)
    return Settled(reading, SyncOutcome(slug, "skipped", reason=str(error), error=error))


def _with_their_rules(
    session: Session, readings: Sequence[Reading], *, keep: Keep
) -> tuple[list[Reading], list[Reading]]:
    """The readings that were judged, each by the active rule where that leads to a write, and those that failed."""
    whole = [reading for reading in readings if reading.error is None]
    failed = [reading for reading in readings if reading.error is not None]
    if not whole:
        return whole, failed
    active = catalog.providers.active_rule_versions(session, [reading.target.provider.id for reading in whole])
    judged_by_theirs = []
    for reading in whole:
        target = reading.target
        present = active.get(target.provider.id)
        if keep == "raw" or not _is_accepted(reading) or present == target.version:
            judged_by_theirs.append(reading)
        else:
            failed.append(reading.failed(catalog.rule_versions.replaced(target.slug, target.version, present)))
    return judged_by_theirs, failed


def _is_accepted(reading: Reading) -> bool:
    return reading.verdict is not None and reading.verdict.valid


def _written(session: Session, settled: Sequence[Settled], now: datetime) -> list[Settled]:
    """Writes the models of accepted listings.

    Where the rule is another than last time, beside what that makes of the listing before.
    """
    accepted = [each for each in settled if _is_accepted(each.reading)]
    if not accepted:
        return list(settled)
    with ExitStack() as spools:
        listings = [_accepted_listing(session, each, spools) for each in accepted]
        found = write_listings(session, listings, now=now)
    written = {each.slug: one for each, one in zip(accepted, found, strict=True)}
    for each in accepted:
        _record_acceptance(session, each, now)
    return [
        replace(each, written=one, outcome=_with_written(session, each.outcome, one))
        if (one := written.get(each.slug)) is not None
        else each
        for each in settled
    ]


def _accepted_listing(session: Session, settled: Settled, spools: ExitStack) -> AcceptedListing:
    reading, target = settled.reading, settled.reading.target
    if reading.verdict is None:
        raise AssertionError("only an accepted listing is written")
    state, reread = target.state, None
    is_new_rule = state.rule_version not in (None, target.version)
    if is_new_rule and state.raw_response_id is not None:
        again = spools.enter_context(row_spool())
        reread = reread_listing(session, state.raw_response_id, reading.rule, reading.thresholds, again)
    return AcceptedListing(
        target.provider.id,
        reading.rows,
        reading.verdict,
        target.version,
        raw_response_id=settled.outcome.raw_response_id,
        cause="rule" if is_new_rule and reread is None else "provider",
        reread=reread,
    )


def _record_acceptance(session: Session, settled: Settled, now: datetime) -> None:
    target = settled.reading.target
    if target.accept is not None:
        catalog.acceptances.record(
            session,
            target.provider.id,
            kinds=target.accept.guards,
            reason=target.accept.reason,
            author=target.accept.author,
            created_by_id=target.accept.created_by_id,
            raw_response_id=settled.outcome.raw_response_id,
            used_at=now,
        )


def _with_written(session: Session, outcome: SyncOutcome, written: Written) -> SyncOutcome:
    counts = {each.name: getattr(written.result, each.name) for each in fields(written.result)}
    caught_up = None
    if written.overrides:
        found = catalog.model_overrides.caught_up(session, outcome.slug)
        caught_up = tuple(f"{each.model_id} {each.field}" for each in found)
    return replace(outcome, **counts, capability_coverage=written.capability_coverage, caught_up=caught_up)


def _record(session: Session, settled: Sequence[Settled], now: datetime) -> None:
    """Notes how the syncs went, and tells what they changed."""
    catalog.sync_state.record_successes(
        session, [_accepted(each) for each in settled if each.written is not None], now=now
    )
    catalog.sync_state.record_failures(session, [_failed(each) for each in settled if each.written is None], now=now)
    for each in settled:
        if each.outcome.recovered:
            target = each.reading.target
            catalog.tasks.cancel_open(session, target.provider.id, f"rule version {target.version} fits again")
    news = [models_changed(each.provider_id, each.outcome, now=now) for each in settled if each.outcome.rows_changed]
    catalog.notifications.enqueue(session, news, now=now)


def _accepted(settled: Settled) -> catalog.sync_state.AcceptedSync:
    reading, target = settled.reading, settled.reading.target
    if reading.verdict is None or settled.written is None:
        raise AssertionError("only what was written is accepted")
    return catalog.sync_state.AcceptedSync(
        target.provider.id,
        target.version,
        settled.outcome.summary(),
        profile=reading.verdict.profile.model_copy(update={"listed": settled.written.result.listed}).to_json(),
        raw_response_id=settled.outcome.raw_response_id,
        validators=reading.validators,
        basis=reading_basis(target.provider, target.version, settled.written.overrides),
        window_days=reading.thresholds.window_days,
        # What a person vouched for is where later listings are compared from.
        begins_window=target.accept is not None,
    )


def _failed(settled: Settled) -> catalog.sync_state.FailedSync:
    outcome = settled.outcome
    kind = "blocked" if outcome.error is None else type(outcome.error).__name__
    return catalog.sync_state.FailedSync(
        settled.reading.target.provider.id, kind, outcome.reason or kind, outcome.summary()
    )
