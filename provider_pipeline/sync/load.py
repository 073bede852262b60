"""Loads validated listings: rows, raw responses, sync state and notifications of many providers in one transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from itertools import chain
from typing import Literal

from sqlalchemy.orm import Session

from provider_pipeline import catalog, rules
from provider_pipeline.errors import (
    DatabaseUnavailableError,
    ListingUnreadableError,
    ModelSyncerError,
    ProviderPipelineError,
)
from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.thresholds import Thresholds
from provider_pipeline.sync.events import MODELS_CHANGED
from provider_pipeline.sync.extract import ExtractedListing, Row, Spool, judge_pages, parse_pages, row_spool, validate
from provider_pipeline.sync.outcome import SyncOutcome, blocking_reason
from provider_pipeline.sync.plan import fingerprint
from provider_pipeline.sync.upsert import AcceptedListing, Written, write_listings

WriteMode = Literal["all", "raw", "nothing"]
"""What a sync commits: everything; the stored response alone; nothing (a dry run, which is rolled back)."""


@dataclass(frozen=True)
class Loaded:
    """A listing after its load.

    Attributes:
        outcome: The sync's outcome, as returned to the caller.
        written: What was written of its models; None if nothing was.
    """

    listing: ExtractedListing
    outcome: SyncOutcome
    written: Written | None = field(default=None, repr=False)

    @property
    def slug(self) -> str:
        """The provider."""
        return self.listing.plan.slug

    @property
    def provider_id(self) -> int:
        """The provider's key."""
        return self.listing.plan.provider.id


def load_listings(
    session: Session,
    listings: Sequence[ExtractedListing],
    *,
    locks: catalog.sync_locks.SyncLocks,
    keep: WriteMode,
    clock: Callable[[], datetime],
    waiting: bool = True,
) -> list[Loaded]:
    """Writes the results of extracted listings, each provider's entirely or not at all, and commits.

    Args:
        session: A session without pending changes.
        listings: At most one per provider.
        locks: Holds the providers' sync locks; nothing is written for a provider whose lock was lost.
        keep: What is committed; with `nothing` all writes are made and rolled back.
        clock: The time for rows and states.
        waiting: Wait for providers that another transaction has locked; otherwise they are left out of the result.

    Raises:
        CatalogError: The database failed or refused a row; then no validated listing is written.
    """
    unchanged = [each for each in listings if each.is_unchanged]
    loaded = _load_unchanged(session, unchanged, locks, keep=keep, now=clock())
    done = {each.slug for each in loaded}
    # An unchanged listing that is not done was: another sync of its provider ended meanwhile.
    rest = [_validated(session, each) if each.is_unchanged else each for each in listings if each.plan.slug not in done]
    return loaded + (_load_rest(session, rest, locks, keep=keep, now=clock(), waiting=waiting) if rest else [])


def _validated(session: Session, listing: ExtractedListing) -> ExtractedListing:
    try:
        return validate(session, listing)
    except DatabaseUnavailableError:
        raise
    except ProviderPipelineError as error:
        return listing.failed(error)
    finally:
        session.rollback()


def _load_unchanged(
    session: Session,
    listings: Sequence[ExtractedListing],
    locks: catalog.sync_locks.SyncLocks,
    *,
    keep: WriteMode,
    now: datetime,
) -> list[Loaded]:
    loaded = [_finished(Loaded(each, _unchanged_outcome(each)), keep=keep, now=now) for each in listings]
    if keep != "all" or not loaded:
        return loaded
    syncs = [
        catalog.sync_state.RepeatedSync(
            each.provider_id, each.listing.plan.state, each.outcome.summary(), each.listing.fetch.validators
        )
        for each in loaded
    ]
    recorded = catalog.sync_state.record_repeats(session, syncs, token=locks.token, now=now)
    loaded = _with_retirements(session, loaded, now)
    session.commit()
    return [each for each in loaded if each.provider_id in recorded]


def _load_rest(
    session: Session,
    listings: Sequence[ExtractedListing],
    locks: catalog.sync_locks.SyncLocks,
    *,
    keep: WriteMode,
    now: datetime,
    waiting: bool,
) -> list[Loaded]:
    # Until the commit, these providers' leases cannot be taken over nor their active rules replaced.
    locked = locks.lock_providers(session, [each.plan.provider.id for each in listings], waiting=waiting)
    lost = [_lost(session, each) for each in listings if each.plan.provider.id not in locked] if waiting else []
    ours = _with_active_rules(session, [each for each in listings if each.plan.provider.id in locked], keep=keep)
    complete = [each for each in ours if each.error is None]
    raws = catalog.raw_responses.store_many(
        session,
        [catalog.raw_responses.NewListing(each.plan.provider.id, each.fetch.pages, each.content) for each in complete],
    )
    loaded = [Loaded(each, _validated_outcome(each, raw)) for each, raw in zip(complete, raws, strict=True)]
    if keep != "raw":
        loaded = _written(session, loaded, now)
    loaded += [Loaded(each, _failed_outcome(each)) for each in ours if each.error is not None]
    loaded = [_finished(each, keep=keep, now=now) for each in loaded]
    loaded = _with_retirements(session, loaded, now)
    if keep == "all":
        _record(session, loaded, now)
    catalog.raw_responses.prune(session, *(each.provider_id for each in loaded if each.outcome.listing_changed))
    if keep == "nothing":
        session.rollback()
    else:
        session.commit()
    return loaded + lost


def _lost(session: Session, listing: ExtractedListing) -> Loaded:
    """The outcome for a provider that was deleted, or whose lock another process took over: nothing is written."""
    slug = listing.plan.slug
    if catalog.providers.find_id(session, slug) is None:
        error: ModelSyncerError = catalog.providers.unknown(session, slug)
        return Loaded(listing, SyncOutcome(slug, "failed", reason=str(error), error=error))
    error = catalog.sync_locks.lock_lost(session, slug)
    return Loaded(listing, SyncOutcome(slug, "skipped", reason=str(error), error=error))


def _with_active_rules(
    session: Session, listings: Sequence[ExtractedListing], *, keep: WriteMode
) -> list[ExtractedListing]:
    """Fails the listings whose rows would be written but whose rule is no longer the active one."""
    complete = [each for each in listings if each.error is None]
    if not complete or keep == "raw":
        return list(listings)
    active = catalog.providers.active_rule_versions(session, [each.plan.provider.id for each in complete])

    def checked(listing: ExtractedListing) -> ExtractedListing:
        plan = listing.plan
        present = active.get(plan.provider.id)
        if not _is_valid(listing) or present == plan.version:
            return listing
        return listing.failed(catalog.rule_versions.replaced(plan.slug, plan.version, present))

    return [checked(each) if each.error is None else each for each in listings]


def _is_valid(listing: ExtractedListing) -> bool:
    return listing.verdict is not None and listing.verdict.valid


def _written(session: Session, loaded: Sequence[Loaded], now: datetime) -> list[Loaded]:
    """Writes the models of valid listings."""
    valid = [each for each in loaded if _is_valid(each.listing)]
    if not valid:
        return list(loaded)
    with ExitStack() as spools:
        listings = [_accepted_listing(session, each, spools) for each in valid]
        found = write_listings(session, listings, now=now)
    written = {each.slug: one for each, one in zip(valid, found, strict=True)}
    for each in valid:
        if (accept := each.listing.plan.accept) is not None:
            catalog.acceptances.record(
                session,
                each.provider_id,
                kinds=accept.guards,
                reason=accept.reason,
                author=accept.author,
                created_by_id=accept.created_by_id,
                raw_response_id=each.outcome.raw_response_id,
                used_at=now,
            )
    return [
        each
        if (one := written.get(each.slug)) is None
        else replace(each, written=one, outcome=_with_counts(session, each.outcome, one))
        for each in loaded
    ]


def _accepted_listing(session: Session, loaded: Loaded, spools: ExitStack) -> AcceptedListing:
    listing, plan = loaded.listing, loaded.listing.plan
    if listing.verdict is None:
        raise AssertionError("only a valid listing is written")
    state, previous = plan.state, None
    is_new_rule = state.rule_version not in (None, plan.version) or state.pattern_set not in (
        None,
        plan.patterns.digest,
    )
    if is_new_rule and state.raw_response_id is not None:
        rows = spools.enter_context(closing(row_spool()))
        previous = replay_previous(
            session,
            state.raw_response_id,
            listing.rule,
            listing.thresholds,
            rows,
            request_times=listing.verdict.request_times,
        )
    return AcceptedListing(
        plan.provider.id,
        listing.rows,
        listing.verdict,
        plan.version,
        raw_response_id=loaded.outcome.raw_response_id,
        cause="rule" if is_new_rule and previous is None else "provider",
        previous=previous,
    )


def replay_previous(
    session: Session,
    raw_response_id: int,
    rule: ExtractionRule,
    thresholds: Thresholds,
    rows: Spool[list[Row]],
    *,
    request_times: frozenset[str] = frozenset(),
) -> Iterator[Row] | None:
    """Applies a new rule to the last accepted listing, to attribute changes to the rule or to the provider.

    Fields in `request_times` are left out, as they were from the new listing.

    Returns:
        A row per model, held in `rows`; None if the new rule does not fit the old listing.
    """
    stored = catalog.raw_responses.stored_pages(session, raw_response_id)
    pages = (page for page in stored if page.endpoint < len(rule.endpoints))
    try:
        verdict = judge_pages(rules.judge.ListingJudge(rule, thresholds=thresholds), parse_pages(pages), rows)
    except ListingUnreadableError:
        return None
    if not verdict.valid:
        return None
    return replace(verdict, request_times=request_times).settled(chain.from_iterable(rows))


def _with_counts(session: Session, outcome: SyncOutcome, written: Written) -> SyncOutcome:
    counts = {each.name: getattr(written.result, each.name) for each in fields(written.result)}
    caught_up = None
    if written.overrides:
        found = catalog.model_overrides.caught_up(session, outcome.slug)
        caught_up = tuple(f"{each.model_id} {each.field}" for each in found)
    return replace(outcome, **counts, capability_coverage=written.capability_coverage, caught_up=caught_up)


def _with_retirements(session: Session, loaded: Sequence[Loaded], now: datetime) -> list[Loaded]:
    """The loaded listings, with the models that end soon where a provider asks for notice."""
    notice = {each.slug: each.listing.thresholds.retirement_notice_days for each in loaded}
    synced = {each.slug: notice[each.slug] for each in loaded if each.outcome.status == "synced" and notice[each.slug]}
    found = catalog.retirements.within_notice(session, synced, today=now.date())
    return [replace(each, outcome=replace(each.outcome, retiring=found.get(each.slug))) for each in loaded]


def _record(session: Session, loaded: Sequence[Loaded], now: datetime) -> None:
    """Records sync states, closes tasks of recovered providers, and enqueues notifications of changes."""
    catalog.sync_state.record_successes(
        session, [_accepted_sync(each) for each in loaded if each.written is not None], now=now
    )
    catalog.sync_state.record_failures(
        session, [_failed_sync(each) for each in loaded if each.written is None], now=now
    )
    for each in loaded:
        if each.outcome.recovered:
            version = each.listing.plan.version
            catalog.tasks.cancel_open(session, each.provider_id, f"rule version {version} fits again")
    news = [_models_changed(each, now) for each in loaded if each.outcome.rows_changed]
    catalog.notifications.enqueue(session, news, now=now)


def _accepted_sync(loaded: Loaded) -> catalog.sync_state.AcceptedSync:
    listing, plan, written = loaded.listing, loaded.listing.plan, loaded.written
    if listing.verdict is None or written is None:
        raise AssertionError("only a written listing is accepted")
    return catalog.sync_state.AcceptedSync(
        plan.provider.id,
        plan.version,
        loaded.outcome.summary(),
        profile=listing.verdict.profile.model_copy(
            update={"listed": written.result.listed, "outline": listing.verdict.outline}
        ).to_json(),
        raw_response_id=loaded.outcome.raw_response_id,
        validators=listing.fetch.validators,
        basis=fingerprint(plan.provider, plan.version, plan.patterns, written.overrides),
        window_days=listing.thresholds.window_days,
        # A listing that a person vouched for is the new baseline of later comparisons.
        begins_window=plan.accept is not None,
        pattern_set=plan.patterns.digest,
    )


def _failed_sync(loaded: Loaded) -> catalog.sync_state.FailedSync:
    outcome = loaded.outcome
    kind = "blocked" if outcome.error is None else type(outcome.error).__name__
    return catalog.sync_state.FailedSync(loaded.provider_id, kind, outcome.reason or kind, outcome.summary())


def _models_changed(loaded: Loaded, now: datetime) -> catalog.notifications.News:
    outcome = loaded.outcome
    payload = {name: value for name, value in outcome.summary().items() if name != "issues"}
    payload |= {"total_changes": outcome.total_changes, "changes": [vars(change) for change in outcome.changes]}
    key = f"{MODELS_CHANGED}:{outcome.slug}:{now.isoformat()}"
    return catalog.notifications.News(key, MODELS_CHANGED, payload, loaded.provider_id)


def _validated_outcome(listing: ExtractedListing, raw: catalog.raw_responses.RawResponseRef) -> SyncOutcome:
    verdict, plan = listing.verdict, listing.plan
    if verdict is None:
        raise AssertionError("only a validated listing is stored")
    return SyncOutcome(
        plan.slug,
        "synced" if verdict.valid else "blocked",
        reason=None if verdict.valid else blocking_reason(plan.slug, verdict.issues),
        issues=verdict.issues,
        models=verdict.profile.count,
        rejected=verdict.rejected_count,
        page_count=raw.page_count,
        byte_count=raw.byte_count,
        raw_response_id=raw.id,
        listing_changed=raw.is_new,
        rule_version=plan.version,
    )


def _failed_outcome(listing: ExtractedListing) -> SyncOutcome:
    slug, text = listing.plan.slug, str(listing.error)
    reason = text if slug in text else f"{slug}: {text}"
    return SyncOutcome(slug, "failed", reason=reason, error=listing.error, rule_version=listing.plan.version)


def _unchanged_outcome(listing: ExtractedListing) -> SyncOutcome:
    """The outcome of the last accepted listing, without its changes."""
    plan, content = listing.plan, listing.content
    last = plan.state.last_result
    if content is None:
        raise AssertionError("an unchanged listing is complete")
    return SyncOutcome(
        plan.slug,
        "synced",
        issues=tuple(last["issues"]),
        models=last["models"],
        rejected=last["rejected"],
        unchanged=sum(last[name] for name in ("created", "renamed", "updated", "unchanged", "restored")),
        page_count=content.page_count,
        byte_count=content.byte_count,
        raw_response_id=plan.state.raw_response_id,
        rule_version=plan.version,
        capability_coverage=last["capability_coverage"],
        not_modified=True,
    )


def _finished(loaded: Loaded, *, keep: WriteMode, now: datetime) -> Loaded:
    """Adds to the outcome what depends on earlier attempts and on what is committed."""
    listing, outcome = loaded.listing, loaded.outcome
    state, synced = listing.plan.state, outcome.status == "synced"
    finished = replace(
        outcome,
        raw_response_id=None if keep == "nothing" else outcome.raw_response_id,
        recovered=synced and state.consecutive_failures > 0,
        rule=listing.rule,
        rule_changed=listing.plan.version != state.rule_version,
        last_success_at=now if synced and keep == "all" else state.last_success_at,
        consecutive_failures=0 if synced else state.consecutive_failures + 1,
        min_coverage=listing.thresholds.min_coverage,
        seconds=time.monotonic() - listing.started,
        dry_run=keep == "nothing",
    )
    return replace(loaded, outcome=finished)
