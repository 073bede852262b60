"""Providers: registering them, finding them, and which of them are due.

Here: the rows of `provider` and `provider_metadata`. Not here: the rules (`rule_versions`), and what `auth_config`,
`request_config` and `thresholds` mean, which the listing client and the rules know.
"""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

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

# Schedules drift by seconds; without slack an hourly check would skip every other hourly run.
_DUE_AFTER = 0.9


@dataclass(frozen=True)
class Provider:
    """An AI vendor or gateway, and how it is reached.

    Attributes:
        id: Key in every other table.
        slug: Short name in lower case.
        name: Name for people.
        base_url: Address its endpoints start with.
        auth_config: How requests are authenticated; names environment variables only.
        request_config: What requests may do and their own limits.
        enabled: Whether scheduled syncs include it.
        check_every: Least time between scheduled syncs; None for every run.
        thresholds: Plausibility thresholds that differ from the defaults.
        raw_keep_count: How many of its listings are kept.
        raw_keep_for: How long a listing is kept after it last came; None for no such limit.
        removal_after: Accepted listings in a row that must leave a model out before it counts as removed.
        removal_age: How long ago it must have been listed last, besides.
        is_sample: Whether it is a sample provider of the demo; its models are no vendor's.
        active_rule_version: Version of the active rule; None before the first.
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
) -> Provider:
    """Register a provider, or bring an existing one of that slug up to date.

    Rows that already say so are left untouched. For an existing provider, None keeps what is stored; a disabled
    provider stays disabled.

    Raises:
        ConfigurationError: The slug, name, address or interval is not acceptable; or it is a sample and the catalogue
            has other providers, or the other way round.
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
        raise ConfigurationError(
            f"provider {slug!r} cannot be registered: {_refusal(error)}",
            hint="a slug is lower-case letters and digits joined by '-', '_' or '.'; a base URL is "
            "http(s)://HOST/PATH without credentials or query",
        ) from error
    return get(session, slug)


def key_destinations(session: Session, keys: Iterable[str]) -> dict[str, list[str]]:
    """The origins of the providers that were ever registered with each of these keys.

    Args:
        keys: Variables' names, and files' paths.
    """
    found: dict[str, list[str]] = {}
    query = select(key_destination.c.key, key_destination.c.origin).where(key_destination.c.key.in_(list(keys)))
    for key, origin in session.execute(query.order_by(key_destination.c.key, key_destination.c.origin)):
        found.setdefault(key, []).append(origin)
    return found


def get(session: Session, slug: str) -> Provider:
    """The provider of that slug.

    Raises:
        UnknownProviderError: There is none; names similar ones.
    """
    row = session.execute(_providers().where(provider.c.slug == slug)).one_or_none()
    if row is None:
        raise unknown(session, slug)
    return _provider(row)


def find_id(session: Session, slug: str) -> int | None:
    """The key of the provider of that slug; None if there is none (any more)."""
    return session.scalar(select(provider.c.id).where(provider.c.slug == slug))


def list_providers(session: Session, *, enabled_only: bool = True) -> list[Provider]:
    """Every provider, sorted by slug.

    Args:
        enabled_only: Leave disabled ones out.
    """
    query = _providers().order_by(provider.c.slug)
    if enabled_only:
        query = query.where(provider.c.enabled)
    return [_provider(row) for row in session.execute(query)]


def is_one_of_providers(column: ColumnElement[int]) -> ColumnElement[bool]:
    """Whether a column holds one of the keys that the parameter `provider_ids` lists."""
    return column == any_(bindparam("provider_ids", type_=ARRAY(BigInteger)))


def lock(session: Session, provider_id: int) -> None:
    """Keep others from writing a provider's models and deciding about its rules until the transaction ends.

    Whoever locks more takes this first: then its trials, its tasks, and what is stored of it. Syncs lock many providers
    at once, in the order of their keys: `SyncLocks.lock_providers`.
    """
    session.execute(select(provider.c.id).where(provider.c.id == provider_id).with_for_update(key_share=True))


def active_rule_versions(session: Session, provider_ids: Iterable[int]) -> dict[int, int]:
    """The version of each provider's active rule; those without one are left out.

    It stays the active one until the transaction ends if the provider was locked before.
    """
    query = select(rule_version.c.provider_id, rule_version.c.version).where(
        rule_version.c.status == "active",
        is_one_of_providers(rule_version.c.provider_id),
    )
    return {row.provider_id: row.version for row in session.execute(query, {"provider_ids": list(provider_ids)})}


def set_enabled(session: Session, slug: str, enabled: bool) -> None:
    """Include a provider in scheduled syncs, or leave it out; its rows stay.

    Raises:
        UnknownProviderError: There is no provider of that slug.
        ConfigurationError: It is a sample, and would be synced beside providers that are not.
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
    """The sample providers: in the demo's catalogue, all there are."""
    return frozenset(session.scalars(select(provider.c.slug).where(provider.c.is_sample)))


def due(session: Session, now: datetime) -> list[str]:
    """Slugs of the enabled providers a scheduled sync should check now, sorted.

    A provider is due when nine tenths of its `check_every` have passed since the last check.
    """
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
    provider_metadata.c.version.label("active_rule_version"),
)
"""What makes a `Provider`, from `provider` joined with `provider_metadata`."""


def _providers() -> Select[Any]:
    return select(*PROVIDER_COLUMNS).join(provider_metadata, provider_metadata.c.provider_id == provider.c.id)


def _provider(row: Row[Any]) -> Provider:
    return Provider(**row._mapping)


def _upsert(session: Session, table: Any, *, key: dict[str, Any], values: dict[str, Any]) -> None:
    """Insert, or update only if a value differs, so that an unchanged row stays the same row version."""
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
    """What there is to say when no provider has this slug: which ones have similar ones."""
    slugs = session.scalars(select(provider.c.slug).order_by(provider.c.slug)).all()
    close = difflib.get_close_matches(slug, slugs, n=3)
    if close:
        hint = f"did you mean {', '.join(close)}?"
    elif slugs:
        hint = f"there are {len(slugs)}: {', '.join(slugs[:5])}{', …' if len(slugs) > 5 else ''}"
    else:
        hint = "none is registered yet"
    return UnknownProviderError(f"no provider {slug!r}", hint=hint)


def _refuse_mixture(slug: str, error: IntegrityError | DataError) -> None:
    """Raises what the database says of samples beside other providers; returns for any other error."""
    if isinstance(error.orig, RestrictViolation):
        told = error.orig.diag
        raise ConfigurationError(f"{slug}: {told.message_primary}", hint=told.message_hint) from error


def _refusal(error: IntegrityError | DataError) -> str:
    constraint = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
    if constraint:
        return f"it breaks {constraint}"
    return str(error.orig).splitlines()[0]
