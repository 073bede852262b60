"""`provider_sync`: the state of each provider's syncs, and all that the next sync needs to start."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import UUID

from sqlalchemy import ARRAY, Select, Text, any_, bindparam, func, or_, select, text
from sqlalchemy.dialects.postgresql import Insert, aggregate_order_by, insert
from sqlalchemy.orm import Session

from provider_pipeline import rules
from provider_pipeline.catalog.providers import PROVIDER_COLUMNS, Provider, is_one_of_providers
from provider_pipeline.catalog.statements import statement
from provider_pipeline.catalog.tables import (
    accepted_profile,
    pattern_set,
    provider,
    provider_metadata,
    provider_model,
    provider_model_override,
    provider_sync,
    raw_response,
    rule_trial,
    rule_version,
)
from provider_pipeline.catalog.tables.models import OVERRIDE_ORDER
from provider_pipeline.rules.limits import SizedCache

if TYPE_CHECKING:
    from provider_pipeline.rules.capability_rules import PatternSet
    from provider_pipeline.rules.overrides import OverrideSet, StatedValue

_MAX_MESSAGE = 1000

Part = TypeVar("Part", Provider, "ActiveRule", "SyncState")


@dataclass(frozen=True)
class SyncState:
    """A provider's row of `provider_sync`; the defaults stand for a provider that was never synced.

    Attributes:
        profile_json: `profile` as JSON text. It and the window are the largest part of a state, and an unchanged
            listing needs neither.
        content: Digest of the last accepted listing, as `ListingContent.sha256`.
        window_json: `window` as JSON text.
    """

    last_checked_at: datetime | None = None
    last_success_at: datetime | None = None
    consecutive_failures: int = 0
    last_error_kind: str | None = None
    last_error: str | None = None
    validators: list[dict[str, Any]] = field(default_factory=list)
    basis: str | None = None
    profile_json: str | None = None
    raw_response_id: int | None = None
    content: str | None = None
    rule_version: int | None = None
    pattern_set: str | None = None
    last_result: dict[str, Any] = field(default_factory=dict)
    window_json: str = "[]"

    @functools.cached_property
    def profile(self) -> dict[str, Any] | None:
        """Profile of the last accepted listing."""
        profile: dict[str, Any] | None = json.loads(self.profile_json or "null")
        return profile

    @functools.cached_property
    def window(self) -> list[dict[str, Any]]:
        """Accepted listings replaced in the last days, oldest first: `replaced_at` (ISO 8601) and `profile`."""
        window: list[dict[str, Any]] = json.loads(self.window_json)
        return window


_window = (
    select(
        func.coalesce(
            func.jsonb_agg(
                aggregate_order_by(
                    func.jsonb_build_object(
                        "replaced_at", accepted_profile.c.replaced_at, "profile", accepted_profile.c.profile
                    ),
                    accepted_profile.c.replaced_at,
                )
            ),
            text("'[]'::jsonb"),
        )
    )
    .where(accepted_profile.c.provider_id == provider_sync.c.provider_id)
    .correlate(provider_sync)
    .scalar_subquery()
)
_FROM_ELSEWHERE = {
    "content": raw_response.c.sha256.label("content"),
    "profile_json": provider_sync.c.profile.cast(Text).label("profile_json"),
    "window_json": _window.cast(Text).label("window_json"),
}
STATE_COLUMNS = tuple(
    _FROM_ELSEWHERE[name] if name in _FROM_ELSEWHERE else provider_sync.c[name]
    for name in SyncState.__dataclass_fields__
)
"""The columns of a `SyncState`, from `provider_sync` joined with its raw response."""


def get(session: Session, provider_id: int) -> SyncState:
    """The state of a provider's syncs; defaults before the first."""
    query = (
        select(*STATE_COLUMNS)
        .outerjoin(raw_response, raw_response.c.id == provider_sync.c.raw_response_id)
        .where(provider_sync.c.provider_id == provider_id)
    )
    row = session.execute(query).mappings().one_or_none()
    return SyncState(**row) if row is not None else SyncState()


@dataclass(frozen=True)
class LastSuccess:
    """A provider's last successful sync (or when it was added) and the number of failures since."""

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


@dataclass(frozen=True)
class AcceptedSync:
    """A complete listing was accepted.

    Attributes:
        rule_version: The rule version that read it.
        result: The sync's summary, as plain JSON.
        profile: The listing's profile; None keeps the stored one.
        validators: HTTP validators of each page; see the comment on the column.
        basis: Fingerprint of everything but the listing that determines its rows; None to judge a repeat anew.
        window_days: For how many days later listings are compared with the accepted ones.
        begins_window: Whether to forget the accepted listings before this one.
        pattern_set: Digest of the pattern set that was active when the listing was read.
    """

    provider_id: int
    rule_version: int
    result: Mapping[str, Any]
    profile: Mapping[str, Any] | None = None
    raw_response_id: int | None = None
    validators: Sequence[Mapping[str, Any]] = ()
    basis: str | None = None
    window_days: float = 0
    begins_window: bool = False
    pattern_set: str | None = None


@dataclass(frozen=True)
class RepeatedSync:
    """The last accepted listing was received again, unchanged.

    Attributes:
        state: The state read before the listing was fetched.
        result: As in `AcceptedSync`.
        validators: As in `AcceptedSync`.
    """

    provider_id: int
    state: SyncState
    result: Mapping[str, Any]
    validators: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class FailedSync:
    """No listing was accepted.

    Attributes:
        kind: The kind of failure, such as the exception's name.
        message: Without secrets; a longer text is cut.
        result: As in `AcceptedSync`.
    """

    provider_id: int
    kind: str
    message: str
    result: Mapping[str, Any]


def record_successes(session: Session, syncs: Sequence[AcceptedSync], *, now: datetime) -> None:
    """Record accepted listings, fetched at `now`.

    Call it after `model_writes.write` of the same syncs, which reads when the previous listings were accepted.
    """
    if syncs:
        accepted = [vars(each) | {"validators": list(each.validators)} for each in syncs]
        session.execute(statement("record_successes"), {"accepted": json.dumps(accepted), "now": now})


def record_repeats(session: Session, syncs: Sequence[RepeatedSync], *, token: UUID, now: datetime) -> set[int]:
    """Record that the last accepted listings were received again; touches no other table.

    Args:
        token: The token of these syncs' leases.
        now: When the listings were fetched.

    Returns:
        Providers updated; those synced concurrently since `state` was read, or whose lease was taken over, are skipped.
    """
    if not syncs:
        return set()
    repeats = [
        {
            "provider_id": each.provider_id,
            "raw_response_id": each.state.raw_response_id,
            "basis": each.state.basis,
            # Those of a thousand pages take longer to store than all else; a server that knows them sends the same.
            "validators": None if list(each.validators) == each.state.validators else list(map(dict, each.validators)),
            "result": dict(each.result),
        }
        for each in syncs
    ]
    parameters = {"repeats": json.dumps(repeats), "token": token, "now": now}
    return set(session.scalars(statement("record_repeats"), parameters))


def record_failures(session: Session, syncs: Sequence[FailedSync], *, now: datetime) -> None:
    """Record failed syncs; what is known of the last success stays."""
    if syncs:
        session.execute(_failure(), [_failure_values(each, now) for each in syncs])


def _failure_values(sync: FailedSync, now: datetime) -> dict[str, Any]:
    return {
        "provider_id": sync.provider_id,
        "last_checked_at": now,
        "consecutive_failures": 1,
        "last_error_kind": sync.kind,
        "last_error": " ".join(sync.message.replace("\x00", " ").split())[:_MAX_MESSAGE],
        "last_result": dict(sync.result),
    }


@functools.cache
def _failure() -> Insert:
    adding = insert(provider_sync)
    new, old = adding.excluded, provider_sync.c
    return adding.on_conflict_do_update(
        index_elements=["provider_id"],
        set_={
            "last_checked_at": func.greatest(old.last_checked_at, new.last_checked_at),
            "consecutive_failures": old.consecutive_failures + 1,
            "last_error_kind": new.last_error_kind,
            "last_error": new.last_error,
            "last_result": new.last_result,
        },
    )


@dataclass(frozen=True)
class ActiveRule:
    """A provider's active rule.

    Attributes:
        model_list_config: Endpoint, selector, fields, units and pagination, as JSON text; equal for equal rules.
        endpoints_config: Capability patterns and evidence, likewise.
        sample_id: The stored listing it was generated from, if any.
    """

    version: int
    origin: str
    model_list_config: str
    endpoints_config: str
    sample_id: int | None


@dataclass(frozen=True)
class SyncTarget:
    """What a sync of a provider starts from.

    Attributes:
        overrides: Current overrides.
        any_missing: Whether a model is missing: left out of the last accepted listing but not removed yet.
        on_trial: Whether a rule version is on trial.
    """

    provider: Provider
    rule: ActiveRule | None
    state: SyncState
    overrides: OverrideSet
    any_missing: bool
    on_trial: bool


def sync_targets(session: Session, slugs: Iterable[str], now: datetime) -> dict[str, SyncTarget]:
    """Initial state of these providers' syncs, by slug; unknown providers are left out."""
    rows = [dict(row) for row in session.execute(_targets(), {"slugs": list(slugs)}).mappings().all()]
    overrides = overrides_by_provider(session, [row["provider.id"] for row in rows], now)
    none = rules.overrides.OverrideSet()
    return {row["provider.slug"]: _target(row, overrides.get(row["provider.id"], none)) for row in rows}


def _target(row: Mapping[str, Any], overrides: OverrideSet) -> SyncTarget:
    def part(kind: type[Part], prefix: str) -> Part:
        return kind(**{name: row[prefix + name] for name in kind.__dataclass_fields__})

    return SyncTarget(
        provider=part(Provider, "provider."),
        rule=None if row["rule.version"] is None else part(ActiveRule, "rule."),
        state=SyncState() if row["state.last_checked_at"] is None else part(SyncState, "state."),
        overrides=overrides,
        any_missing=row["any_missing"],
        on_trial=row["on_trial"],
    )


@functools.cache
def _targets() -> Select[Any]:
    missing = select(provider_model.c.id).where(
        provider_model.c.provider_id == provider.c.id, provider_model.c.status == "missing"
    )
    trial = select(rule_trial.c.id).where(rule_trial.c.provider_id == provider.c.id, rule_trial.c.status == "running")
    columns = [rule_version.c[name] for name in ActiveRule.__dataclass_fields__]
    rule = [column.cast(Text).label(column.key) if column.key.endswith("_config") else column for column in columns]
    return (
        select(
            *(column.label(f"provider.{column.key}") for column in PROVIDER_COLUMNS),
            *(column.label(f"rule.{column.key}") for column in rule),
            *(column.label(f"state.{column.key}") for column in STATE_COLUMNS),
            missing.exists().label("any_missing"),
            trial.exists().label("on_trial"),
        )
        .join(provider_metadata, provider_metadata.c.provider_id == provider.c.id)
        .outerjoin(rule_version, (rule_version.c.provider_id == provider.c.id) & (rule_version.c.status == "active"))
        .outerjoin(provider_sync, provider_sync.c.provider_id == provider.c.id)
        .outerjoin(raw_response, raw_response.c.id == provider_sync.c.raw_response_id)
        .where(provider.c.slug == any_(bindparam("slugs", type_=ARRAY(Text))))
    )


_CACHED_PATTERNS: Final = 100_000
_PATTERNS: Final = SizedCache[tuple[str, frozenset[str]], "PatternSet"](_CACHED_PATTERNS)
"""Contents as read from the database, by digest and the digests of all others; both are immutable."""


def active_patterns(session: Session) -> PatternSet:
    """The active pattern set; this package's own if none is stored."""
    statuses = pattern_statuses(session)
    digest = next((digest for digest, status in statuses.items() if status == "active"), None)
    return rules.capability_rules.shipped() if digest is None else _patterns(session, digest, frozenset(statuses))


def stored_patterns(session: Session, digest: str) -> PatternSet:
    """The pattern set with this digest."""
    return _patterns(session, digest, frozenset(pattern_statuses(session)))


def pattern_statuses(session: Session) -> dict[str, str]:
    """The status of each stored content of the pattern set, by digest."""
    query = select(pattern_set.c.digest, pattern_set.c.status).where(
        pattern_set.c.name == rules.capability_rules.SHIPPED
    )
    return {row.digest: row.status for row in session.execute(query)}


def _patterns(session: Session, digest: str, known: frozenset[str]) -> PatternSet:
    found = _PATTERNS.get((digest, known))
    if found is None:
        query = select(pattern_set.c.digest, pattern_set.c.patterns).where(pattern_set.c.digest.in_(known))
        contents = {row.digest: row.patterns for row in session.execute(query)}
        patterns = contents.pop(digest)
        found = rules.capability_rules.PatternSet.of(patterns, contents.values())
        _PATTERNS.put((digest, known), found, sum(map(len, patterns.values())))
    return found


def overrides(session: Session, provider_id: int, now: datetime) -> OverrideSet:
    """A provider's current overrides."""
    return overrides_by_provider(session, [provider_id], now).get(provider_id, rules.overrides.OverrideSet())


def overrides_by_provider(session: Session, provider_ids: Iterable[int], now: datetime) -> dict[int, OverrideSet]:
    """The same for many providers; only those with overrides are included."""
    query = _current_overrides().where(
        is_one_of_providers(provider_model_override.c.provider_id),
        provider_model_override.c.field != rules.overrides.CANONICAL_ID,
    )
    return _override_sets(session, query, {"provider_ids": list(provider_ids), "now": now})


def canonical_ids(session: Session, now: datetime) -> dict[int, OverrideSet]:
    """The current overrides of `canonical_id`, which are no part of a row, by provider."""
    query = _current_overrides().where(provider_model_override.c.field == rules.overrides.CANONICAL_ID)
    return _override_sets(session, query, {"now": now})


def _override_sets(session: Session, query: Select[Any], parameters: Mapping[str, Any]) -> dict[int, OverrideSet]:
    found: dict[int, list[StatedValue]] = {}
    for row in session.execute(query, parameters):
        since = "" if row.valid_from is None else row.valid_from.astimezone(UTC).isoformat()
        stated = rules.overrides.StatedValue(
            row.match, row.model_id, row.field, row.override_value, row.source, row.fills_gaps, since
        )
        found.setdefault(row.provider_id, []).append(stated)
    return {provider_id: rules.overrides.OverrideSet(tuple(stated)) for provider_id, stated in found.items()}


@functools.cache
def _current_overrides() -> Select[Any]:
    table = provider_model_override.c
    return (
        select(
            *(table.provider_id, table.match, table.model_id, table.field, table.override_value),
            *(table.source, table.fills_gaps, table.valid_from),
        )
        .where(
            or_(table.valid_from.is_(None), table.valid_from <= bindparam("now")),
            or_(table.expires_at.is_(None), table.expires_at > bindparam("now")),
        )
        .order_by(table.provider_id, table.model_id.collate("C"), table.field.collate("C"), *OVERRIDE_ORDER)
    )
