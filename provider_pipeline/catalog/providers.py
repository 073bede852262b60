"""`provider` and `provider_metadata`: registering, finding and locking providers, and which of them are due."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from psycopg.errors import RestrictViolation
from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Row,
    Select,
    any_,
    bindparam,
    extract,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.orm import Session

from provider_pipeline.catalog.statements import statement
from provider_pipeline.catalog.tables import key_destination, provider, provider_metadata, provider_sync, rule_version
from provider_pipeline.errors import ConfigurationError, UnknownProviderError
from provider_pipeline.rules.issues import shown

# Schedules drift by seconds: without slack, an hourly check would skip every other hourly run.
_DUE_AFTER = 0.9
_CONSTRAINTS: Final = {
    "provider_slug_format": "a slug has at most 64 characters, lower-case letters and digits joined by '-', '_' or '.'",
    "provider_name_length": "a name has 1 to 200 characters",
    "provider_metadata_base_url_format": "a base URL is http(s)://HOST/PATH without credentials or query",
    "provider_check_every_positive": "the time between two syncs must be above zero",
    "provider_raw_keep_count_positive": "at least one response must be kept",
}


@dataclass(frozen=True)
class Provider:
    """An AI vendor or gateway and how it is reached.

    Attributes:
        auth_config: How requests are authenticated; names environment variables, never secrets.
        request_config: Permissions and limits of requests.
        enabled: Whether scheduled syncs include it.
        check_every: Minimum time between scheduled syncs; None for every run.
        thresholds: Plausibility thresholds that differ from the defaults.
        raw_keep_count: Stored listings to keep.
        raw_keep_for: How long to keep a listing after it was last received; None for no limit.
        removal_after: Accepted listings in a row that must leave a model out before it is removed.
        removal_age: Minimum time since it was last listed before it is removed.
        is_sample: Whether it is one of the demo's sample providers, with invented models.
        peer_ids: Its name at peers, by peer; by the models' purpose where that matters, with `default`.
    """

    id: int
    slug: str
    name: str
    base_url: str
    auth_config: dict[str, Any]
    request_config: dict[str, Any]
    enabled: bool
    check_every: timedelta | None
    thresholds: dict[str, Any]
    raw_keep_count: int
    raw_keep_for: timedelta | None
    removal_after: int
    removal_age: timedelta
    is_sample: bool
    peer_ids: dict[str, Any]
    active_rule_version: int | None


def add(
    session: Session,
    *,
    slug: str,
    name: str,
    base_url: str,
    auth_config: Mapping[str, Any],
    request_config: Mapping[str, Any] | None = None,
    check_every: timedelta | None = None,
    thresholds: Mapping[str, Any] | None = None,
    raw_keep_count: int | None = None,
    raw_keep_for: timedelta | None = None,
    removal_after: int | None = None,
    removal_age: timedelta | None = None,
    is_sample: bool = False,
    peer_ids: Mapping[str, Any] | None = None,
) -> Provider:
    """Register a provider, or update the one with this slug.

    Unchanged rows are not touched. For an existing provider, None keeps the stored value, and a disabled one stays
    disabled.

    Raises:
        ConfigurationError: The slug, name, address or interval is invalid, or samples would mix with other providers.
    """
    try:
        with session.begin_nested():
            wanted: dict[str, Any] = {
                "is_sample": is_sample,
                "name": name,
                "check_every": check_every,
                "thresholds": thresholds,
                "raw_keep_count": raw_keep_count,
                "raw_keep_for": raw_keep_for,
                "removal_after": removal_after,
                "removal_age": removal_age,
                "peer_ids": None if peer_ids is None else dict(peer_ids),
            }
            given = {column: value for column, value in wanted.items() if value is not None}
            _upsert(session, provider, key={"slug": slug}, values=given)
            provider_id = session.scalars(select(provider.c.id).where(provider.c.slug == slug)).one()
            address = {"base_url": base_url, "auth_config": dict(auth_config)}
            if request_config is not None:
                address["request_config"] = dict(request_config)
            _upsert(session, provider_metadata, key={"provider_id": provider_id, "slug": slug}, values=address)
            session.execute(statement("note_key_destinations"), {"provider_id": provider_id})
    except (IntegrityError, DataError) as error:
        _refuse_mixture(slug, error)
        raise ConfigurationError(f"provider {shown(slug)!r} cannot be registered: {_refusal(error)}") from error
    return get(session, slug)


def stated_rule(session: Session, provider_id: int) -> dict[str, Any]:
    """The parts of a provider's rule that a person states."""
    found: dict[str, Any] = session.scalars(select(provider.c.stated_rule).where(provider.c.id == provider_id)).one()
    return found


def state_rule(session: Session, provider_id: int, document: Mapping[str, Any]) -> None:
    """Keep what a person states of a provider's rule, in place of what was stated before."""
    session.execute(
        update(provider)
        .where(provider.c.id == provider_id, provider.c.stated_rule != dict(document))
        .values(stated_rule=dict(document), updated_at=func.now())
    )


def key_destinations(session: Session, keys: Iterable[str]) -> dict[str, list[str]]:
    """The origins that each key (a variable's name or a file's path) was ever registered for."""
    found: dict[str, list[str]] = {}
    query = select(key_destination.c.key, key_destination.c.origin).where(key_destination.c.key.in_(list(keys)))
    for key, origin in session.execute(query.order_by(key_destination.c.key, key_destination.c.origin)):
        found.setdefault(key, []).append(origin)
    return found


def get(session: Session, slug: str) -> Provider:
    """The provider of that slug.

    Raises:
        UnknownProviderError: No such provider; the hint suggests similar slugs.
    """
    row = session.execute(_providers().where(provider.c.slug == slug)).one_or_none()
    if row is None:
        raise unknown(session, slug)
    return _provider(row)


def find_id(session: Session, slug: str) -> int | None:
    """The provider's key, or None if it does not exist (any more)."""
    return session.scalar(select(provider.c.id).where(provider.c.slug == slug))


def list_providers(session: Session, *, enabled_only: bool = True) -> list[Provider]:
    """Providers by slug."""
    query = _providers().order_by(provider.c.slug)
    if enabled_only:
        query = query.where(provider.c.enabled)
    return [_provider(row) for row in session.execute(query)]


def listing_paths(session: Session) -> dict[str, list[str]]:
    """The paths that the active rules ask for listings, by slug."""
    endpoint = provider_metadata.c.model_list_config["endpoint"]
    query = select(provider_metadata.c.slug, endpoint).where(endpoint.is_not(None))
    return {
        slug: [each["endpoint"] for each in stored if each.get("endpoint")] if isinstance(stored, list) else [stored]
        for slug, stored in session.execute(query)
        if stored
    }


def is_one_of_providers(column: ColumnElement[int]) -> ColumnElement[bool]:
    """An SQL condition: the column is in the array parameter `provider_ids`."""
    return column == any_(bindparam("provider_ids", type_=ARRAY(BigInteger)))


def lock(session: Session, provider_id: int) -> None:
    """Lock a provider's models and rules against other writers until the transaction ends.

    Lock order: first the provider, then its trials, its tasks, its stored responses. Syncs lock many providers at once,
    by key: `SyncLocks.lock_providers`.
    """
    session.execute(select(provider.c.id).where(provider.c.id == provider_id).with_for_update(key_share=True))


def active_rule_versions(session: Session, provider_ids: Iterable[int]) -> dict[int, int]:
    """The active rule version of each provider that has one; fixed until the transaction ends if it is locked."""
    query = select(rule_version.c.provider_id, rule_version.c.version).where(
        rule_version.c.status == "active",
        is_one_of_providers(rule_version.c.provider_id),
    )
    return {row.provider_id: row.version for row in session.execute(query, {"provider_ids": list(provider_ids)})}


def set_enabled(session: Session, slug: str, enabled: bool) -> None:
    """Include a provider in scheduled syncs or exclude it; its rows stay.

    Raises:
        UnknownProviderError: There is no such provider.
        ConfigurationError: Samples would be synced beside other providers.
    """
    provider_id = get(session, slug).id
    switch = (
        update(provider)
        .where(provider.c.id == provider_id, provider.c.enabled != enabled)
        .values(enabled=enabled, updated_at=func.now())
    )
    try:
        with session.begin_nested():
            session.execute(switch)
    except IntegrityError as error:
        _refuse_mixture(slug, error)
        raise


def sample_slugs(session: Session) -> frozenset[str]:
    """The sample providers; in the demo's catalogue, all providers."""
    return frozenset(session.scalars(select(provider.c.slug).where(provider.c.is_sample)))


def first_added_at(session: Session) -> datetime | None:
    """When the first provider was added: the catalogue has no history before; None without providers."""
    added: datetime | None = session.scalar(select(func.min(provider.c.created_at)))
    return added


def due(session: Session, now: datetime) -> list[str]:
    """Enabled providers due for a scheduled sync, by slug: nine tenths of `check_every` have passed since the last."""
    query = (
        select(provider.c.slug)
        .outerjoin(provider_sync, provider_sync.c.provider_id == provider.c.id)
        .where(
            provider.c.enabled,
            or_(
                provider.c.check_every.is_(None),
                provider_sync.c.last_checked_at.is_(None),
                extract("epoch", now - provider_sync.c.last_checked_at)
                >= extract("epoch", provider.c.check_every) * _DUE_AFTER,
            ),
        )
        .order_by(provider.c.slug)
    )
    return list(session.scalars(query))


PROVIDER_COLUMNS = (
    provider.c.id,
    provider.c.slug,
    provider.c.name,
    provider_metadata.c.base_url,
    provider_metadata.c.auth_config,
    provider_metadata.c.request_config,
    provider.c.enabled,
    provider.c.check_every,
    provider.c.thresholds,
    provider.c.raw_keep_count,
    provider.c.raw_keep_for,
    provider.c.removal_after,
    provider.c.removal_age,
    provider.c.is_sample,
    provider.c.peer_ids,
    provider_metadata.c.version.label("active_rule_version"),
)
"""The columns of a `Provider`, from `provider` joined with `provider_metadata`."""


def _providers() -> Select[Any]:
    return select(*PROVIDER_COLUMNS).join(provider_metadata, provider_metadata.c.provider_id == provider.c.id)


def _provider(row: Row[Any]) -> Provider:
    return Provider(**row._mapping)


def _upsert(session: Session, table: Any, *, key: dict[str, Any], values: dict[str, Any]) -> None:
    """Insert, or update only if a value differs, so that an unchanged row keeps its row version."""
    statement = insert(table).values(**key, **values)
    differs: list[ColumnElement[bool]] = [table.c[name].is_distinct_from(statement.excluded[name]) for name in values]
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["slug"],
            set_={**{name: statement.excluded[name] for name in values}, "updated_at": func.now()},
            where=or_(*differs),
        )
    )


def unknown(session: Session, slug: str) -> UnknownProviderError:
    """The error for an unknown slug, with suggestions."""
    slugs = session.scalars(select(provider.c.slug).order_by(provider.c.slug)).all()
    close = difflib.get_close_matches(slug, slugs, n=3)
    if close:
        hint = f"did you mean {', '.join(close)}?"
    elif slugs:
        hint = f"there are {len(slugs)}: {', '.join(slugs[:5])}{', …' if len(slugs) > 5 else ''}"
    else:
        hint = "none is registered yet"
    return UnknownProviderError(f"no provider {shown(slug)!r}", hint=hint)


def _refuse_mixture(slug: str, error: IntegrityError | DataError) -> None:
    """Raises if the database refused to mix samples with other providers; returns for any other error."""
    if isinstance(error.orig, RestrictViolation):
        told = error.orig.diag
        raise ConfigurationError(f"{slug}: {told.message_primary}", hint=told.message_hint) from error


def _refusal(error: IntegrityError | DataError) -> str:
    constraint = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
    if constraint:
        return _CONSTRAINTS.get(constraint, "one of its settings is out of range")
    return str(error.orig).splitlines()[0]
