"""Reads the whole table from one snapshot of the database, row by row, so that a million models fit in memory."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from provider_pipeline.catalog.database import Database
from provider_pipeline.catalog.history import models_at
from provider_pipeline.catalog.model_search import models_state
from provider_pipeline.catalog.providers import Provider
from provider_pipeline.catalog.tables import OFFER_COLUMNS, model_offer, provider as provider_table, provider_metadata
from provider_pipeline.errors import ConfigurationError
from provider_pipeline.rules.model_columns import SHOWN_COLUMNS

_BATCH: Final = 1_000


@contextmanager
def snapshot(database: Database) -> Iterator[Session]:
    """A session that only reads, and sees one moment's state of the catalogue until it ends."""
    options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with database.engine.connect().execution_options(**options) as connection, Session(connection) as session:
        yield session


def stream_models(
    session: Session,
    *,
    slugs: Sequence[str] = (),
    as_of: datetime | None = None,
    fill: bool = False,
    status: str | None = None,
    columns: Sequence[str] | None = None,
) -> Iterator[dict[str, Any]]:
    """Models by provider and id, with `slug`, `provider_id`, `SHOWN_COLUMNS` and `last_seen_at`.

    Args:
        slugs: Only these providers; all if empty.
        as_of: A past moment; None for now.
        fill: Fill unknown limits, modalities and capabilities from the canonical model; rows have `OFFER_COLUMNS` too.
        status: active, missing or removed; None for all.
        columns: Only these, of those above.

    Raises:
        ConfigurationError: Gaps are to be filled at a past moment: only today's canonical models are known.
    """
    if fill and as_of is not None:
        raise ConfigurationError(
            "canonical models are known for now only", hint="leave out --as-of, or do not fill from canonical models"
        )
    source: Any = model_offer if fill else models_at(as_of, slugs[0] if len(slugs) == 1 else None)
    names = ["slug", "provider_id", *SHOWN_COLUMNS, "last_seen_at", *(OFFER_COLUMNS if fill else ())]
    if columns is not None:
        names = [name for name in names if name in columns]
    query = select(*(source.c[name] for name in names))
    # Byte order, which no server's locale changes: the same rows give the same file.
    query = query.order_by(source.c.slug.collate("C"), source.c.model_id.collate("C"))
    if slugs:
        query = query.where(source.c.slug.in_(slugs))
    if status is not None:
        query = query.where(source.c.status == status)
    for row in session.execute(query, execution_options={"yield_per": _BATCH}):
        yield dict(zip(names, row, strict=True))


def state(session: Session, provider: Provider | None) -> str:
    """A cheap digest that changes whenever an export of a provider, or of all, may: with models and with settings."""
    settings = select(func.max(provider_metadata.c.updated_at), func.max(provider_table.c.updated_at), func.count())
    settings = settings.join(provider_table, provider_table.c.id == provider_metadata.c.provider_id)
    if provider is not None:
        settings = settings.where(provider_table.c.id == provider.id)
    changed = ":".join(map(str, session.execute(settings).one()))
    return hashlib.sha256(f"{models_state(session, provider)}:{changed}".encode()).hexdigest()[:32]
