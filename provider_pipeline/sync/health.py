"""Checks, stage by stage, whether a provider could be synced: fetches and judges its listing, and writes nothing."""

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.errors import (
    ConfigurationError,
    ListingError,
    ListingRefusedError,
    MissingCredentialError,
    ModelSyncerError,
    RuleMissingError,
)
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.judge import Verdict
from provider_pipeline.sync.freshness import MAX_AGE
from provider_pipeline.sync.outcome import blocking_reason
from provider_pipeline.sync.plan import active_judge, active_source, parse_thresholds, stored_rule

STAGES: Final = ("settings", "key", "name", "connection", "tls", "authorised", "listing", "rule", "last_success")
"""In order; `last_success` is always reached."""

StageStatus = Literal["ok", "warning", "failed", "skipped"]


@dataclass(frozen=True)
class StageReport:
    """The result of one stage."""

    name: str
    status: StageStatus
    detail: str = ""


@dataclass(frozen=True)
class HealthReport:
    """The result of one check.

    Attributes:
        slug: The provider.
        stages: All of `STAGES`, in order. One that was not reached, or does not apply, is `skipped`.
        reason: Why it is not healthy, in one line.
        hint: What to do about it.
        page_count: Pages received.
        byte_count: Bytes received, decompressed.
        seconds: Duration of the fetch.
        status: The HTTP status, if the server refused.
        models: Models that the rule extracts; None if the listing is incomplete.
        rule_version: The active rule.
        last_success_at: When the provider was last synced.
    """

    slug: str
    stages: tuple[StageReport, ...]
    reason: str | None = None
    hint: str | None = None
    page_count: int = 0
    byte_count: int = 0
    seconds: float = 0.0
    status: int | None = None
    models: int | None = None
    rule_version: int | None = None
    last_success_at: datetime | None = None

    @property
    def healthy(self) -> bool:
        """Whether no stage failed."""
        return all(stage.status != "failed" for stage in self.stages)

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON."""
        last = self.last_success_at
        return {
            "provider": self.slug,
            "healthy": self.healthy,
            "reason": self.reason,
            "hint": self.hint,
            "stages": {stage.name: {"status": stage.status, "detail": stage.detail} for stage in self.stages},
            "pages": self.page_count,
            "bytes": self.byte_count,
            "seconds": round(self.seconds, 3),
            "http_status": self.status,
            "models": self.models,
            "rule_version": self.rule_version,
            "last_success_at": last.isoformat(timespec="seconds") if last else None,
        }


@dataclass
class _Check:
    """A check in progress."""

    slug: str
    state: catalog.sync_state.SyncState
    provider: catalog.providers.Provider
    pages: int = 0
    bytes: int = 0
    seconds: float = 0.0
    rule_version: int | None = None
    error: ConfigurationError | ModelSyncerError | None = None
    verdict: Verdict | None = None


def failed_stage(error: BaseException) -> str:
    """The one of `STAGES` that an error belongs to, or `crash` if it is a defect of this program."""
    if isinstance(error, ListingError):
        return error.stage
    if isinstance(error, MissingCredentialError):
        return "key"
    if isinstance(error, RuleMissingError):
        return "rule"
    return "settings" if isinstance(error, ConfigurationError) else "crash"


def check_many(
    sessions: Callable[[], AbstractContextManager[Session]],
    slugs: Iterable[str],
    *,
    client: ListingClient,
    max_workers: int = 8,
) -> Iterator[HealthReport]:
    """Checks providers in threads, each with its own session, and yields each report when it is finished.

    Raises:
        UnknownProviderError: There is no such provider.
    """

    def one(slug: str) -> HealthReport:
        with sessions() as session:
            return check_provider(session, slug, client=client)

    executor = ThreadPoolExecutor(max_workers=max_workers, thread_name_prefix="check")
    try:
        for future in as_completed([executor.submit(one, slug) for slug in dict.fromkeys(slugs)]):
            yield future.result()
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def check_provider(
    session: Session, slug: str, *, client: ListingClient, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> HealthReport:
    """Fetches a provider's complete listing and judges it; writes nothing.

    Raises:
        UnknownProviderError: There is no such provider.
    """
    provider = catalog.providers.get(session, slug)
    check = _Check(slug, catalog.sync_state.get(session, provider.id), provider)
    try:
        active = catalog.rule_versions.active(session, provider.id)
        check.rule_version = active.version
        session.rollback()
        _fetch(session, check, stored_rule(session, active), client, clock())
    except (ConfigurationError, ModelSyncerError) as error:
        check.error = error
    session.rollback()
    return _report(check, clock())


def _fetch(session: Session, check: _Check, rule: ExtractionRule, client: ListingClient, now: datetime) -> None:
    thresholds = parse_thresholds(check.slug, check.provider.thresholds)
    source = active_source(check.provider, rule)
    pace = client.pace(source)
    judge = active_judge(session, check.provider, rule, thresholds, check.state, now=now, watch=pace.keep)
    pages = client.pages(source, pace=pace)
    while True:
        started = time.monotonic()
        try:
            page = next(pages, None)
        finally:
            check.seconds += time.monotonic() - started
        if page is None:
            break
        check.pages += 1
        check.bytes += len(page.content)
        judge.add_page(page.document, endpoint=page.endpoint)
        session.rollback()  # no open transaction while waiting for the next page
    check.verdict = judge.verdict()


def _report(check: _Check, now: datetime) -> HealthReport:
    error, verdict = check.error, check.verdict
    unfit = verdict is not None and not verdict.valid
    reason = None if error is None else error.message
    hint = None if error is None else error.hint
    if verdict is not None and unfit:
        reason = blocking_reason(check.slug, verdict.issues)
        hint = next((each["recovery"] for each in verdict.issues if each["severity"] == "error"), None)
    failed = "rule" if unfit else None if error is None else failed_stage(error)
    return HealthReport(
        check.slug,
        tuple(_stages(check, failed, now)),
        reason=reason,
        hint=hint,
        page_count=check.pages,
        byte_count=check.bytes,
        seconds=check.seconds,
        status=error.status if isinstance(error, ListingRefusedError) else None,
        models=verdict.profile.count if verdict is not None else None,
        rule_version=check.rule_version,
        last_success_at=check.state.last_success_at,
    )


def _stages(check: _Check, failed: str | None, now: datetime) -> Iterator[StageReport]:
    reached = True
    asked = check.rule_version is not None
    for name in STAGES[:-1]:
        if name == failed:
            yield StageReport(name, "failed", _detail(check, name))
            reached = False
        elif reached and asked and (why_not := _reason_to_skip(check, name)) is None:
            yield StageReport(name, "ok", _detail(check, name))
        else:
            yield StageReport(name, "skipped", why_not or "" if reached and asked else "not reached")
    yield _last_success(check.state.last_success_at, now)


def _reason_to_skip(check: _Check, name: str) -> str | None:
    """Why a stage does not apply to this provider; None if it does."""
    if name == "key" and check.provider.auth_config.get("type", "none") == "none":
        return "none is sent"
    return "plain http" if name == "tls" and urlsplit(check.provider.base_url).scheme == "http" else None


def _detail(check: _Check, name: str) -> str:
    if name == "listing":
        pages = f"{check.pages} page{'' if check.pages == 1 else 's'}"
        return f"{pages}, {check.bytes:,} bytes, {check.seconds:.2f} s"
    if name == "rule" and check.verdict is not None:
        return f"version {check.rule_version}: {check.verdict.profile.count} models"
    return ""


def _last_success(last: datetime | None, now: datetime) -> StageReport:
    if last is None:
        return StageReport("last_success", "warning", "never synced")
    status: StageStatus = "ok" if now - last <= MAX_AGE else "warning"
    return StageReport("last_success", status, f"{last.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")
