"""One provider, end to end: fetch, store, judge, write.

Here: the order of the steps and the transactions around them; every decision is a call into `rules`, every effect one
into `listing` or `catalog`. Not here: what to do about a blocked provider (`syncer.py`, the Dagster sensor), and what
makes a listing one that need not be judged again (`basis.py`).
Why the steps are in this order: README, "How a sync keeps the table safe".
"""

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.errors import ProviderPipelineError
from provider_pipeline.listing import ListingClient
from provider_pipeline.rules import ExtractionRule, Profile, Thresholds, Verdict
from provider_pipeline.sync.acceptance import AcceptedGuards
from provider_pipeline.sync.asking import active_judge, active_source, parse_thresholds
from provider_pipeline.sync.basis import is_settled, reading_basis
from provider_pipeline.sync.events import models_changed
from provider_pipeline.sync.fetching import ListingFetch
from provider_pipeline.sync.first_listing import improve_on_sample
from provider_pipeline.sync.judging import judge_pages
from provider_pipeline.sync.outcome import SyncOutcome, blocking_reason
from provider_pipeline.sync.rereading import reread_listing
from provider_pipeline.sync.spool import Spool
from provider_pipeline.sync.stored import stored_rule
from provider_pipeline.sync.trials import serve_trials
from provider_pipeline.sync.writing import Row, Written, write_listing

Keep = Literal["all", "raw", "nothing"]


@dataclass(frozen=True)
class _Target:
    """A provider with all that its sync needs, read before the first request.

    `settled` says that nothing would come of the last accepted listing if it came again.
    """

    provider: catalog.Provider
    version: int
    origin: str
    rule: ExtractionRule
    state: catalog.SyncState
    settled: bool


@dataclass(frozen=True)
class _Accepted:
    """What the next sync will want to know of a listing that was accepted."""

    profile: Profile
    basis: str
    validators: Sequence[Mapping[str, Any]]


def attempt_sync(
    session: Session,
    slug: str,
    *,
    client: ListingClient,
    keep: Keep = "all",
    accept: AcceptedGuards | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
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
        SyncInProgressError: Somebody else is syncing it; nothing was done.
        InvalidRuleError: Its stored rule cannot be compiled.
        CatalogError: The database failed. A fault of the provider or its listing never raises; it is the outcome.
    """
    started = time.monotonic()
    accepted: _Accepted | None = None
    with ExitStack() as stack:
        provider = catalog.get_provider(session, slug)
        stack.enter_context(catalog.sync_lock(session, provider))
        target = _target(session, provider, accept=accept, now=clock())
        stamp = functools.partial(_stamped, target=target, keep=keep, started=started)
        pages: Spool[catalog.StoredPage] = stack.enter_context(Spool())
        rows: Spool[list[Row]] = stack.enter_context(Spool())
        thresholds = parse_thresholds(slug, {})
        try:
            thresholds = parse_thresholds(slug, provider.thresholds)
            session.rollback()
            fetch = ListingFetch(session, pages, target.state if target.settled else None)
            content = fetch.run(client, active_source(provider, target.rule))
            if target.settled and content.sha256 == target.state.content:
                now = clock()
                repeat = stamp(_repeated(target, content), thresholds, now=now)
                if keep != "all" or _record_repeat(session, target, repeat, fetch.validators, now):
                    session.commit()
                    _let_others_read(session, target, repeat, now)
                    return repeat
                fetch.complete()
            verdict = _judged(session, target, pages, rows, thresholds, accept, keep)
        except ProviderPipelineError as error:
            session.rollback()
            outcome = SyncOutcome(slug, "failed", reason=_named(slug, error), error=error, rule_version=target.version)
        else:
            raw = catalog.store_raw_response(session, provider.id, pages, complete=True)
            outcome = SyncOutcome(
                slug,
                "synced" if verdict.valid else "blocked",
                reason=None if verdict.valid else blocking_reason(slug, verdict.issues),
                issues=verdict.issues,
                models=verdict.profile.count,
                rejected=verdict.rejected_count,
                page_count=raw.page_count,
                byte_count=raw.byte_count,
                raw_response_id=raw.id,
                listing_changed=raw.is_new,
                rule_version=target.version,
            )
            if verdict.valid and keep != "raw":
                written = _write(session, target, rows, verdict, thresholds, clock(), outcome.raw_response_id)
                _record_acceptance(session, target, accept, outcome.raw_response_id, clock())
                basis = reading_basis(provider, target.version, written.overrides)
                accepted = _Accepted(verdict.profile, basis, fetch.validators)
                outcome = _with_written(session, outcome, written)
        now = clock()
        outcome = stamp(outcome, thresholds, now=now)
        if keep == "all":
            _record(session, target, outcome, accepted, now)
            if outcome.rows_changed:
                models_changed(session, provider.id, outcome, now=now)
        if outcome.listing_changed:
            catalog.prune_raw_responses(session, provider.id)
        if keep == "nothing":
            session.rollback()
        else:
            session.commit()
            _let_others_read(session, target, outcome, now)
    return outcome


def _named(slug: str, error: ProviderPipelineError) -> str:
    text = str(error)
    return text if slug in text else f"{slug}: {text}"


def _target(session: Session, provider: catalog.Provider, *, accept: AcceptedGuards | None, now: datetime) -> _Target:
    active = catalog.active_rule(session, provider.id)
    state = catalog.get_sync_state(session, provider.id)
    settled = accept is None and is_settled(
        state,
        reading_basis(provider, active.version, catalog.overrides(session, provider.id, now)),
        any_missing=catalog.any_missing(session, provider.id),
    )
    return _Target(provider, active.version, active.origin, stored_rule(active), state, settled)


def _judged(
    session: Session,
    target: _Target,
    pages: Spool[catalog.StoredPage],
    rows: Spool[list[Row]],
    thresholds: Thresholds,
    accept: AcceptedGuards | None,
    keep: Keep,
) -> Verdict:
    """The verdict on the pages; the rule behind one that leads to a write stays active until that is committed."""
    guards = accept.guards if accept is not None else ()
    profile = target.state.profile
    judge = active_judge(session, target.provider, target.rule, thresholds, profile, accepted=guards)
    verdict = judge_pages(judge, pages, rows)
    if verdict.valid and keep != "raw":
        catalog.require_active(session, target.provider.id, target.version)
    return verdict


def _write(
    session: Session,
    target: _Target,
    rows: Spool[list[Row]],
    verdict: Verdict,
    thresholds: Thresholds,
    now: datetime,
    raw_response_id: int | None,
) -> Written:
    """Writes the listing; where the rule is another than last time, beside what that makes of the listing before."""
    provider, state = target.provider, target.state
    is_new_rule = state.rule_version not in (None, target.version)
    again: Spool[list[Row]]
    with Spool() as again:
        reread = None
        if is_new_rule and state.raw_response_id is not None:
            reread = reread_listing(session, state.raw_response_id, target.rule, thresholds, again)
        return write_listing(
            session,
            provider.id,
            rows,
            verdict,
            rule_version=target.version,
            now=now,
            raw_response_id=raw_response_id,
            cause="rule" if is_new_rule and reread is None else "provider",
            reread=reread,
        )


def _record_acceptance(
    session: Session, target: _Target, accept: AcceptedGuards | None, raw_response_id: int | None, now: datetime
) -> None:
    if accept is not None:
        catalog.record_acceptance(
            session,
            target.provider.id,
            kinds=accept.guards,
            reason=accept.reason,
            author=accept.author,
            created_by_id=accept.created_by_id,
            raw_response_id=raw_response_id,
            used_at=now,
        )


def _repeated(target: _Target, content: catalog.ListingContent) -> SyncOutcome:
    """The last accepted listing once more: what was found in it then, and no change."""
    last = target.state.last_result
    return SyncOutcome(
        target.provider.slug,
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


def _with_written(session: Session, outcome: SyncOutcome, written: Written) -> SyncOutcome:
    counts = {each.name: getattr(written.result, each.name) for each in fields(written.result)}
    caught_up = None
    if written.overrides:
        found = catalog.overrides_caught_up(session, outcome.slug)
        caught_up = tuple(f"{each.model_id} {each.field}" for each in found)
    return replace(outcome, **counts, capability_coverage=written.capability_coverage, caught_up=caught_up)


def _stamped(
    outcome: SyncOutcome, thresholds: Thresholds, *, target: _Target, keep: Keep, started: float, now: datetime
) -> SyncOutcome:
    state, synced = target.state, outcome.status == "synced"
    return replace(
        outcome,
        raw_response_id=None if keep == "nothing" else outcome.raw_response_id,
        recovered=synced and state.consecutive_failures > 0,
        rule=target.rule,
        rule_changed=target.version != state.rule_version,
        last_success_at=now if synced and keep == "all" else state.last_success_at,
        consecutive_failures=0 if synced else state.consecutive_failures + 1,
        min_coverage=thresholds.min_coverage,
        seconds=time.monotonic() - started,
        dry_run=keep == "nothing",
    )


def _let_others_read(session: Session, target: _Target, outcome: SyncOutcome, now: datetime) -> None:
    """Shows the listing to the rules on trial, and the first one to the generator.

    That is after the sync itself is committed: they have no part in it.
    """
    if outcome.raw_response_id is not None and not outcome.dry_run:
        serve_trials(session, target.provider.id, outcome.raw_response_id, now=now)
        session.commit()
        if target.state.last_success_at is None and outcome.last_success_at is not None:
            improve_on_sample(session, outcome, origin=target.origin)


def _record_repeat(
    session: Session, target: _Target, outcome: SyncOutcome, validators: Sequence[Mapping[str, Any]], now: datetime
) -> bool:
    return catalog.record_repeat(
        session,
        target.provider.id,
        state=target.state,
        now=now,
        result=outcome.summary(),
        validators=validators,
    )


def _record(session: Session, target: _Target, outcome: SyncOutcome, accepted: _Accepted | None, now: datetime) -> None:
    provider_id = target.provider.id
    if accepted is None:
        kind = "blocked" if outcome.error is None else type(outcome.error).__name__
        catalog.record_failure(
            session,
            provider_id,
            now=now,
            kind=kind,
            message=outcome.reason or kind,
            result=outcome.summary(),
        )
        return
    catalog.record_success(
        session,
        provider_id,
        now=now,
        profile=accepted.profile.to_json(),
        raw_response_id=outcome.raw_response_id,
        rule_version=target.version,
        result=outcome.summary(),
        validators=accepted.validators,
        basis=accepted.basis,
    )
    if outcome.recovered:
        catalog.cancel_open_tasks(session, provider_id, f"rule version {target.version} fits again")
