"""Overrides by the set: all that a file, a folder or a peer's price list states, applied in one statement."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy.orm import Session

from provider_pipeline.catalog.statements import statement
from provider_pipeline.errors import CatalogError
from provider_pipeline.rules.override_set import PERSON, Match


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
