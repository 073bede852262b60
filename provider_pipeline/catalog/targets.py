"""What syncs must know of their providers before they begin, read for many of them at once.

Here: putting it together. Not here: what its parts are (`providers`, `rule_versions`, `sync_state`, `overrides`), each
of which says what its own columns mean.
"""

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, Select, Text, any_, bindparam, select
from sqlalchemy.orm import Session

from provider_pipeline.catalog.model_overrides import overrides_by_provider
from provider_pipeline.catalog.providers import PROVIDER_COLUMNS, Provider
from provider_pipeline.catalog.statements import statement
from provider_pipeline.catalog.sync_state import STATE_COLUMNS, SyncState
from provider_pipeline.catalog.tables import (
    provider,
    provider_metadata,
    provider_model,
    provider_sync,
    raw_response,
    rule_version,
)


@dataclass(frozen=True)
class ActiveRule:
    """A provider's active rule without its longest part, which it has in common with others.

    Attributes:
        version: Counts from 1 for each provider.
        origin: What made it, in a word.
        model_list_config: Endpoint, selector, fields, units and pagination, as JSON text: the same for equal ones.
        endpoints_digest: Tells its capability patterns and evidence, which `endpoints_configs` reads.
    """

    version: int
    origin: str
    model_list_config: str
    endpoints_digest: str


@dataclass(frozen=True)
class SyncTarget:
    """A provider that is to be synced, as it was when this was read.

    Attributes:
        provider: The provider.
        rule: Its active rule; None if it has none.
        state: How its latest sync went.
        overrides: The overriding values that hold now, by model id.
        any_missing: Whether its last accepted listing left a model out that does not count as removed yet.
    """

    provider: Provider
    rule: ActiveRule | None
    state: SyncState
    overrides: Mapping[str, Mapping[str, Any]]
    any_missing: bool


def sync_targets(session: Session, slugs: Iterable[str], now: datetime) -> dict[str, SyncTarget]:
    """What is known of each of these providers, by slug; those that there are not are left out.

    Args:
        session: Session to read with.
        slugs: The providers.
        now: Overrides that have ended by then are left out.
    """
    rows = [dict(row) for row in session.execute(_targets(), {"slugs": list(slugs)}).mappings()]
    overrides = overrides_by_provider(session, [row["provider.id"] for row in rows], now)
    return {row["provider.slug"]: _target(row, overrides.get(row["provider.id"], {})) for row in rows}


def endpoints_configs(session: Session, digests: Iterable[str]) -> dict[str, str]:
    """Capability patterns and evidence as JSON text, by their digest; those of no rule are left out.

    Args:
        session: Session to read with.
        digests: `ActiveRule.endpoints_digest` of the rules that are wanted.
    """
    found = session.execute(statement("read_endpoints_configs"), {"digests": list(digests)})
    return {row.endpoints_digest: row.endpoints_config for row in found}


def _target(row: Mapping[str, Any], overrides: Mapping[str, Mapping[str, Any]]) -> SyncTarget:
    def part(prefix: str) -> dict[str, Any]:
        return {name.removeprefix(prefix): value for name, value in row.items() if name.startswith(prefix)}

    return SyncTarget(
        provider=Provider(**part("provider.")),
        rule=None if row["rule.version"] is None else ActiveRule(**part("rule.")),
        state=SyncState() if row["state.last_checked_at"] is None else SyncState(**part("state.")),
        overrides=overrides,
        any_missing=row["any_missing"],
    )


@functools.cache
def _targets() -> Select[Any]:
    missing = select(provider_model.c.id).where(
        provider_model.c.provider_id == provider.c.id, provider_model.c.status == "missing"
    )
    as_text = rule_version.c.model_list_config.cast(Text).label("model_list_config")
    rule = [as_text if name == as_text.name else rule_version.c[name] for name in ActiveRule.__dataclass_fields__]
    return (
        select(
            *(column.label(f"provider.{column.key}") for column in PROVIDER_COLUMNS),
            *(column.label(f"rule.{column.key}") for column in rule),
            *(column.label(f"state.{column.key}") for column in STATE_COLUMNS),
            missing.exists().label("any_missing"),
        )
        .join(provider_metadata, provider_metadata.c.provider_id == provider.c.id)
        .outerjoin(rule_version, (rule_version.c.provider_id == provider.c.id) & (rule_version.c.status == "active"))
        .outerjoin(provider_sync, provider_sync.c.provider_id == provider.c.id)
        .outerjoin(raw_response, raw_response.c.id == provider_sync.c.raw_response_id)
        .where(provider.c.slug == any_(bindparam("slugs", type_=ARRAY(Text))))
    )
