"""Overrides by the set: all that a file, a folder or a peer's price list states, applied in one statement."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ARRAY, BigInteger, Text, exists, func, literal, select
from sqlalchemy.orm import Session

from provider_pipeline.catalog.statements import statement
from provider_pipeline.catalog.tables import provider, provider_model
from provider_pipeline.errors import CatalogError
from provider_pipeline.rules.overrides import PERSON, Match


@dataclass(frozen=True)
class StatedOverride:
    """One value that a set states; the columns of `provider_model_override`."""

    provider_id: int
    model_id: str
    match: Match
    field: str
    value: Any
    reason: str
    source_url: str | None = None
    fills_gaps: bool = False
    valid_from: datetime | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True)
class OverrideChange:
    """One override that applying a set adds, changes or removes.

    Attributes:
        was: The earlier value; None if it is new.
        value: The new value; None if it is removed.
    """

    slug: str
    action: Literal["set", "changed", "removed"]
    model_id: str
    match: Match
    field: str
    valid_from: datetime | None
    was: Any
    value: Any


def unlisted(session: Session, stated: Iterable[StatedOverride]) -> list[tuple[str, str]]:
    """The provider and id of each model that a set names and the provider has not listed so far."""
    named = sorted({(each.provider_id, each.model_id) for each in stated if each.match == "model"})
    wanted = (
        select(func.unnest(literal([each for each, _ in named], ARRAY(BigInteger))).label("provider_id"))
        .add_columns(func.unnest(literal([each for _, each in named], ARRAY(Text))).label("model_id"))
        .subquery()
    )
    listed = exists().where(
        provider_model.c.provider_id == wanted.c.provider_id, provider_model.c.model_id == wanted.c.model_id
    )
    query = select(provider.c.slug, wanted.c.model_id).join(wanted, wanted.c.provider_id == provider.c.id)
    return [(slug, model_id) for slug, model_id in session.execute(query.where(~listed).order_by("slug", "model_id"))]


def apply_set(
    session: Session,
    source: str,
    stated: Iterable[StatedOverride],
    *,
    prune: bool = False,
    created_by_id: int | None = None,
) -> list[OverrideChange]:
    """Store a set's overrides and return what changed; roll the transaction back for a dry run.

    They take effect with the providers' next syncs. Applying the same set again touches no row.

    Args:
        source: The set's name. Overrides of other sets, and single ones, are never touched.
        stated: Its overrides; at most one for each provider, model or pattern, field and date.
        prune: Whether to remove what the set stated before and no longer does.

    Raises:
        CatalogError: The name is the one of single overrides.
    """
    if source == PERSON:
        raise CatalogError(f"a set of overrides cannot be named {source!r}", hint="that names single overrides")
    found = session.execute(
        statement("apply_override_set"),
        {
            "stated": json.dumps([asdict(each) for each in stated], default=datetime.isoformat),
            "source": source,
            "prune": prune,
            "created_by_id": created_by_id,
        },
    )
    return [OverrideChange(**row) for row in found.mappings()]
