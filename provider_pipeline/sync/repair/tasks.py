"""Opening the RULE_GEN task of a listing that is held, and telling it outside.

Here: the one way to open a task, for the Python API, the command line and the Dagster sensor. Not here: the row
(`catalog.tasks`) and the answer (`repair.py`).
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.sync.events import listing_blocked
from provider_pipeline.sync.outcome import SyncOutcome


def open_task(
    session: Session,
    slug: str,
    *,
    raw_response_id: int | None,
    issues: Iterable[Mapping[str, Any]],
    created_by_id: int | None = None,
) -> catalog.tasks.TaskRef:
    """Opens the task for a failure, or finds the one that is open for it. Commits nothing.

    Args:
        session: Session to write with.
        slug: The provider.
        raw_response_id: The stored listing that its rule does not fit.
        issues: The verdict's issues.
        created_by_id: Who asked for the sync, if anybody.
    """
    provider = catalog.providers.get(session, slug)
    listed = [dict(issue) for issue in issues]
    task = catalog.tasks.open_rule_gen_task(
        session, provider.id, raw_response_id=raw_response_id, issues=listed, created_by_id=created_by_id
    )
    if task.created:
        listing_blocked(session, task, slug, provider.id, listed, datetime.now(UTC))
    return task


def open_task_for(session: Session, outcome: SyncOutcome, *, created_by_id: int | None = None) -> catalog.tasks.TaskRef:
    """Opens the task of a blocked attempt, or finds the one that is open for the same failure."""
    return open_task(
        session,
        outcome.slug,
        raw_response_id=outcome.raw_response_id,
        issues=outcome.issues,
        created_by_id=created_by_id,
    )
