"""What a write of listings would change: they are written by `model_writes`, but to temporary copies of the tables."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from provider_pipeline.catalog.model_writes import ListedModels, WriteResult, write
from provider_pipeline.catalog.providers import is_one_of_providers
from provider_pipeline.catalog.statements import statement
from provider_pipeline.catalog.tables import provider_model


def dry_write(session: Session, listings: Sequence[ListedModels], *, now: datetime) -> list[WriteResult]:
    """What `model_writes.write` would do with each listing if it came alone, and now.

    Many listings of one provider cost little more than one. Each gets a copy of its provider's models, so write what is
    large to the tables themselves, and roll back. Locks nothing. The session must be rolled back or committed
    afterwards, before anything else is done with it: until then, its transaction sees the copies and not the tables.

    Args:
        now: As for `model_writes.write`.

    Returns:
        One result per listing, in their order.

    Raises:
        CatalogError: One of them could not be written; see `model_writes.write`.
    """
    # Numbers that no provider has. A write that missed the copies would find no provider, and write nothing.
    numbered = [replace(listing, provider_id=-number) for number, listing in enumerate(listings, start=1)]
    copies = [
        {"number": each.provider_id, "provider_id": listing.provider_id}
        for each, listing in zip(numbered, listings, strict=True)
    ]
    wanted = sorted({listing.provider_id for listing in listings})
    session.execute(statement("prepare_dry_write"))
    session.execute(statement("fill_dry_write"), {"listings": json.dumps(copies), "provider_ids": wanted})
    session.execute(statement("begin_dry_write"))
    return write(session, numbered, now=now)


def known_models(session: Session, provider_ids: Sequence[int]) -> Mapping[int, int]:
    """The number of each provider's models in the table, of any status: the size of a copy."""
    query = (
        select(provider_model.c.provider_id, func.count().label("models"))
        .where(is_one_of_providers(provider_model.c.provider_id))
        .group_by(provider_model.c.provider_id)
    )
    return {row.provider_id: row.models for row in session.execute(query, {"provider_ids": list(provider_ids)})}
