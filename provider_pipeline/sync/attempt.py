"""One provider, end to end: fetch, store, judge, write.

Here: the order of the steps and the transactions around them; every decision is a call into `rules`, every effect one
into `listing` or `catalog`. Not here: what to do about a blocked provider (`syncer.py`, the Dagster sensor).
Why the steps are in this order: README, "How a sync keeps the table safe".
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain
from typing import Any, Literal

from pydantic import ValidationError
from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.errors import ConfigurationError, ProviderPipelineError
from provider_pipeline.listing import AuthConfig, ListingClient, ListingEndpoint, ListingSource, RequestPolicy
from provider_pipeline.rules import (
    ExtractionRule,
    ListingJudge,
    Profile,
    Thresholds,
    Verdict,
    apply_override,
    last_of_each,
)
from provider_pipeline.sync.outcome import SyncOutcome
from provider_pipeline.sync.spool import Spool

Row = dict[str, Any]
Keep = Literal["all", "raw", "nothing"]


@dataclass(frozen=True)
class _Target:
    """A provider with all that its sync needs, read before the first request."""

    provider: catalog.Provider
    version: int
    rule: ExtractionRule
    state: catalog.SyncState


def listing_source(provider: catalog.Provider, endpoints: Iterable[ListingEndpoint]) -> ListingSource:
    """Where and how these endpoints of a provider are asked."""
    return ListingSource(
        slug=provider.slug,
        base_url=provider.base_url,
        auth=AuthConfig.parse(provider.auth_config, slug=provider.slug),
        endpoints=tuple(endpoints),
        policy=RequestPolicy.parse(provider.request_config, slug=provider.slug),
    )


def attempt_sync(
    session: Session,
    slug: str,
    *,
    client: ListingClient,
    keep: Keep = "all",
    accept: bool = False,
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
        accept: Do not compare with the last accepted listing: a person has looked at the one that was held back.
        clock: The time that rows and states are stamped with.

    Raises:
        UnknownProviderError: No such provider.
        RuleMissingError: It has no active rule.
        InvalidRuleError: Its stored rule cannot be compiled.
        CatalogError: The database failed. A fault of the provider or its listing never raises; it is the outcome.
    """
    started = time.monotonic()
    target = _target(session, slug)
    provider, state = target.provider, target.state
    profile: Profile | None = None
    with ExitStack() as stack:
        pages: Spool[catalog.StoredPage] = stack.enter_context(Spool())
        rows: Spool[list[Row]] = stack.enter_context(Spool())
        try:
            verdict = _fetch_and_judge(session, _judge(session, target, accept=accept), target, client, pages, rows)
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
                raw_response_id=None if keep == "nothing" else raw.id,
                listing_changed=raw.is_new,
                rule_version=target.version,
            )
            if verdict.valid and keep != "raw":
                profile = verdict.profile
                outcome = _write(session, target, outcome, rows, verdict, clock())
        now = clock()
        outcome = replace(
            outcome,
            recovered=outcome.status == "synced" and state.consecutive_failures > 0,
            rule_changed=target.version != state.rule_version,
            last_success_at=now if outcome.status == "synced" and keep == "all" else state.last_success_at,
            seconds=time.monotonic() - started,
            dry_run=keep == "nothing",
        )
        if keep == "all":
            _record(session, target, outcome, profile, now)
        if keep == "nothing":
            session.rollback()
        else:
            session.commit()
    return outcome


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


def stored_rule(version: catalog.StoredRuleVersion) -> ExtractionRule:
    """The rule that a stored version holds."""
    return ExtractionRule.parse(
        {"model_list_config": version.model_list_config, "endpoints_config": version.endpoints_config}
    )


def _named(slug: str, error: ProviderPipelineError) -> str:
    text = str(error)
    return text if slug in text else f"{slug}: {text}"


def blocking_reason(slug: str, issues: Sequence[Mapping[str, Any]]) -> str:
    """One line that names the provider, the first error and how many more there are."""
    errors = [issue for issue in issues if issue["severity"] == "error"]
    if not errors:
        return f"{slug}: the listing was refused"
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{slug}: {errors[0]['message']}{more}"


def _target(session: Session, slug: str) -> _Target:
    provider = catalog.get_provider(session, slug)
    active = catalog.active_rule(session, provider.id)
    return _Target(provider, active.version, stored_rule(active), catalog.get_sync_state(session, provider.id))


def _judge(session: Session, target: _Target, *, accept: bool) -> ListingJudge:
    provider, profile = target.provider, target.state.profile
    thresholds = parse_thresholds(provider.slug, provider.thresholds)
    if accept or profile is None:
        return ListingJudge(target.rule, thresholds=thresholds)
    return ListingJudge(
        target.rule,
        thresholds=thresholds,
        previous_profile=Profile.from_json(profile),
        previous_rows=lambda model_ids: catalog.previous_rows(session, provider.id, model_ids),
    )


def _fetch_and_judge(
    session: Session,
    judge: ListingJudge,
    target: _Target,
    client: ListingClient,
    pages: Spool[catalog.StoredPage],
    rows: Spool[list[Row]],
) -> Verdict:
    endpoints = (
        ListingEndpoint(
            path=endpoint.path or "",
            pagination=endpoint.pagination,
            selector=endpoint.selector,
            id_field=endpoint.fields["id"],
        )
        for endpoint in target.rule.endpoints
    )
    for page in client.pages(listing_source(target.provider, endpoints)):
        pages.append(catalog.StoredPage(page.endpoint, page.number, page.url, page.content))
        rows.append(judge.add_page(page.document, endpoint=page.endpoint))
        # A page may take seconds to arrive: no transaction stays open while it does.
        session.rollback()
    return judge.verdict()


def _write(
    session: Session,
    target: _Target,
    outcome: SyncOutcome,
    rows: Spool[list[Row]],
    verdict: Verdict,
    now: datetime,
) -> SyncOutcome:
    provider = target.provider
    # A model whose item was refused is still listed: its last good row stays, and it is not missing.
    kept = catalog.previous_rows(session, provider.id, sorted(verdict.rejected_ids)).values()
    listed = last_of_each(chain.from_iterable(rows), verdict.superseded)
    coverage = _Coverage()
    written = catalog.write_models(
        session,
        provider.id,
        coverage.counting(_overridden(chain(listed, kept), catalog.overrides(session, provider.id))),
        rule_version=target.version,
        now=now,
    )
    return replace(
        outcome,
        created=written.created,
        updated=written.updated,
        unchanged=written.unchanged,
        missing=written.missing,
        removed=written.removed,
        restored=written.restored,
        changes=written.changes,
        total_changes=written.total_changes,
        capability_coverage=coverage.share,
    )


def _overridden(rows: Iterable[Row], overrides: Mapping[str, Mapping[str, Any]]) -> Iterator[Row]:
    for row in rows:
        override = overrides.get(row["model_id"])
        yield row if override is None else apply_override(row, override)


class _Coverage:
    """Counts rows with a known capability while they stream past."""

    def __init__(self) -> None:
        self._rows = 0
        self._covered = 0

    def counting(self, rows: Iterator[Row]) -> Iterator[Row]:
        for row in rows:
            self._rows += 1
            self._covered += any(row["capabilities"].values())
            yield row

    @property
    def share(self) -> float | None:
        return self._covered / self._rows if self._rows else None


def _record(session: Session, target: _Target, outcome: SyncOutcome, profile: Profile | None, now: datetime) -> None:
    provider_id = target.provider.id
    if profile is None:
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
        profile=profile.to_json(),
        raw_response_id=outcome.raw_response_id,
        rule_version=target.version,
        result=outcome.summary(),
    )
    if outcome.recovered:
        catalog.cancel_open_tasks(session, provider_id, f"rule version {target.version} fits again")
    if outcome.listing_changed:
        catalog.prune_raw_responses(session, provider_id)
