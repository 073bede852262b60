"""Refuses names that nothing in the catalogue has: an empty list would look like an answer to a misspelt filter."""

import difflib
from collections.abc import Collection, Sequence
from typing import Any, Final, Literal

from sqlalchemy import Select, any_, exists, func, literal, or_, select, union
from sqlalchemy.orm import Session

from provider_pipeline import rules
from provider_pipeline.catalog.tables import provider, provider_model
from provider_pipeline.errors import NoSuchEntryError, UnknownValueError
from provider_pipeline.rules.issues import shown
from provider_pipeline.rules.model_columns import PROVIDER_MODEL_COLUMNS

_MAX_NAMED: Final = 30
_NEAREST: Final = 3
_MIN_PART: Final = 3
"""Shortest text that is looked for inside ids: fewer letters are in ids that have nothing to do with them."""
_MAX_COMPARED: Final = 20_000
"""Ids compared letter by letter, which takes a second."""
_RECORDED: Final = (
    *("status", "renamed_to", "overridden_fields"),
    *(each.name for each in PROVIDER_MODEL_COLUMNS if each.compared or each.overridable),
)
"""What a change can be of; of a column that no listing changes, an override can."""
_KEYED: Final = ("capabilities", "metadata_json", "prices")


Vocabulary = Literal["capability", "price component", "modality", "family"]


def known_names(session: Session, what: Vocabulary) -> list[str]:
    """Valid names in a search: from the shipped knowledge and from the table."""
    return sorted({*_shipped(what), *session.scalars(_listed(what))} - {None})


def _shipped(what: Vocabulary) -> Collection[str]:
    if what == "capability":
        return rules.matching.capability_names()
    if what == "price component":
        return rules.prices.component_names()
    return rules.values.modality_names() if what == "modality" else ()


def _listed(what: Vocabulary) -> Any:
    model = provider_model.c
    if what == "modality":
        return union(*(select(func.unnest(each)) for each in (model.input_modalities, model.output_modalities)))
    if what == "family":
        return select(model.family).distinct()
    return select(func.jsonb_object_keys(model.capabilities if what == "capability" else model.prices)).distinct()


def _is_listed(session: Session, what: Vocabulary, name: str) -> bool:
    """Whether a model has the name; the first one that does is enough."""
    model = provider_model.c
    if what == "modality":
        condition = or_(*(literal(name) == any_(each) for each in (model.input_modalities, model.output_modalities)))
    elif what == "family":
        condition = model.family == name
    else:
        condition = (model.capabilities if what == "capability" else model.prices).has_key(name)
    return bool(session.scalar(select(exists().where(condition))))


def require_known(
    session: Session,
    *,
    capabilities: Collection[str] = (),
    components: Collection[str] = (),
    modalities: Collection[str] = (),
    family: str | None = None,
) -> None:
    """Check names against the shipped knowledge and the table.

    Raises:
        UnknownValueError: One is unknown; the hint names the known ones.
    """
    given: tuple[tuple[Vocabulary, Collection[str]], ...] = (
        ("capability", capabilities),
        ("price component", [name for name in components if not rules.prices.is_of_a_size(name)]),
        ("modality", modalities),
        ("family", [] if family is None else [family]),
    )
    for what, names in given:
        missing = set(names).difference(_shipped(what) if names else ())
        # Only these are looked for: all names of the table are wanted for a refusal alone.
        if not all(_is_listed(session, what, name) for name in missing):
            _refuse(what, missing, known_names(session, what))


def require_overridable(session: Session, field: str, value: Any) -> None:
    """Check the names in an override: of a capability, of a price component, of modalities.

    Args:
        field: As `rules.overrides.checked_value` takes it, and `value` as it returns it.

    Raises:
        UnknownValueError: One is unknown; the hint names the known ones.
    """
    column, _, key = field.partition(".")
    require_known(
        session,
        capabilities=[key] if column == "capabilities" else (),
        components=[key] if column == "prices" else (),
        modalities=value or () if column.endswith("_modalities") else (),
    )


def require_field(name: str) -> None:
    """Check the name of a field of changes: a column, or a key as `capabilities.NAME`.

    Raises:
        UnknownValueError: No change can name it.
    """
    column, _, key = name.partition(".")
    if name not in _RECORDED and not (column in _KEYED and key):
        _refuse("field", {name}, {*_RECORDED, *(f"{each}.NAME" for each in _KEYED)})


def require_model(session: Session, model_id: str, slug: str | None = None) -> None:
    """Check that a provider, or any, has ever listed a model.

    Raises:
        NoSuchEntryError: None has; the hint names the nearest ids.
    """
    listed = select(provider_model.c.model_id).distinct()
    if slug is not None:
        listed = listed.join(provider, provider.c.id == provider_model.c.provider_id).where(provider.c.slug == slug)
    if session.scalar(listed.where(provider_model.c.model_id == model_id)) is not None:
        return
    of = "no provider" if slug is None else slug
    if close := _nearest_ids(session, listed, model_id):
        hint = f"the nearest: {', '.join(close)}"
    elif session.scalar(listed.limit(1)) is None:
        hint = "it has listed none so far: sync it first" if slug is not None else "sync a provider first"
    else:
        hint = "see them with: provider-pipeline models list"
    raise NoSuchEntryError(f"{of} has {'listed ' if slug is None else 'no '}model {shown(model_id)!r}", hint=hint)


def _nearest_ids(session: Session, listed: Select[Any], wanted: str) -> Sequence[str]:
    """Ids that contain the text, the shortest first; else ids that resemble it."""
    column = provider_model.c.model_id
    parts = listed.where(column.icontains(wanted, autoescape=True)).subquery()
    shortest = select(parts.c.model_id).order_by(func.length(parts.c.model_id), parts.c.model_id.collate("C"))
    if len(wanted) >= _MIN_PART and (found := session.scalars(shortest.limit(_NEAREST)).all()):
        return found
    return difflib.get_close_matches(wanted, session.scalars(listed.limit(_MAX_COMPARED)).all(), n=_NEAREST)


def _refuse(what: str, given: Collection[str], known: Collection[str]) -> None:
    names = sorted(known)
    for name in sorted(set(given).difference(names)):
        close = difflib.get_close_matches(name, names, n=_NEAREST)
        listed = f"known: {', '.join(names[:_MAX_NAMED])}" + (", ..." if len(names) > _MAX_NAMED else "")
        hint = f"did you mean {' or '.join(close)}? {listed}" if close else listed
        raise UnknownValueError(f"no {what} {shown(name)!r}", hint=hint)
