"""`model_identity`: which model each offer is; `canonical` computes the models themselves."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import orjson
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    RowMapping,
    Select,
    Text,
    and_,
    any_,
    cast,
    func,
    literal,
    literal_column,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from provider_pipeline.catalog.statements import statement
from provider_pipeline.catalog.tables import model_identity, provider, provider_model
from provider_pipeline.rules.identity import STATED_FIELDS, canonical_of, contradicting, identity_digest
from provider_pipeline.rules.override_set import OverrideSet
from provider_pipeline.rules.overriding import CANONICAL_ID
from provider_pipeline.rules.rows import digest_of

_OFFERS_AT_ONCE: Final = 10_000
_TRAITS: Final = (
    *("model_id", "display_name", "family", "context_length", "max_input_tokens", "max_output_tokens"),
    *("input_modalities", "output_modalities", "capabilities", "released_on", "knowledge_cutoff"),
)
"""The columns that can speak against a reading of a name. Prices are no evidence."""


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
        found = canonical_of(row["model_id"], stated, _traits(row))
        if found is None:
            return _Identity(**columns, certainty="unverified")
        read = {name: getattr(found, name) for name in ("lab", "family", "snapshot", "variant", "certainty", "source")}
        return _Identity(**columns, **read, canonical_id=found.id, candidate_id=found.id)


def assign_stale(session: Session, knowledge: Knowledge) -> Assigned:
    """Assigns each offer whose row changed, or that other knowledge was used for."""
    assigned = Assigned()
    query = _offers(knowledge).where(_is_stale(knowledge)).order_by(provider_model.c.id).limit(_OFFERS_AT_ONCE)
    last = 0
    while rows := session.execute(query.where(provider_model.c.id > last)).mappings().all():
        last = rows[-1]["id"]
        identities = []
        for row in rows:
            identity = knowledge.identity(row)
            if row["certainty"] == "ambiguous" and row["candidate_id"] == identity.candidate_id:
                identity = _ambiguous(identity)  # until `judge` compares it with the other offers of the model
            assigned.touched.update(filter(None, (row["candidate_id"], identity.candidate_id)))
            if row["certainty"] is not None and row["canonical_id"] != identity.canonical_id:
                assigned.reassigned.update(filter(None, (row["canonical_id"], identity.canonical_id)))
            identities.append(identity)
        assigned.count += _assign(session, identities)
    return assigned


def judge(session: Session, knowledge: Knowledge, candidates: Sequence[str]) -> set[str]:
    """Marks the offers of these models that contradict the others, and only those; returns the models this changed."""
    changed = _judged(session, knowledge, candidates)
    _assign(session, changed)
    return {each.candidate_id for each in changed if each.candidate_id is not None}


def _offers(knowledge: Knowledge) -> Select[Any]:
    """Rows of `provider_model` with what identities are computed from, and the identities they have."""
    model, identity = provider_model.c, model_identity.c
    return (
        select(
            model.id,
            model.provider_id,
            *(model[name] for name in _TRAITS if name != "capabilities"),
            cast(model.capabilities, Text).label("capabilities"),  # read by orjson, three times as fast
            *(model.metadata_json[name].astext.label(f"stated_{name}") for name in STATED_FIELDS),
            *(value.label(f"{name}_now") for name, value in knowledge.computed_from().items()),
            *(identity.certainty, identity.source, identity.candidate_id, identity.canonical_id, identity.is_counted),
        )
        .join(provider, provider.c.id == model.provider_id)
        .outerjoin(model_identity, identity.provider_model_id == model.id)
    )


def _traits(row: RowMapping) -> dict[str, Any]:
    traits = {name: row[name] for name in _TRAITS}
    traits["capabilities"] = orjson.loads(row["capabilities"])
    return traits


def _is_stale(knowledge: Knowledge) -> ColumnElement[bool]:
    identity = model_identity.c
    differ = (identity[name] != value for name, value in knowledge.computed_from().items())
    return or_(identity.provider_model_id.is_(None), *differ)


def _ambiguous(identity: _Identity) -> _Identity:
    return replace(identity, canonical_id=None, certainty="ambiguous")


def _judged(session: Session, knowledge: Knowledge, candidates: Sequence[str]) -> list[_Identity]:
    """Offers of these models that contradict the others from now on, or no longer do."""
    identity = model_identity.c
    disputable = (
        select(identity.candidate_id)
        .where(identity.candidate_id == any_(literal(list(candidates), ARRAY(Text))))
        .group_by(identity.candidate_id)
        .having(or_(func.count() > 1, func.bool_or(identity.certainty == "ambiguous")))
    )
    groups: dict[str, list[RowMapping]] = {}
    for row in session.execute(_offers(knowledge).where(identity.candidate_id.in_(disputable))).mappings().all():
        groups.setdefault(row["candidate_id"], []).append(row)
    found = []
    for rows in groups.values():
        # What is gone contradicts nobody, and keeps its place.
        compared = [row for row in rows if row["is_counted"]]
        odd = contradicting([_traits(row) for row in compared])
        for position, row in enumerate(compared):
            # A person has the last word.
            is_odd = position in odd and row["source"] != "override"
            if is_odd != (row["certainty"] == "ambiguous"):
                alone = knowledge.identity(row)
                found.append(_ambiguous(alone) if is_odd else alone)
    return found


def _assign(session: Session, identities: Iterable[_Identity]) -> int:
    rows = [vars(each) for each in identities]
    if not rows:
        return 0
    return int(session.scalars(statement("assign_identities"), {"assigned": orjson.dumps(rows).decode()}).one())
