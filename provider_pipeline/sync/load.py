"""Loads listings: rows, raw responses, sync state and notifications of many providers in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from itertools import chain
from typing import Any, Literal

from sqlalchemy.orm import Session

from provider_pipeline import catalog, rules
from provider_pipeline.errors import ModelSyncerError
from provider_pipeline.rules.overrides import OverrideSet, listed_values, override_fields
from provider_pipeline.sync.extract import ExtractedListing, Row, judged, read_again, replay_previous, row_spool
from provider_pipeline.sync.outcome import (
    SyncOutcome,
    WriteMode,
    failed_outcome,
    finished_outcome,
    models_changed,
    unchanged_outcome,
    validated_outcome,
)
from provider_pipeline.sync.plan import fingerprint


@dataclass(frozen=True)
class AcceptedListing:
    """A listing to be written.

    Attributes:
        provider_id: The provider.
        rows: The accepted rows, page by page.
        verdict: The verdict.
        rule_version: The rule that extracted the rows.
        raw_response_id: The stored listing, for the change history.
        cause: The cause recorded for changes; `rule` if the rule is new and `previous` is not known.
        previous: What this rule extracts from the previous listing, to tell the rule's changes from the provider's.
    """

    provider_id: int
    rows: Iterable[Iterable[Row]] = field(repr=False)
    verdict: rules.judge.Verdict = field(repr=False)
    rule_version: int
    raw_response_id: int | None = None
    cause: Literal["provider", "rule"] = "provider"
    previous: Iterable[Row] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Written:
    """The result of a write.

    Attributes:
        result: Its counts and changes.
        capability_coverage: Share of the rows with at least one capability known to be true; None without rows.
        overrides: The overrides that were applied.
    """

    result: catalog.model_writes.WriteResult
    capability_coverage: float | None
    overrides: OverrideSet


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
        keep: What to commit; with `nothing`, all writes are made and rolled back.
        clock: The time for rows and states.
        waiting: Wait for providers that another transaction has locked; otherwise they are left out of the result.

    Raises:
        CatalogError: The database failed or refused a row; then no validated listing is written.
    """
    unchanged = [each for each in listings if each.is_unchanged]
    loaded = _load_unchanged(session, unchanged, locks, keep=keep, now=clock())
    done = {each.slug for each in loaded}
    # An unchanged listing that is not done was: another sync of its provider ended meanwhile.
    rest = [read_again(session, each) if each.is_unchanged else each for each in listings if each.plan.slug not in done]
    if not rest:
        return loaded
    rest = judged(session, rest)
    session.rollback()  # the verdicts took processor time; the locks are only held while rows are written
    return loaded + _load_rest(session, rest, locks, keep=keep, now=clock(), waiting=waiting)


def _load_unchanged(
    session: Session,
    listings: Sequence[ExtractedListing],
    locks: catalog.sync_locks.SyncLocks,
    *,
    keep: WriteMode,
    now: datetime,
) -> list[Loaded]:
    loaded = [Loaded(each, finished_outcome(unchanged_outcome(each), each, keep=keep, now=now)) for each in listings]
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
    loaded = [Loaded(each, validated_outcome(each, raw)) for each, raw in zip(complete, raws, strict=True)]
    if keep != "raw":
        loaded = _written(session, loaded, now)
    loaded += [Loaded(each, failed_outcome(each)) for each in ours if each.error is not None]
    loaded = [
        replace(each, outcome=finished_outcome(each.outcome, each.listing, keep=keep, now=now)) for each in loaded
    ]
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
            plan.rule,
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
    found = catalog.notifications.within_notice(session, synced, today=now.date())
    return [
        replace(each, outcome=replace(each.outcome, retiring=found[each.slug])) if each.slug in found else each
        for each in loaded
    ]


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
    news = [models_changed(each.outcome, each.provider_id, now) for each in loaded if each.outcome.rows_changed]
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


def write_listings(session: Session, listings: Sequence[AcceptedListing], *, now: datetime) -> list[Written]:
    """Makes the tables of models agree with listings of different providers, in the session's transaction."""
    uploads = _uploads(session, listings, now)
    results = catalog.model_writes.write(session, [each.listed_models() for each in uploads], now=now)
    catalog.model_writes.note_listed_values(
        session, {each.listing.provider_id: each.listed_values for each in uploads}, now=now
    )
    return [Written(result, each.coverage, each.overrides) for result, each in zip(results, uploads, strict=True)]


def compare_listings(
    session: Session, listings: Sequence[AcceptedListing], *, now: datetime
) -> list[catalog.model_writes.WriteResult]:
    """What `write_listings` would change with each listing alone; see `catalog.dry_writes.dry_write`."""
    uploads = _uploads(session, listings, now)
    return catalog.dry_writes.dry_write(session, [each.listed_models() for each in uploads], now=now)


def _uploads(session: Session, listings: Sequence[AcceptedListing], now: datetime) -> list[_Upload]:
    overrides = catalog.sync_state.overrides_by_provider(session, [listing.provider_id for listing in listings], now)
    return [_Upload(listing, overrides.get(listing.provider_id, OverrideSet())) for listing in listings]


class _Upload:
    """The rows of one listing, streamed once to the table.

    Args:
        listing: The listing.
        overrides: The provider's overrides.
    """

    def __init__(self, listing: AcceptedListing, overrides: OverrideSet) -> None:
        self.listing = listing
        self.overrides = overrides
        self.listed_values: dict[str, dict[str, Any]] = {}
        self._count = self._covered = 0
        self._overridden: dict[str, list[str]] = {}

    @property
    def coverage(self) -> float | None:
        """Share of the streamed rows with a known capability."""
        return self._covered / self._count if self._count else None

    def listed_models(self) -> catalog.model_writes.ListedModels:
        """The accepted rows, with overrides."""
        listing = self.listing
        listed = listing.verdict.settled(chain.from_iterable(listing.rows))
        return catalog.model_writes.ListedModels(
            provider_id=listing.provider_id,
            rows=self._counting(self._recording(listed) if self.overrides else listed),
            rule_version=listing.rule_version,
            raw_response_id=listing.raw_response_id,
            cause=listing.cause,
            reread=None if listing.previous is None else self._with_overrides(listing.previous),
            overridden=self._overridden,
        )

    def _recording(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Applies overrides, and records the fields they set, with the listing's own values."""
        for row in rows:
            if (override := self.overrides.of(row["model_id"])) is None:
                yield row
                continue
            changed, self._overridden[row["model_id"]] = override.apply(row)
            if override.values:
                self.listed_values[row["model_id"]] = listed_values(row, override_fields(override.values))
            yield changed

    def _with_overrides(self, rows: Iterable[Row]) -> Iterable[Row]:
        if not self.overrides:
            return rows
        return (
            row if (override := self.overrides.of(row["model_id"])) is None else override.apply(row)[0] for row in rows
        )

    def _counting(self, rows: Iterable[Row]) -> Iterator[Row]:
        for row in rows:
            self._count += 1
            self._covered += any(row["capabilities"].values())
            yield row
