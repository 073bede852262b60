"""How each provider's latest sync went.

Here: the rows of `provider_sync`. Not here: what the syncs changed (`models`), and whether a provider is due
(`providers`).
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.orm import Session

from provider_pipeline.catalog.tables import provider, provider_sync, raw_response

_LONGEST_MESSAGE = 1000


@dataclass(frozen=True)
class SyncState:
    """A provider's row of `provider_sync`, or what stands for it before the first sync.

    `content` is the digest of the last accepted listing, as `ListingContent.sha256`.
    """

    last_checked_at: datetime | None = None
    last_success_at: datetime | None = None
    consecutive_failures: int = 0
    last_error_kind: str | None = None
    last_error: str | None = None
    validators: list[dict[str, Any]] = field(default_factory=list)
    basis: str | None = None
    profile: dict[str, Any] | None = None
    raw_response_id: int | None = None
    content: str | None = None
    rule_version: int | None = None
    last_result: dict[str, Any] = field(default_factory=dict)


def get_sync_state(session: Session, provider_id: int) -> SyncState:
    """How the provider's latest sync went; all None and zero before the first."""
    columns = [provider_sync.c[name] for name in SyncState.__dataclass_fields__ if name != "content"]
    query = (
        select(*columns, raw_response.c.sha256.label("content"))
        .outerjoin(raw_response, raw_response.c.id == provider_sync.c.raw_response_id)
        .where(provider_sync.c.provider_id == provider_id)
    )
    row = session.execute(query).mappings().one_or_none()
    return SyncState(**row) if row is not None else SyncState()


@dataclass(frozen=True)
class LastSuccess:
    """When a provider was last synced well, and how often it failed since.

    Attributes:
        at: The last success; for a provider without one, when it was added.
        consecutive_failures: Attempts since that did not succeed.
    """

    at: datetime
    consecutive_failures: int


def last_successes(session: Session) -> dict[str, LastSuccess]:
    """The last success of each enabled provider, by slug."""
    query = (
        select(
            provider.c.slug,
            func.coalesce(provider_sync.c.last_success_at, provider.c.created_at),
            func.coalesce(provider_sync.c.consecutive_failures, 0),
        )
        .outerjoin(provider_sync, provider_sync.c.provider_id == provider.c.id)
        .where(provider.c.enabled)
        .order_by(provider.c.slug)
    )
    return {slug: LastSuccess(at, failures) for slug, at, failures in session.execute(query)}


def record_success(
    session: Session,
    provider_id: int,
    *,
    now: datetime,
    profile: Mapping[str, Any] | None,
    raw_response_id: int | None,
    rule_version: int,
    result: Mapping[str, Any],
    validators: Sequence[Mapping[str, Any]] = (),
    basis: str | None = None,
) -> None:
    """Note that a complete listing was accepted.

    Call it after `write_models` of the same sync, which reads when the listing before was accepted.

    Args:
        session: Session to write with.
        provider_id: The provider.
        now: When the listing was fetched.
        profile: The listing's profile; None keeps the stored one.
        raw_response_id: The stored listing.
        rule_version: The rule version that read it.
        result: What the sync came to, as plain JSON.
        validators: What the server gave to recognise each page by; see the comment on the column.
        basis: Digest of all that the listing was read with; None if a repeat of it is to be judged anew.
    """
    values = {
        "provider_id": provider_id,
        "last_checked_at": now,
        "last_success_at": now,
        "consecutive_failures": 0,
        "validators": [dict(each) for each in validators],
        "basis": basis,
        "profile": None if profile is None else dict(profile),
        "raw_response_id": raw_response_id,
        "rule_version": rule_version,
        "last_result": dict(result),
    }
    session.execute(_success(), values)


@functools.cache
def _success() -> Insert:
    statement = insert(provider_sync)
    new, old = statement.excluded, provider_sync.c
    return statement.on_conflict_do_update(
        index_elements=["provider_id"],
        set_={
            "last_checked_at": func.greatest(old.last_checked_at, new.last_checked_at),
            "last_success_at": func.greatest(old.last_success_at, new.last_success_at),
            "consecutive_failures": 0,
            "last_error_kind": None,
            "last_error": None,
            "validators": new.validators,
            "basis": new.basis,
            "profile": func.coalesce(new.profile, old.profile),
            "raw_response_id": new.raw_response_id,
            "rule_version": new.rule_version,
            "last_result": new.last_result,
        },
    )


def record_repeat(
    session: Session,
    provider_id: int,
    *,
    state: SyncState,
    now: datetime,
    result: Mapping[str, Any],
    validators: Sequence[Mapping[str, Any]],
) -> bool:
    """Note that the last accepted listing came once more and nothing follows from it; no other row is touched.

    Args:
        session: Session to write with.
        provider_id: The provider.
        state: What was read before the listing was fetched.
        now: When the listing was fetched.
        result: What the sync came to, as plain JSON.
        validators: As in `record_success`.

    Returns:
        False, and nothing is written, if another sync of the provider ended since `state` was read.
    """
    old = provider_sync.c
    same = [old[name].is_not_distinct_from(getattr(state, name)) for name in ("raw_response_id", "basis")]
    statement = update(provider_sync).where(old.provider_id == provider_id, old.consecutive_failures == 0, *same)
    values = {
        "last_checked_at": func.greatest(old.last_checked_at, now),
        "last_success_at": func.greatest(old.last_success_at, now),
        "validators": [dict(each) for each in validators],
        "last_result": dict(result),
    }
    return session.scalar(statement.values(**values).returning(old.provider_id)) is not None


def record_failure(
    session: Session, provider_id: int, *, now: datetime, kind: str, message: str, result: Mapping[str, Any]
) -> None:
    """Note that a sync failed; what is known of the last success stays.

    Args:
        session: Session to write with.
        provider_id: The provider.
        now: When it failed.
        kind: What kind of failure, for example the exception's name.
        message: One line, without secrets; a longer text is cut.
        result: What the sync came to, as plain JSON.
    """
    line = " ".join(message.replace("\x00", " ").split())[:_LONGEST_MESSAGE]
    statement = insert(provider_sync).values(
        provider_id=provider_id,
        last_checked_at=now,
        consecutive_failures=1,
        last_error_kind=kind,
        last_error=line,
        last_result=dict(result),
    )
    new, old = statement.excluded, provider_sync.c
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["provider_id"],
            set_={
                "last_checked_at": func.greatest(old.last_checked_at, new.last_checked_at),
                "consecutive_failures": old.consecutive_failures + 1,
                "last_error_kind": new.last_error_kind,
                "last_error": new.last_error,
                "last_result": new.last_result,
            },
        )
    )
