"""`model_identity`: which model each offer is; `canonical` computes the models themselves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from psycopg.sql import SQL, Identifier
from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Row,
    Select,
    Text,
    and_,
    any_,
    cast,
    delete,
    func,
    literal,
    literal_column,
    or_,
    select,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import JSONB, array
from sqlalchemy.orm import Session
from sqlalchemy.types import NullType

from provider_pipeline.catalog.database import driver_connection
from provider_pipeline.catalog.tables import model_identity, provider, provider_model
from provider_pipeline.rules.identity import STATED_FIELDS, canonical_of, contradicting, identity_digest
from provider_pipeline.rules.override_set import OverrideSet
from provider_pipeline.rules.overriding import CANONICAL_ID
from provider_pipeline.rules.rows import digest_of

_OFFERS_AT_ONCE: Final = 10_000
_COMPARED: Final = ("context_length", "input_modalities", "output_modalities")
"""The columns by which offers of one model can contradict each other. Prices are no evidence."""


@dataclass
class Assigned:
    """What was assigned.

    Attributes:
        count: Rows of `model_identity` that are new or different.
        touched: The models that offers went to, left, or changed in.
        reassigned: Of these, the ones that gained or lost a known offer.
    """

    count: int = 0
    touched: set[str] = field(default_factory=set)
    reassigned: set[str] = field(default_factory=set)


class _Identity(NamedTuple):
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


_COPY: Final = SQL("COPY {} ({}) FROM STDIN").format(
    Identifier(model_identity.name), SQL(", ").join(map(Identifier, _Identity._fields))
)


class Knowledge:
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

    def computed_from(self) -> dict[str, ColumnElement[Any]]:
        """Columns of `model_identity` to what they would be now: an identity is stale if one differs."""
        model = provider_model.c
        stated = literal(self._bases, JSONB)[cast(model.provider_id, Text)].astext
        # A row that is updated twice in one transaction has another place, and the same xmin.
        place = (cast(literal_column(f"provider_model.{name}"), Text) for name in ("xmin", "ctid"))
        return {
            "is_counted": and_(model.status == "active", provider.c.enabled),
            "basis": func.coalesce(stated, self._shipped),
            "row_version": func.concat_ws(":", *place),
        }

    def identity(self, row: Row[Any]) -> _Identity:
        """The identity of an offer by itself, from a row of `_offers`."""
        stated = {name: value for name, value in zip(STATED_FIELDS, row.stated, strict=True) if value is not None}
        overrides = self._overrides.get(row.provider_id)
        override = None if overrides is None else overrides.of(row.model_id)
        if override is not None and CANONICAL_ID in override.values:
            stated[CANONICAL_ID] = override.values[CANONICAL_ID]
        now = row.id, row.is_counted_now, row.basis_now, row.row_version_now
        if CANONICAL_ID in stated and stated[CANONICAL_ID] is None:
            return _Identity(*now, certainty="stated", source="override")
        found = canonical_of(row.model_id, stated, {"display_name": row.display_name})
        if found is None:
            return _Identity(*now, certainty="unverified")
        return _Identity(
            *now,
            found.certainty,
            found.source,
            canonical_id=found.id,
            candidate_id=found.id,
            lab=found.lab,
            family=found.family,
            snapshot=found.snapshot,
            variant=found.variant,
        )


def assign_stale(session: Session, knowledge: Knowledge) -> Assigned:
    """Assigns each offer whose row changed, or that other knowledge was used for."""
    assigned = Assigned()
    query = _offers(knowledge).where(_is_stale(knowledge)).order_by(provider_model.c.id).limit(_OFFERS_AT_ONCE)
    last = 0
    while True:
        rows = session.execute(query.where(provider_model.c.id > last)).all()
        identities, outdated = [], []
        for row in rows:
            identity = knowledge.identity(row)
            if row.certainty == "ambiguous" and row.candidate_id == identity.candidate_id:
                identity = _ambiguous(identity)  # until `judge` compares it with the other offers of the model
            assigned.touched.update(filter(None, (row.candidate_id, identity.candidate_id)))
            if row.certainty is not None:
                outdated.append(row.id)
                if row.canonical_id != identity.canonical_id:
                    assigned.reassigned.update(filter(None, (row.canonical_id, identity.canonical_id)))
            identities.append(identity)
        _write(session, identities, outdated)
        assigned.count += len(identities)
        if len(rows) < _OFFERS_AT_ONCE:
            return assigned
        last = rows[-1].id


def judge(session: Session, knowledge: Knowledge, candidates: Sequence[str]) -> set[str]:
    """Marks the offers of these models that contradict the others, and only those; returns the models this changed."""
    odd = _odd_ones(session, candidates)
    rows = session.execute(_offers(knowledge).where(provider_model.c.id.in_(odd))).all() if odd else ()
    alone = (knowledge.identity(row) for row in rows)
    changed = [_ambiguous(each) if odd[each.provider_model_id] else each for each in alone]
    _write(session, changed, list(odd))
    return {each.candidate_id for each in changed if each.candidate_id is not None}


def _offers(knowledge: Knowledge) -> Select[Any]:
    """Rows of `provider_model` with what identities are computed from, and the identities they have."""
    model, identity = provider_model.c, model_identity.c
    stated = array(model.metadata_json[name].astext for name in STATED_FIELDS)
    return (
        select(
            *(model.id, model.provider_id, model.model_id, model.display_name),
            _as_read(stated).label("stated"),
            *(value.label(f"{name}_now") for name, value in knowledge.computed_from().items()),
            *(identity.certainty, identity.candidate_id, identity.canonical_id),
        )
        .join(provider, provider.c.id == model.provider_id)
        .outerjoin(model_identity, identity.provider_model_id == model.id)
    )


def _as_read(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """An array as the driver reads it: SQLAlchemy would look at each element again."""
    return type_coerce(column, NullType())


def _is_stale(knowledge: Knowledge) -> ColumnElement[bool]:
    identity = model_identity.c
    differ = (identity[name] != value for name, value in knowledge.computed_from().items())
    return or_(identity.provider_model_id.is_(None), *differ)


def _ambiguous(identity: _Identity) -> _Identity:
    return identity._replace(canonical_id=None, certainty="ambiguous")


def _odd_ones(session: Session, candidates: Sequence[str]) -> dict[int, bool]:
    """Offers of these models that contradict the others from now on (true), or no longer do (false)."""
    identity = model_identity.c
    disputable = (
        select(identity.candidate_id)
        .where(identity.candidate_id == any_(literal(list(candidates), ARRAY(Text))))
        .group_by(identity.candidate_id)
        .having(or_(func.count() > 1, func.bool_or(identity.certainty == "ambiguous")))
    )
    # What is gone contradicts nobody, and keeps its place.
    query: Select[Any] = (
        select(
            *(_as_read(provider_model.c[name]).label(name) for name in _COMPARED),
            *(provider_model.c.id, identity.candidate_id, identity.certainty, identity.source),
        )
        .join(model_identity, identity.provider_model_id == provider_model.c.id)
        .where(identity.is_counted, identity.candidate_id.in_(disputable))
    )
    groups: dict[str, list[Row[Any]]] = {}
    for row in session.execute(query).all():
        groups.setdefault(row.candidate_id, []).append(row)
    found = {}
    for rows in groups.values():
        odd = contradicting([dict(zip(_COMPARED, row, strict=False)) for row in rows])
        for position, row in enumerate(rows):
            # A person has the last word.
            is_odd = position in odd and row.source != "override"
            if is_odd != (row.certainty == "ambiguous"):
                found[row.id] = is_odd
    return found


def _write(session: Session, identities: Sequence[_Identity], outdated: list[int]) -> None:
    """Writes identities in the place of the outdated ones; COPY takes two thirds of an upsert's time."""
    if outdated:
        session.execute(
            delete(model_identity).where(
                model_identity.c.provider_model_id == any_(literal(outdated, ARRAY(BigInteger)))
            )
        )
    if identities:
        with driver_connection(session).cursor() as cursor, cursor.copy(_COPY) as copy:
            for each in identities:
                copy.write_row(each)
