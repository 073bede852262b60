"""Canonical models: which model each offer is, what its offers agree on, and who offers a model.

`refresh` keeps them up to date. It reads the whole table of models, but computes and writes only what differs.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    RowMapping,
    Select,
    Text,
    and_,
    any_,
    cast,
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from provider_pipeline.catalog import model_overrides
from provider_pipeline.catalog.statements import statement
from provider_pipeline.catalog.tables import (
    canonical_model,
    canonical_model_event,
    model_identity,
    provider,
    provider_model,
    provider_model_change,
    provider_model_override,
)
from provider_pipeline.rules.identity import STATED_FIELDS, canonical_of, contradicting, identity_digest
from provider_pipeline.rules.override_set import OverrideSet
from provider_pipeline.rules.overriding import CANONICAL_ID
from provider_pipeline.rules.rows import digest_of

_LOCK: Final = 5_309_126_119_420_026
"""Key of the advisory lock: one refresh at a time, until its transaction ends."""
_OFFERS_AT_ONCE: Final = 10_000
_MODELS_AT_ONCE: Final = 2_000
_TRAITS: Final = (
    *("model_id", "display_name", "family", "context_length", "max_input_tokens", "max_output_tokens"),
    *("input_modalities", "output_modalities", "capabilities", "released_on", "knowledge_cutoff"),
)
"""The columns that can speak against a reading of a name. Prices are no evidence."""


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


@dataclass(frozen=True)
class _Identity:
    """A row of `model_identity`."""

    provider_model_id: int
    is_counted: bool
    basis: str
    row_version: str
    certainty: str
    source: str | None = None
    canonical_id: str | None = None
    candidate_id: str | None = None
    lab: str | None = None
    family: str | None = None
    snapshot: str | None = None
    variant: str | None = None


def refresh(session: Session, *, now: datetime | None = None) -> RefreshReport:
    """Assign each offer to its model and compute the models anew, as far as anything differs, in this transaction.

    Concurrent refreshes wait for each other until the transaction ends; syncs are not held up.
    """
    now = now or datetime.now(UTC)
    session.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    knowledge = _Knowledge(model_overrides.canonical_ids(session, now))
    with_news = bool(session.scalar(select(exists().select_from(canonical_model))))
    touched: set[str] = set()
    reassigned: set[str] = set()
    assigned = 0
    stale = session.execute(_offers(knowledge).where(_is_stale(knowledge)).execution_options(yield_per=_OFFERS_AT_ONCE))
    for rows in stale.mappings().partitions():
        identities = []
        for row in rows:
            identity = knowledge.identity(row)
            if row["certainty"] == "ambiguous" and row["candidate_id"] == identity.candidate_id:
                identity = _ambiguous(identity)  # judged below, with the other offers of the model
            touched.update(filter(None, (row["candidate_id"], identity.candidate_id)))
            if row["certainty"] is not None and row["canonical_id"] != identity.canonical_id:
                reassigned.update(filter(None, (row["canonical_id"], identity.canonical_id)))
            identities.append(identity)
        assigned += _assign(session, identities)
    report = RefreshReport(assigned)
    events: list[int] = []
    for ids in _batches(sorted(touched), _MODELS_AT_ONCE):
        judged = _judged(session, knowledge, ids)
        _assign(session, judged)
        reassigned.update(each.candidate_id for each in judged if each.candidate_id is not None)
        written = session.execute(
            statement("refresh_canonical_models"),
            {"touched": ids, "reassigned": sorted(reassigned), "with_news": with_news, "now": now},
        ).one()
        events += written.events
        report = replace(
            report,
            models_changed=report.models_changed + written.changed,
            models_removed=report.models_removed + written.removed,
        )
    return replace(report, events=tuple(_events(session, canonical_model_event.c.id == any_(_bigints(events)))))


def table_state(session: Session) -> str:
    """A text that differs once models, overrides or the shipped knowledge do."""
    newest = session.execute(
        select(
            select(func.max(provider_model_change.c.id)).scalar_subquery(),
            select(func.max(provider_model_override.c.updated_at)).scalar_subquery(),
            select(func.count()).select_from(provider_model_override).scalar_subquery(),
        )
    ).one()
    return digest_of([identity_digest(), *map(str, newest)])


def counts(session: Session) -> dict[str, int]:
    """Canonical models, offers assigned to one, and offers left apart as ambiguous."""
    offers = select(
        func.count(model_identity.c.canonical_id).label("offers"),
        func.count().filter(model_identity.c.certainty == "ambiguous").label("ambiguous_offers"),
        select(func.count()).select_from(canonical_model).scalar_subquery().label("models"),
    )
    return dict(session.execute(offers.select_from(model_identity)).mappings().one())


class _Knowledge:
    """What decides identities besides the rows: the shipped knowledge, and people.

    Args:
        overrides: Those of `canonical_id`, by provider.
    """

    def __init__(self, overrides: Mapping[int, OverrideSet]) -> None:
        self._overrides = overrides
        self._shipped = identity_digest()
        self._bases = {
            str(provider_id): digest_of([self._shipped, each.document()]) for provider_id, each in overrides.items()
        }

    def basis(self) -> ColumnElement[str]:
        """Of a row of `provider_model`, the digest of all that decides about it."""
        stated = literal(self._bases, JSONB)[cast(provider_model.c.provider_id, Text)].astext
        return func.coalesce(stated, self._shipped)

    def identity(self, row: RowMapping) -> _Identity:
        """The identity of an offer by itself, from a row of `_offers`."""
        stated = {name: row[f"stated_{name}"] for name in STATED_FIELDS if row[f"stated_{name}"] is not None}
        overrides = self._overrides.get(row["provider_id"])
        override = None if overrides is None else overrides.of(row["model_id"])
        if override is not None and CANONICAL_ID in override.values:
            stated[CANONICAL_ID] = override.values[CANONICAL_ID]
        columns = {
            "provider_model_id": row["id"],
            "is_counted": row["is_counted_now"],
            "basis": row["basis_now"],
            "row_version": row["row_version_now"],
        }
        if CANONICAL_ID in stated and stated[CANONICAL_ID] is None:
            return _Identity(**columns, certainty="stated", source="override")
        found = canonical_of(row["model_id"], stated, {name: row[name] for name in _TRAITS})
        if found is None:
            return _Identity(**columns, certainty="unverified")
        read = {name: getattr(found, name) for name in ("lab", "family", "snapshot", "variant", "certainty", "source")}
        return _Identity(**columns, **read, canonical_id=found.id, candidate_id=found.id)


def _offers(knowledge: _Knowledge) -> Select[Any]:
    """Rows of `provider_model` with what identities are computed from, and the identities they have."""
    model, identity = provider_model.c, model_identity.c
    # Of equal columns, a row that was updated in the same transaction as before has another place.
    version = (
        cast(literal_column("provider_model.xmin"), Text) + ":" + cast(literal_column("provider_model.ctid"), Text)
    )
    return (
        select(
            model.id,
            model.provider_id,
            *(model[name] for name in _TRAITS),
            *(model.metadata_json[name].label(f"stated_{name}") for name in STATED_FIELDS),
            and_(model.status == "active", provider.c.enabled).label("is_counted_now"),
            knowledge.basis().label("basis_now"),
            version.label("row_version_now"),
            *(identity.certainty, identity.candidate_id, identity.canonical_id, identity.is_counted),
            *(identity.basis, identity.row_version),
        )
        .join(provider, provider.c.id == model.provider_id)
        .outerjoin(model_identity, identity.provider_model_id == model.id)
        .order_by(model.id)
    )


def _is_stale(knowledge: _Knowledge) -> ColumnElement[bool]:
    now = {each.name: each for each in _offers(knowledge).selected_columns if each.name.endswith("_now")}
    identity = model_identity.c
    return or_(
        identity.provider_model_id.is_(None),
        *(identity[name.removesuffix("_now")] != each.element for name, each in now.items()),
    )


def _ambiguous(identity: _Identity) -> _Identity:
    return replace(identity, canonical_id=None, certainty="ambiguous")


def _judged(session: Session, knowledge: _Knowledge, candidates: Sequence[str]) -> list[_Identity]:
    """Offers of these models that contradict the others from now on, or no longer do."""
    identity = model_identity.c
    disputable = (
        select(identity.candidate_id)
        .where(identity.candidate_id == any_(_texts(candidates)))
        .group_by(identity.candidate_id)
        .having(or_(func.count() > 1, func.bool_or(identity.certainty == "ambiguous")))
    )
    groups: dict[str, list[RowMapping]] = {}
    for row in session.execute(_offers(knowledge).where(identity.candidate_id.in_(disputable))).mappings():
        groups.setdefault(row["candidate_id"], []).append(row)
    found = []
    for rows in groups.values():
        # What is gone contradicts nobody, and keeps its place.
        compared = [row for row in rows if row["is_counted"]]
        odd = contradicting([{name: row[name] for name in _TRAITS} for row in compared])
        for position, row in enumerate(compared):
            was = row["certainty"] == "ambiguous"
            alone = knowledge.identity(row)
            is_now = position in odd and alone.source != "override"
            if is_now != was:
                found.append(_ambiguous(alone) if is_now else alone)
    return found


def _assign(session: Session, identities: Iterable[_Identity]) -> int:
    rows = [asdict(each) for each in identities]
    return int(session.scalars(statement("assign_identities"), {"assigned": json.dumps(rows)}).one()) if rows else 0


def _batches(values: Sequence[str], size: int) -> Iterator[list[str]]:
    left = iter(values)
    while some := list(islice(left, size)):
        yield some


def _texts(values: Sequence[str]) -> ColumnElement[Any]:
    return literal(list(values), ARRAY(Text))


def _bigints(values: Sequence[int]) -> ColumnElement[Any]:
    return literal(list(values), ARRAY(BigInteger))


def _events(session: Session, condition: ColumnElement[bool]) -> Iterator[CanonicalEvent]:
    query = select(*canonical_model_event.c).where(condition).order_by(canonical_model_event.c.id)
    for row in session.execute(query).mappings():
        yield CanonicalEvent(**row)
