"""What became of each rule version: the events, and the way back that they show.

Here: the rows of `rule_version_event`, which are only ever added. Not here: the decisions (`rule_decisions`), which
record an event with every change of status.
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from provider_pipeline.catalog.tables import rule_version, rule_version_event


@dataclass(frozen=True)
class RuleEvent:
    """A status that a rule version was given; see the comments on the table for what each column means."""

    id: int
    version: int
    status: str
    reason: str
    scores: dict[str, Any] | None
    task_id: int | None
    created_by_id: int | None
    created_at: datetime


@dataclass(frozen=True)
class Why:
    """What a decision about a rule version rests on.

    Attributes:
        reason: In words.
        scores: What was measured, if anything.
        task_id: The task it answers, if any.
        created_by_id: Who decided; None for the pipeline itself.
    """

    reason: str
    scores: Mapping[str, Any] | None
    task_id: int | None
    created_by_id: int | None


def record_rule_event(session: Session, provider_id: int, version: int, status: str, why: Why) -> None:
    """Note that a version was given a status; `rule_decisions` calls it where it changes one."""
    session.execute(
        insert(rule_version_event).values(
            provider_id=provider_id,
            version=version,
            status=status,
            reason=why.reason,
            scores=None if why.scores is None else dict(why.scores),
            task_id=why.task_id,
            created_by_id=why.created_by_id,
        )
    )


def rule_events(session: Session, provider_id: int, *, version: int | None = None) -> list[RuleEvent]:
    """What became of a provider's rule versions, or of one of them, oldest first."""
    query = select(*(rule_version_event.c[name] for name in RuleEvent.__dataclass_fields__)).where(
        rule_version_event.c.provider_id == provider_id
    )
    if version is not None:
        query = query.where(rule_version_event.c.version == version)
    return [RuleEvent(**row._mapping) for row in session.execute(query.order_by(rule_version_event.c.id))]


def previous_active_version(session: Session, provider_id: int) -> int | None:
    """The version that a roll back makes active; None where there is nothing to go back to.

    A version that was rejected since is passed over.
    """
    activated = session.scalars(
        select(rule_version_event.c.version)
        .where(rule_version_event.c.provider_id == provider_id, rule_version_event.c.status == "active")
        .order_by(rule_version_event.c.id)
    )
    rejected = session.scalars(
        select(rule_version.c.version).where(
            rule_version.c.provider_id == provider_id, rule_version.c.status == "rejected"
        )
    )
    return version_before(activated, set(rejected))


def version_before(activated: Iterable[int], rejected: Set[int]) -> int | None:
    """Where a roll back leads, by the order in which versions became active.

    Going back to a version forgets what came after it, as in an editor's undo: rolling back twice goes back two steps,
    and does not return to where it began.

    Args:
        activated: Versions in the order they became active; the last is active now.
        rejected: Versions not to go back to.
    """
    path: list[int] = []
    for version in activated:
        if version in path:
            del path[path.index(version) + 1 :]
        else:
            path.append(version)
    return next((version for version in reversed(path[:-1]) if version not in rejected), None)
