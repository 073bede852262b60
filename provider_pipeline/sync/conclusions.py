"""What a reading came to, as the caller is told.

Here: outcomes, made of readings and what was known before. Not here: the writes (`settling.py`), and what an outcome
says (`outcome.py`).
"""

import time
from dataclasses import replace
from datetime import datetime
from typing import Literal

from provider_pipeline import catalog
from provider_pipeline.sync.outcome import SyncOutcome, blocking_reason
from provider_pipeline.sync.reading import Reading

Keep = Literal["all", "raw", "nothing"]
"""What is kept of a sync: everything; the listing alone; nothing, after a dry run."""


def judgement(reading: Reading, raw: catalog.RawResponseRef) -> SyncOutcome:
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
