"""The rows of `provider_model`: reading them.

Here: the readers. Not here: making the rows what a listing says (`model_writes`), and searching all of them
(`model_search`).
"""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ARRAY, Text, any_, column, func, literal, select, true
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from provider_pipeline.catalog.tables import provider, provider_model
from provider_pipeline.rules import ROW_COLUMNS


def previous_rows(
    session: Session,
    provider_id: int,
    model_ids: Sequence[str],
    *,
    columns: Sequence[str] = ROW_COLUMNS,
    listed_only: bool = False,
) -> dict[str, dict[str, Any]]:
    """The listed columns of the given models, as last accepted, by model id; removed models are left out.

    Args:
        session: Session to read with.
        provider_id: The provider.
        model_ids: The models.
        columns: Only these columns, and the model's id.
        listed_only: None for each column whose value people set: that is not what was listed.
    """
    found = {}
    for row, set_by_people in kept_rows(session, provider_id, model_ids, columns=columns):
        if listed_only and set_by_people:
            row |= {field: None for field in set_by_people if field in row}
        found[row["model_id"]] = row
    return found


def kept_rows(
    session: Session, provider_id: int, model_ids: Sequence[str], *, columns: Sequence[str] = ROW_COLUMNS
) -> Iterator[tuple[dict[str, Any], list[str]]]:
    """The rows of `previous_rows`, each with the fields whose values in it people set."""
    names = dict.fromkeys(("model_id", *columns, "overridden_fields"))
    query = select(*(provider_model.c[name] for name in names)).where(
        provider_model.c.provider_id == provider_id, provider_model.c.status != "removed"
    )
    wanted = provider_model.c.model_id == any_(literal(list(model_ids), ARRAY(Text)))
    for values in session.execute(query.where(wanted)):
        row = dict(zip(names, values, strict=True))
        set_by_people: list[str] = row.pop("overridden_fields")
        yield row, set_by_people


def load_models(session: Session, provider_id: int, status: str | None = None) -> list[dict[str, Any]]:
    """A provider's models by model id: the listed columns, and the catalogue's own.

    Args:
        session: Session to read with.
        provider_id: The provider.
        status: Only models of this status: active, missing or removed.
    """
    query = (
        select(provider_model)
        .where(provider_model.c.provider_id == provider_id)
        .order_by(provider_model.c.model_id.collate("C"))
    )
    if status is not None:
        query = query.where(provider_model.c.status == status)
    return [dict(row) for row in session.execute(query).mappings()]


def active_model_ids(session: Session, provider_id: int) -> set[str]:
    """The ids of the models that the provider's last accepted listing named."""
    query = select(provider_model.c.model_id)
    query = query.where(provider_model.c.provider_id == provider_id, provider_model.c.status == "active")
    return set(session.scalars(query))


def count_models(session: Session, provider_id: int) -> int:
    """How many active models a provider has."""
    query = select(func.count()).where(provider_model.c.provider_id == provider_id, provider_model.c.status == "active")
    return int(session.scalars(query).one())


def stated_capabilities(session: Session) -> Iterator[tuple[str, str, str, bool]]:
    """What listings and people state about active models: provider's slug, model id, capability, has or lacks.

    What was concluded from names is left out, so that patterns can be learnt from these.
    """
    stated = func.jsonb_each(provider_model.c.capabilities).table_valued("key", column("value", JSONB))
    query = (
        select(provider.c.slug, provider_model.c.model_id, stated.c.key, stated.c.value)
        .join(provider, provider.c.id == provider_model.c.provider_id)
        .join(stated, true())
        .where(
            provider_model.c.status == "active",
            provider_model.c.capability_sources[stated.c.key].astext.in_(("evidence", "override")),
        )
        .order_by(provider.c.slug, provider_model.c.model_id.collate("C"), stated.c.key)
    )
    for row in session.execute(query):
        yield row.slug, row.model_id, row.key, row.value is True
