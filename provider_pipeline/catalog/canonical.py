"""Canonical models: which model each offer is, what its offers agree on, and who offers a model.

`refresh` keeps them up to date. It reads the whole table of models, but computes and writes only what differs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from difflib import get_close_matches
from itertools import islice
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Text,
    any_,
    cast,
    exists,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from provider_pipeline.catalog import canonical_writes, identities, sync_state
from provider_pipeline.catalog.tables import (
    canonical_model,
    canonical_model_event,
    model_identity,
    model_offer,
    provider,
    provider_model,
    provider_model_change,
)
from provider_pipeline.errors import NoSuchEntryError
from provider_pipeline.rules.canonical_models import ModelSummary
from provider_pipeline.rules.identity import canonical_of, identity_digest
from provider_pipeline.rules.rows import digest_of

_LOCK: Final = 5_309_126_119_420_026
"""Key of the advisory lock: one refresh at a time, until its transaction ends."""
_MODELS_AT_ONCE: Final = 2_000
_NEAREST: Final = 3
_MAX_COMPARED: Final = 100
"""Characters of an unknown id that are compared with the known ones: the time grows with them."""


@dataclass(frozen=True)
class CanonicalModel(ModelSummary):
    """A row of `canonical_model`; its columns are explained by the table's comments."""

    changed_at: datetime


@dataclass(frozen=True)
class CanonicalEvent:
    """A row of `canonical_model_event`; its columns are explained by the table's comments."""

    id: int
    canonical_id: str
    kind: str
    slug: str
    model_id: str
    detail: dict[str, Any]
    happened_at: datetime


@dataclass(frozen=True)
class RefreshReport:
    """What a refresh wrote.

    Attributes:
        offers_assigned: Offers whose identity, or what it was computed from, was new or different.
        models_changed: Canonical models that are new or different.
        models_removed: Canonical ids that no offer has any more.
        events: The news.
    """

    offers_assigned: int = 0
    models_changed: int = 0
    models_removed: int = 0
    events: tuple[CanonicalEvent, ...] = ()


def refresh(session: Session, *, now: datetime | None = None) -> RefreshReport:
    """Assign each offer to its model and compute the models anew, as far as anything differs, in this transaction.

    Concurrent refreshes wait for each other until the transaction ends; syncs are not held up.
    """
    now = now or datetime.now(UTC)
    session.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    knowledge = identities.Knowledge(sync_state.canonical_ids(session, now))
    is_first = not session.scalar(select(exists().select_from(model_identity)))
    assigned = identities.assign_stale(session, knowledge)
    report = RefreshReport(assigned.count)
    told: list[int] = []
    for ids in _batches(sorted(assigned.touched), _MODELS_AT_ONCE):
        offers = assigned.offers_of(ids) if is_first else None
        if offers is None:
            offers = identities.offers_of(session, knowledge, ids)
        written = canonical_writes.write(
            session, knowledge, ids, offers, reassigned=assigned.reassigned, is_first=is_first, now=now
        )
        told += written.events
        report = replace(
            report,
            models_changed=report.models_changed + written.changed,
            models_removed=report.models_removed + written.removed,
        )
    if not told:
        return report
    is_told = canonical_model_event.c.id == any_(literal(told, ARRAY(BigInteger)))
    return replace(report, events=tuple(_events(session, is_told)))


def find(session: Session, canonical_id: str) -> CanonicalModel | None:
    """The model with this id."""
    row = session.execute(select(*canonical_model.c).where(canonical_model.c.id == canonical_id)).mappings().first()
    return None if row is None else CanonicalModel(**row)


def get(session: Session, asked: str) -> CanonicalModel:
    """The model that a person means, as `resolve` finds it.

    Raises:
        NoSuchEntryError: No such model, or all of its offers contradict each other.
    """
    canonical_id = resolve(session, asked)
    found = find(session, canonical_id)
    if found is None:
        raise NoSuchEntryError(
            f"the offers of {canonical_id} contradict each other", hint=f"see: provider-pipeline offers {canonical_id}"
        )
    return found


def resolve(session: Session, asked: str) -> str:
    """The canonical id that a person means: it, its name without the lab, or an id that a provider uses.

    Raises:
        NoSuchEntryError: There is no such model, or it could be several; the hint names the nearest.
    """
    read = canonical_of(asked)
    identity = model_identity.c
    known = select(identity.candidate_id).distinct()
    ids = (asked, asked.lower(), *([] if read is None else [read.id]))
    found = set(session.scalars(known.where(identity.candidate_id == any_(literal(list(ids), ARRAY(Text))))))
    for each in ids:
        if each in found:
            return each
    by_name = known.where(func.split_part(identity.candidate_id, "/", 2) == asked.lower())
    at_a_provider = known.join(provider_model, provider_model.c.id == identity.provider_model_id).where(
        provider_model.c.model_id == asked
    )
    several: list[str] = sorted({*session.scalars(by_name), *session.scalars(at_a_provider)} - {None})
    if len(several) == 1:
        return several[0]
    if named := several[:_NEAREST] or nearest(session, asked):
        hint = f"the nearest: {', '.join(named)}"
    elif session.scalar(known.limit(1)) is None:
        hint = "there is none yet: sync a provider first"
    else:
        hint = "none is like it; see: provider-pipeline models list"
    told = f"{asked!r} could be several models" if several else f"no model {asked!r} is known"
    raise NoSuchEntryError(told, hint=hint)


def nearest(session: Session, asked: str) -> list[str]:
    """The at most three ids most like this one."""
    ids = list(session.scalars(select(canonical_model.c.id).order_by(canonical_model.c.id.collate("C"))))
    wanted = asked.lower()[:_MAX_COMPARED]
    if "/" in wanted:
        return get_close_matches(wanted, ids, n=_NEAREST)
    names: dict[str, list[str]] = {}
    for each in ids:
        names.setdefault(each.rpartition("/")[2], []).append(each)
    close = get_close_matches(wanted, names, n=_NEAREST)
    return [each for name in close for each in names[name]][:_NEAREST]


def search(
    session: Session,
    *,
    words: Sequence[str] = (),
    lab: str | None = None,
    capabilities: Sequence[str] = (),
    min_context: int | None = None,
    offered: bool = True,
    limit: int | None = None,
    after: str | None = None,
) -> list[CanonicalModel]:
    """Models by id.

    Args:
        words: Texts in the id or the name, in any case.
        capabilities: All of these, known to be true.
        min_context: In tokens; models with an unknown window are left out.
        offered: Only models with an active offer.
        after: Continue after the model with this id.
    """
    model = canonical_model.c
    key = model.id.collate("C")
    query = select(*model).order_by(key).limit(limit)
    for word in words:
        query = query.where(or_(model.id.icontains(word, autoescape=True), model.name.icontains(word, autoescape=True)))
    if lab is not None:
        query = query.where(model.lab == lab)
    if capabilities:
        query = query.where(model.capabilities.contains(cast(dict.fromkeys(capabilities, True), JSONB)))
    if min_context is not None:
        query = query.where(model.context_length >= min_context)
    if offered:
        query = query.where(model.offers > 0)
    if after is not None:
        query = query.where(key > after)
    return [CanonicalModel(**row) for row in session.execute(query).mappings()]


def offers(session: Session, canonical_id: str) -> list[dict[str, Any]]:
    """The offers of a model by provider and model id: ambiguous, missing and removed ones included.

    Returns:
        The columns of the view `model_offer`, with gaps filled and marked in `filled`; `enabled` and `sample` of the
        provider.
    """
    offer = model_offer.c
    query = (
        select(model_offer, provider.c.enabled, provider.c.is_sample.label("sample"))
        .join(provider, provider.c.id == offer.provider_id)
        .where(offer.candidate_id == canonical_id)
        .order_by(offer.slug.collate("C"), offer.model_id.collate("C"))
    )
    return [dict(row) for row in session.execute(query).mappings().all()]


def most_offered(session: Session, limit: int) -> list[CanonicalModel]:
    """The models that most providers offer."""
    model = canonical_model.c
    query = select(*model).order_by(model.providers.desc(), model.id.collate("C")).limit(limit)
    return [CanonicalModel(**row) for row in session.execute(query).mappings()]


@dataclass(frozen=True)
class Counts:
    """How many there are.

    Attributes:
        models: Canonical models with an active offer.
        offers: Active offers at enabled providers.
        ambiguous: Of these, offers that contradict the others of their model.
        unverified: Of these, offers whose model only their own name tells.
    """

    models: int
    offers: int
    ambiguous: int
    unverified: int


def counts(session: Session) -> Counts:
    """How many models and offers there are, and how certain these are."""
    identity, count = model_identity.c, func.count()
    models = select(count).select_from(canonical_model).where(canonical_model.c.offers > 0).scalar_subquery()
    certainties = (count.filter(identity.certainty == name).label(name) for name in ("ambiguous", "unverified"))
    query = select(models.label("models"), count.label("offers"), *certainties).where(identity.is_counted)
    return Counts(**session.execute(query.select_from(model_identity)).mappings().one())


def state(session: Session) -> str:
    """A cheap digest that changes whenever a refresh may have something to do."""
    enabled = select(provider.c.id).where(provider.c.enabled).order_by(provider.c.id)
    overrides = sync_state.canonical_ids(session, datetime.now(UTC))
    return digest_of(
        [
            session.scalar(select(func.max(provider_model_change.c.id))),
            identity_digest(),
            list(session.scalars(enabled)),
            {str(provider_id): each.document() for provider_id, each in overrides.items()},
        ]
    )


def events(session: Session, *, since: datetime, until: datetime) -> list[CanonicalEvent]:
    """The news of a period, oldest first; `until` is exclusive."""
    event = canonical_model_event.c
    return list(_events(session, (event.happened_at >= since) & (event.happened_at < until)))


def _batches(values: Sequence[str], size: int) -> Iterator[list[str]]:
    left = iter(values)
    while some := list(islice(left, size)):
        yield some


def _events(session: Session, condition: ColumnElement[bool]) -> Iterator[CanonicalEvent]:
    query = select(*canonical_model_event.c).where(condition).order_by(canonical_model_event.c.id)
    for row in session.execute(query).mappings():
        yield CanonicalEvent(**row)
