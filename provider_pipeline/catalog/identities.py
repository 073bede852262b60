"""`model_identity`: which model each offer is; `canonical` computes the models themselves."""

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, NamedTuple

import orjson
from psycopg.sql import SQL, Identifier
from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
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
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session
from sqlalchemy.types import NullType

from provider_pipeline.catalog.database import driver_connection
from provider_pipeline.catalog.tables import model_identity, provider, provider_model
from provider_pipeline.rules.canonical_models import CAPABILITY, MODALITIES, Facts, Offer
from provider_pipeline.rules.identity import STATED_FIELDS, canonical_of, contradicting, identity_digest
from provider_pipeline.rules.model_columns import AGREED_COLUMNS
from provider_pipeline.rules.overrides import CANONICAL_ID, OverrideSet
from provider_pipeline.rules.rows import digest_of

_OFFERS_AT_ONCE: Final = 10_000
_STATED_SOURCES: Final = frozenset({"evidence", "override"})
"""Where capabilities were learnt that are more than a guess from a name."""


@dataclass
class Assigned:
    """What was assigned.

    Attributes:
        count: Rows of `model_identity` that are new or different.
        touched: The models that offers went to, left, or changed in.
        reassigned: Of these, the ones that gained or lost a known offer.
        offers: By candidate; None if they are too many to keep.
    """

    count: int = 0
    touched: set[str] = field(default_factory=set)
    reassigned: set[str] = field(default_factory=set)
    offers: dict[str, list[Offer]] | None = field(default_factory=dict)

    def offers_of(self, candidates: Sequence[str]) -> list[Offer] | None:
        """The assigned offers of these models; None if they are too many to keep."""
        return None if self.offers is None else [each for name in candidates for each in self.offers[name]]


class Identity(NamedTuple):
    """A row of `model_identity`."""

    provider_model_id: int
    basis: str
    row_version: str
    is_counted: bool
    certainty: str
    source: str | None
    canonical_id: str | None
    candidate_id: str | None
    lab: str | None
    family: str | None
    variant: str | None
    snapshot: str | None


_SHARED: Final = slice(Identity._fields.index("is_counted"), Identity._fields.index("snapshot"))
"""The columns of an identity that an `Offer` has as well."""
_COPY: Final = SQL("COPY {} ({}) FROM STDIN").format(
    Identifier(model_identity.name), SQL(", ").join(map(Identifier, Identity._fields))
)


# The groups of columns of a row of `_rows`.
_NOW: Final = slice(0, 4)
_STORED: Final = slice(4, 12)
_DESCRIBED: Final = slice(12, 19)
_NAMED: Final = slice(12, 16)
_PRICES: Final = 19
_FACTS: Final = slice(20, -len(STATED_FIELDS))
_STATED: Final = slice(-len(STATED_FIELDS), None)


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
            "basis": func.coalesce(stated, self._shipped),
            "row_version": func.concat_ws(":", *place),
            "is_counted": and_(model.status == "active", provider.c.enabled),
        }

    def identity(self, row: Sequence[Any]) -> Identity:
        """The identity of an offer by itself, from a row of `_rows`."""
        provider_id, _, model_id, display_name = row[_NAMED]
        listed = row[_STATED]
        stated: dict[str, Any] = dict(zip(STATED_FIELDS, listed, strict=True)) if any(listed) else {}
        if (overrides := self._overrides.get(provider_id)) is not None:
            override = overrides.of(model_id)
            if override is not None and CANONICAL_ID in override.values:
                stated[CANONICAL_ID] = override.values[CANONICAL_ID]
        is_unknown = CANONICAL_ID in stated and stated[CANONICAL_ID] is None  # as a person says
        found = None if is_unknown else canonical_of(model_id, stated, {"display_name": display_name})
        if found is None:
            certainty, source = ("stated", "override") if is_unknown else ("unverified", None)
            return Identity._make((*row[_NOW], certainty, source, None, None, None, None, None, None))
        named = (found.id, found.id, found.lab, found.family, found.variant, found.snapshot)
        return Identity._make((*row[_NOW], found.certainty, found.source, *named))


def assign_stale(session: Session, knowledge: Knowledge) -> Assigned:
    """Assigns each offer whose row changed, or that other knowledge was used for."""
    assigned = Assigned()
    query = _rows(knowledge).where(_is_stale(knowledge)).order_by(provider_model.c.id).limit(_OFFERS_AT_ONCE)
    last = 0
    while rows := session.execute(query.where(provider_model.c.id > last)).all():
        assigned.count += len(rows)
        if assigned.count > len(rows):
            assigned.offers = None
        outdated = [row.id for row in rows if row.certainty is not None]
        _write(session, (_assigned(row, knowledge.identity(row), assigned) for row in rows), outdated)
        if len(rows) < _OFFERS_AT_ONCE:
            break
        last = rows[-1].id
    return assigned


def _assigned(row: Sequence[Any], identity: Identity, assigned: Assigned) -> Identity:
    """The identity that a row gets, which is noted."""
    if identity.candidate_id is not None:
        assigned.touched.add(identity.candidate_id)
    certainty, _, canonical_id, candidate_id = row[_STORED][1:5]
    if certainty is not None:
        if candidate_id is not None:
            assigned.touched.add(candidate_id)
        if certainty == "ambiguous" and candidate_id == identity.candidate_id:
            # Until `judge` compares it with the other offers of the model.
            identity = identity._replace(canonical_id=None, certainty="ambiguous")
        if canonical_id != identity.canonical_id:
            assigned.reassigned.update(filter(None, (canonical_id, identity.canonical_id)))
    if assigned.offers is not None and identity.candidate_id is not None:
        values: Sequence[Any] = identity
        assigned.offers.setdefault(identity.candidate_id, []).append(_offer(row, values[_SHARED]))
    return identity


def offers_of(session: Session, knowledge: Knowledge, candidates: Sequence[str]) -> list[Offer]:
    """The offers that are one of these models, or would be if they did not contradict the others."""
    is_one = model_identity.c.candidate_id == any_(literal(list(candidates), ARRAY(Text)))
    return [_offer(row, row[_STORED]) for row in session.execute(_rows(knowledge).where(is_one)).all()]


def judge(session: Session, knowledge: Knowledge, offers: Iterable[Offer]) -> dict[int, Offer]:
    """Marks exactly those offers of some models that contradict the others; returns the changes."""
    changed = _judged(offers)
    odd = [offer.id for offer in changed.values() if offer.canonical_id is None]
    if odd:
        is_odd = model_identity.c.provider_model_id == any_(literal(odd, ARRAY(BigInteger)))
        session.execute(update(model_identity).where(is_odd).values(canonical_id=None, certainty="ambiguous"))
    cleared = list(changed.keys() - odd)
    if cleared:
        is_cleared = provider_model.c.id == any_(literal(cleared, ARRAY(BigInteger)))
        identities = list(map(knowledge.identity, session.execute(_rows(knowledge).where(is_cleared))))
        _write(session, identities, cleared)
        for each in identities:
            changed[each.provider_model_id] = changed[each.provider_model_id]._replace(certainty=each.certainty)
    return changed


def _judged(offers: Iterable[Offer]) -> dict[int, Offer]:
    """The offers that contradict the others of their model from now on, or no longer do: then still uncertain."""
    groups: dict[str | None, list[Offer]] = {}
    for offer in offers:
        if offer.is_counted:  # what is gone contradicts nobody, and keeps its place
            groups.setdefault(offer.candidate_id, []).append(offer)
    changed = {}
    for alike in groups.values():
        if len(alike) == 1 and alike[0].certainty != "ambiguous":
            continue
        odd = contradicting([dict(offer.facts) for offer in alike])
        for position, offer in enumerate(alike):
            # A person has the last word.
            is_odd = position in odd and offer.source != "override"
            if is_odd != (offer.certainty == "ambiguous"):
                canonical_id = None if is_odd else offer.candidate_id
                changed[offer.id] = offer._replace(canonical_id=canonical_id, certainty="ambiguous")
    return changed


def _rows(knowledge: Knowledge) -> Select[Any]:
    """What identities are computed from now, the stored identities, and the rest of what `Offer` has."""
    model, identity = provider_model.c, model_identity.c
    # JSON and arrays come as text, because many offers have the same.
    arrays = {name: cast(func.to_jsonb(model[name]), Text) for name in MODALITIES}
    return (
        select(
            *(model.id, *(value.label(f"{name}_now") for name, value in knowledge.computed_from().items())),
            *(identity[name] for name in Identity._fields[_SHARED]),
            *(model.provider_id, provider.c.slug, model.model_id, model.display_name),
            *(_as_driven(model.retires_on), model.first_seen_at, model.removed_at),
            *(cast(model[name], Text) for name in ("prices", "capabilities", "capability_sources")),
            *(arrays.get(name, _as_driven(model[name])) for name in AGREED_COLUMNS),
            *(model.metadata_json[name].astext for name in STATED_FIELDS),
        )
        .join(provider, provider.c.id == model.provider_id)
        .outerjoin(model_identity, identity.provider_model_id == model.id)
    )


def _as_driven(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """A column as the driver reads it."""
    return type_coerce(column, NullType())


def _offer(row: Sequence[Any], identity: Sequence[Any]) -> Offer:
    """An offer, from a row of `_rows` and the identity's columns that it has as well."""
    return Offer._make((row[0], *identity, *row[_DESCRIBED], _parsed(row[_PRICES]), _facts(row[_FACTS])))


@functools.lru_cache(maxsize=4096)
def _parsed(prices: str) -> Mapping[str, Any]:
    parsed: dict[str, Any] = orjson.loads(prices)
    return parsed


@functools.lru_cache(maxsize=4096)
def _facts(columns: tuple[Any, ...]) -> Facts:
    capabilities, sources, *agreed = columns
    facts: list[tuple[str, Any]] = []
    for name, value in zip(AGREED_COLUMNS, agreed, strict=True):
        if name in MODALITIES and value is not None:
            facts.append((name, tuple(orjson.loads(value))))
        elif value is not None:
            facts.append((name, value.isoformat() if isinstance(value, date) else value))
    source_of = orjson.loads(sources)
    stated = (pair for pair in orjson.loads(capabilities).items() if source_of.get(pair[0]) in _STATED_SOURCES)
    return (*facts, *((CAPABILITY + name, has) for name, has in stated))


def _is_stale(knowledge: Knowledge) -> ColumnElement[bool]:
    identity = model_identity.c
    differ = (identity[name] != value for name, value in knowledge.computed_from().items())
    return or_(identity.provider_model_id.is_(None), *differ)


def _write(session: Session, identities: Iterable[Identity], outdated: list[int]) -> None:
    """Writes identities in the place of the outdated ones; COPY takes two thirds of an upsert's time."""
    if outdated:
        session.execute(
            delete(model_identity).where(
                model_identity.c.provider_model_id == any_(literal(outdated, ARRAY(BigInteger)))
            )
        )
    with driver_connection(session).cursor() as cursor, cursor.copy(_COPY) as copy:
        for each in identities:
            copy.write_row(each)
