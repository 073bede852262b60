"""Reads rows of `provider_model`; `model_writes` writes them and `model_search` searches them."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import islice
from typing import Any

import orjson
from sqlalchemy import ARRAY, RowMapping, Select, Text, any_, bindparam, cast, column, func, literal, select, true
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from provider_pipeline.catalog.statements import statement
from provider_pipeline.catalog.tables import provider, provider_model
from provider_pipeline.rules.history import UNKNOWN, Once
from provider_pipeline.rules.model_columns import MOVING_COLUMNS, ROW_COLUMNS

_AT_ONCE = 50_000
"""Ids looked up in one pass over a provider's models."""


def previous_rows(session: Session, provider_id: int, model_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The listed columns of the given models as last accepted, by model id; removed models are left out."""
    columns = (provider_model.c[name] for name in ROW_COLUMNS)
    query = select(*columns).where(provider_model.c.provider_id == provider_id, provider_model.c.status != "removed")
    wanted = provider_model.c.model_id == any_(literal(list(model_ids), ARRAY(Text)))
    rows = (dict(zip(ROW_COLUMNS, values, strict=True)) for values in session.execute(query.where(wanted)))
    return {row["model_id"]: row for row in rows}


Selves = dict[str, tuple[Once, Once]]
"""Listed models as they were in the last accepted listing and in an earlier one, by model id."""


@dataclass(frozen=True)
class ListedHashes:
    """The models of a listing that is compared with earlier ones of its provider.

    Attributes:
        provider_id: The provider.
        hashes: The `meta_hash` of each listed model, by model id.
        since: When the earlier listing was replaced; without it, that listing's entries are `UNKNOWN`.
    """

    provider_id: int
    hashes: Mapping[str, str]
    since: datetime | None = None


def earlier_selves(session: Session, listings: Sequence[ListedHashes]) -> list[Selves]:
    """Listed models as they were in the last accepted listing, and in the one that was replaced at `since`.

    Returns:
        For each listing, by model id, without models known to be unchanged in both. Overridden values count as unknown:
        they are not what was listed.
    """
    # One JSON document: the driver escapes each quote of a text in an array by itself, a 25th of a changed sync.
    document = [{**vars(each), "hashes": dict(each.hashes)} for each in listings]
    wanted = {"provider_ids": [each.provider_id for each in listings], "listings": orjson.dumps(document).decode()}
    found = session.execute(statement("find_differing"), wanted).mappings().all()
    since = {each.provider_id: each.since for each in listings}
    changed = [(row["provider_id"], row["model_id"]) for row in found if row["has_changed_since"]]
    earlier = _earlier_values(session, changed, since) if changed else {}
    selves: dict[int, Selves] = {each.provider_id: {} for each in listings}
    for row in found:
        model = row["provider_id"], row["model_id"]
        selves[row["provider_id"]][row["model_id"]] = _selves(row, earlier.get(model, {}))
    return [selves[each.provider_id] for each in listings]


def _earlier_values(
    session: Session, models: Sequence[tuple[int, str]], since: Mapping[int, datetime | None]
) -> dict[tuple[int, str], dict[str, Any]]:
    """What has changed of these models since then, as it was before, by provider and model id."""
    wanted = {
        "provider_ids": [provider_id for provider_id, _ in models],
        "model_ids": [model_id for _, model_id in models],
        "since": [since[provider_id] for provider_id, _ in models],
        "compared": ["status", *MOVING_COLUMNS],
    }
    found = session.execute(statement("find_earlier_values"), wanted)
    return {(row.provider_id, row.model_id): orjson.loads(row.was) for row in found}


def _selves(row: RowMapping, was: Mapping[str, Any]) -> tuple[Once, Once]:
    if row["status"] is None:
        return UNKNOWN, UNKNOWN
    set_by_people = row["overridden_fields"]
    last = {name: None if name in set_by_people else row[name] for name in MOVING_COLUMNS}
    prices = orjson.loads(row["prices"])
    last["prices"] = {name: price for name, price in prices.items() if f"prices.{name}" not in set_by_people}
    then = {"status": row["status"], **last, **was}
    status = then.pop("status")
    is_from_before = row["is_from_before"]
    return (
        Once(known=True, listed=row["status"] == "active", values=last),
        Once(known=is_from_before, listed=is_from_before and status == "active", values=then),
    )


def respelled_ids(session: Session, provider_id: int, ids: Iterable[str]) -> Iterator[str]:
    """Ids of the last accepted listing that match any of `ids` when case is ignored, exact matches included."""
    left = iter(ids)
    while some := list(islice(left, _AT_ONCE)):
        yield from session.scalars(statement("find_respelled"), {"provider_id": provider_id, "ids": json.dumps(some)})


def load(session: Session, provider_id: int, status: str | None = None) -> list[dict[str, Any]]:
    """A provider's models by model id, all columns; with a status, only models that have it."""
    query = (
        select(provider_model)
        .where(provider_model.c.provider_id == provider_id)
        .order_by(provider_model.c.model_id.collate("C"))
    )
    if status is not None:
        query = query.where(provider_model.c.status == status)
    return [dict(row) for row in session.execute(query).mappings().all()]


def active_ids(session: Session, provider_id: int) -> set[str]:
    """Model ids of the provider's last accepted listing."""
    query = select(provider_model.c.model_id)
    query = query.where(provider_model.c.provider_id == provider_id, provider_model.c.status == "active")
    return set(session.scalars(query))


@dataclass(frozen=True)
class Preview:
    """The beginning of a provider's active models, and what is known of all of them.

    Attributes:
        rows: The newest models: `model_id`, `context_length`, `input_price`, `output_price`, `capabilities`.
        models: The number of active models; `priced` and `with_context` are of these.
    """

    rows: Sequence[RowMapping] = ()
    models: int = 0
    priced: int = 0
    with_context: int = 0


def preview(session: Session, slug: str, *, limit: int = 20) -> Preview:
    """A provider's newest active models, with totals, in one query."""
    rows = session.execute(_preview_query(), {"slug": slug, "limit": limit}).mappings().all()
    if not rows:
        return Preview()
    return Preview(rows, rows[0]["models"], rows[0]["priced"], rows[0]["with_context"])


@cache  # composing it took as long as the rest of a preview, and a fleet run asks for each changed provider
def _preview_query() -> Select[Any]:
    model = provider_model.c
    return (
        select(
            *(model.model_id, model.context_length, model.input_price, model.output_price, model.capabilities),
            func.count().over().label("models"),
            func.count().filter(model.prices != cast({}, JSONB)).over().label("priced"),
            func.count(model.context_length).over().label("with_context"),
        )
        .join(provider, provider.c.id == model.provider_id)
        .where(provider.c.slug == bindparam("slug"), model.status == "active")
        .order_by(model.first_seen_at.desc(), model.model_id.collate("C"))
        .limit(bindparam("limit"))
    )


def stated_capabilities(session: Session) -> Iterator[tuple[str, str, str, bool]]:
    """Capabilities that listings or people state of active models, as (slug, model id, capability, has it).

    Without capabilities inferred from names, so that patterns can be learnt from these.
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
