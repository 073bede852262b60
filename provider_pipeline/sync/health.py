"""Whether a provider can be synced, stage by stage, without syncing it.

Here: asking it once, and telling how far that came. Not here: drawing it (the command line), the checks of a sync
(Dagster). The concept: the listing is fetched and judged as a sync would, and nothing is written; what failed is told
by the error's own stage, never by its words.
"""

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
from provider_pipeline.sync.config import active_judge, active_source, parse_thresholds, stored_rule
from provider_pipeline.sync.freshness import MAX_AGE
from provider_pipeline.sync.outcome import blocking_reason

STAGES: Final = ("settings", "key", "name", "connection", "tls", "authorised", "listing", "rule", "last_success")
"""In the order in which they are reached."""

StageStatus = Literal["ok", "warning", "failed", "skipped"]


@dataclass(frozen=True)
class StageReport:
    """One stage: whether it was passed, and what is to be said of it."""

    name: str
    status: StageStatus
    detail: str = ""


@dataclass(frozen=True)
class HealthReport:
    """What one check found.

    Attributes:
        slug: The provider.
        stages: All of `STAGES`, in order. One that was not reached, or does not apply, is `skipped`.
        reason: Why it is not well, in one line.
        hint: What to do about it.
        page_count: Pages that came.
        byte_count: Bytes that came, decompressed.
        seconds: How long the fetch took.
        status: The HTTP status, if that is what the server refused with.
        models: What the rule reads of the listing; None if it was not read.
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
class _Look:
    """One check on its way."""

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
    """Which of `STAGES` an error of a fetch belongs to; `crash` for one that is nobody's but ours."""
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
    """Checks providers in threads, and yields each report as it is finished.

    Args:
        sessions: Opens a session; called once per provider, in its thread.
        slugs: The providers; a repeated slug is checked once.
        client: Fetches the listings; shared by the threads.
        max_workers: Providers at the same time.

    Raises:
        UnknownProviderError: One of them is not there.
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
    """Asks a provider for its whole listing, judges it, and writes nothing.

    Raises:
        UnknownProviderError: There is no such provider.
    """
    provider = catalog.providers.get(session, slug)
    look = _Look(slug, catalog.sync_state.get(session, provider.id), provider)
    try:
        active = catalog.rule_versions.active(session, provider.id)
        look.rule_version = active.version
        session.rollback()
        _fetch(session, look, stored_rule(active), client, clock())
    except (ConfigurationError, ModelSyncerError) as error:
        look.error = error
    session.rollback()
    return _report(look, clock())


def _fetch(session: Session, look: _Look, rule: ExtractionRule, client: ListingClient, now: datetime) -> None:
    thresholds = parse_thresholds(look.slug, look.provider.thresholds)
    source = active_source(look.provider, rule)
    pace = client.pace(source)
    judge = active_judge(session, look.provider, rule, thresholds, look.state, now=now, watch=pace.keep)
    pages = client.pages(source, pace=pace)
    while True:
        started = time.monotonic()
        try:
            page = next(pages, None)
        finally:
            look.seconds += time.monotonic() - started
        if page is None:
            break
        look.pages += 1
        look.bytes += len(page.content)
        judge.add_page(page.document, endpoint=page.endpoint)
        # The next page may take its time; meanwhile no transaction is open.
        session.rollback()
    look.verdict = judge.verdict()


def _report(look: _Look, now: datetime) -> HealthReport:
    error, verdict = look.error, look.verdict
    unfit = verdict is not None and not verdict.valid
    reason = None if error is None else error.message
    hint = None if error is None else error.hint
    if verdict is not None and unfit:
        reason = blocking_reason(look.slug, verdict.issues)
        hint = next((each["recovery"] for each in verdict.issues if each["severity"] == "error"), None)
    failed = "rule" if unfit else None if error is None else failed_stage(error)
    return HealthReport(
        look.slug,
        tuple(_stages(look, failed, now)),
        reason=reason,
        hint=hint,
        page_count=look.pages,
        byte_count=look.bytes,
        seconds=look.seconds,
        status=error.status if isinstance(error, ListingRefusedError) else None,
        models=verdict.profile.count if verdict is not None else None,
        rule_version=look.rule_version,
        last_success_at=look.state.last_success_at,
    )


def _stages(look: _Look, failed: str | None, now: datetime) -> Iterator[StageReport]:
    reached = True
    asked = look.rule_version is not None
    for name in STAGES[:-1]:
        if name == failed:
            yield StageReport(name, "failed", _came_to(look, name))
            reached = False
        elif reached and asked and (applies := _applies(look, name)) is None:
            yield StageReport(name, "ok", _came_to(look, name))
        else:
            yield StageReport(name, "skipped", applies or "" if reached and asked else "not reached")
    yield _last_success(look.state.last_success_at, now)


def _applies(look: _Look, name: str) -> str | None:
    """Why a stage that was reached says nothing of this provider; None if it does."""
    if name == "key" and look.provider.auth_config.get("type", "none") == "none":
        return "none is sent"
    return "plain http" if name == "tls" and urlsplit(look.provider.base_url).scheme == "http" else None


def _came_to(look: _Look, name: str) -> str:
    if name == "listing":
        pages = f"{look.pages} page{'' if look.pages == 1 else 's'}"
        return f"{pages}, {look.bytes:,} bytes, {look.seconds:.2f} s"
    if name == "rule" and look.verdict is not None:
        return f"version {look.rule_version}: {look.verdict.profile.count} models"
    return ""


def _last_success(last: datetime | None, now: datetime) -> StageReport:
    if last is None:
        return StageReport("last_success", "warning", "never synced")
    status: StageStatus = "ok" if now - last <= MAX_AGE else "warning"
    return StageReport("last_success", status, f"{last:%Y-%m-%d %H:%M}")
