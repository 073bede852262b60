"""Computes canonical models from their offers, and writes those that differ, with what is news about them."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, fields
from datetime import datetime
from operator import attrgetter
from typing import Final

import orjson
from psycopg.sql import SQL, Identifier
from sqlalchemy import ARRAY, BigInteger, Text, any_, delete, func, insert, literal, select
from sqlalchemy.orm import Session

from provider_pipeline.catalog import identities
from provider_pipeline.catalog.database import driver_connection
from provider_pipeline.catalog.tables import canonical_model, canonical_model_event, provider_model
from provider_pipeline.rules.canonical_models import ModelSummary, Offer, news_of, summarized

_COLUMNS: Final = tuple(each.name for each in fields(ModelSummary))
_JSON_COLUMNS: Final = ("capabilities", "agreement", "prices")
_COPY: Final = SQL("COPY {} ({}) FROM STDIN").format(
    Identifier(canonical_model.name), SQL(", ").join(map(Identifier, (*_COLUMNS, "changed_at")))
)


@dataclass(frozen=True)
class CanonicalWrites:
    """What was written.

    Attributes:
        changed: Models that are new or different.
        removed: Models that no offer has any more.
        events: Ids of the news, in order.
    """

    changed: int
    removed: int
    events: Sequence[int]


def write(
    session: Session,
    knowledge: identities.Knowledge,
    candidates: Sequence[str],
    found: Sequence[Offer],
    *,
    reassigned: Set[str],
    is_first: bool,
    now: datetime,
) -> CanonicalWrites:
    """Computes these models anew, once their offers that contradict the others are marked.

    Args:
        found: All offers that are, or may be, one of the models.
        reassigned: Models that gained or lost a known offer; their differences are not news.
        is_first: Whether there are no models yet.
    """
    judged = identities.judge(session, knowledge, found)
    offers: dict[str, list[Offer]] = {}
    for each in found:
        offer = judged.get(each.id, each)
        if offer.canonical_id is not None:
            offers.setdefault(offer.canonical_id, []).append(offer)
    before = {} if is_first else _models(session, candidates)
    models = (summarized(canonical_id, offers[canonical_id]) for canonical_id in sorted(offers))
    changed = [model for model in models if model != before.get(model.id)]
    removed = before.keys() - offers.keys()
    _replace(session, changed, removed | (before.keys() & {model.id for model in changed}), now)
    events: Sequence[int] = ()
    if not is_first:
        regrouped = reassigned | {offer.candidate_id for offer in judged.values()}
        events = _tell(session, [model for model in changed if model.id not in regrouped], before, offers, now)
    return CanonicalWrites(len(changed), len(removed), events)


def _models(session: Session, ids: Sequence[str]) -> dict[str, ModelSummary]:
    query = select(*(canonical_model.c[name] for name in _COLUMNS))
    rows = session.execute(query.where(canonical_model.c.id == any_(literal(list(ids), ARRAY(Text)))))
    return {row.id: ModelSummary(*row) for row in rows}


def _replace(session: Session, models: Sequence[ModelSummary], outdated: Set[str], now: datetime) -> None:
    """Writes models in the place of the outdated ones."""
    if outdated:
        is_outdated = canonical_model.c.id == any_(literal(list(outdated), ARRAY(Text)))
        session.execute(delete(canonical_model).where(is_outdated))
    if models:
        with driver_connection(session).cursor() as cursor, cursor.copy(_COPY) as copy:
            for model in models:
                row = vars(model)
                json = {name: orjson.dumps(row[name]).decode() for name in _JSON_COLUMNS}
                copy.write_row((*{**row, **json}.values(), now))


def _tell(
    session: Session,
    models: Sequence[ModelSummary],
    before: Mapping[str, ModelSummary],
    offers: Mapping[str, Sequence[Offer]],
    now: datetime,
) -> Sequence[int]:
    """Records the news about these models; returns the ids of the news."""
    new = {offer.provider_id for model in models if model.id not in before for offer in offers[model.id]}
    catalogued_at = _catalogued_at(session, new) if new else {}
    news = [each for model in models for each in news_of(model, before.get(model.id), offers[model.id], catalogued_at)]
    if not news:
        return ()
    rows = [{**each._asdict(), "happened_at": now} for each in sorted(news, key=attrgetter("kind", "canonical_id"))]
    written = insert(canonical_model_event).returning(canonical_model_event.c.id, sort_by_parameter_order=True)
    return session.scalars(written, rows).all()


def _catalogued_at(session: Session, provider_ids: Set[int]) -> dict[int, datetime]:
    """When the first model of each provider was seen."""
    model = provider_model.c
    is_asked = model.provider_id == any_(literal(list(provider_ids), ARRAY(BigInteger)))
    query = (
        select(model.provider_id, func.min(model.first_seen_at).label("first"))
        .where(is_asked)
        .group_by(model.provider_id)
    )
    return {row.provider_id: row.first for row in session.execute(query)}
