"""Refuses filters by a value that nothing in the catalogue has: an empty list would look like an answer."""

import difflib
from collections.abc import Collection, Iterable
from typing import Final

from sqlalchemy import ColumnElement, func, select, union
from sqlalchemy.orm import Session

from provider_pipeline.catalog.tables import provider, provider_model
from provider_pipeline.errors import NoSuchEntryError, UnknownValueError
from provider_pipeline.rules.matching import capability_names
from provider_pipeline.rules.model_columns import PROVIDER_MODEL_COLUMNS
from provider_pipeline.rules.prices import component_names
from provider_pipeline.rules.values import modality_names

_MAX_NAMED: Final = 30
_RECORDED: Final = ("status", *(each.name for each in PROVIDER_MODEL_COLUMNS if each.compared))
_KEYED: Final = ("capabilities", "metadata_json", "prices")


def require_known(
    session: Session,
    *,
    capabilities: Collection[str] = (),
    components: Collection[str] = (),
    modality: str | None = None,
    family: str | None = None,
) -> None:
    """Check the values of a search for models: known are those of the knowledge and those in the table.

    Raises:
        UnknownValueError: One is unknown; the hint names the known ones.
    """
    model = provider_model.c
    known: tuple[tuple[str, Iterable[str], Iterable[str], ColumnElement[str]], ...] = (
        ("capability", capabilities, capability_names(), func.jsonb_object_keys(model.capabilities)),
        ("price component", components, component_names(), func.jsonb_object_keys(model.prices)),
        ("family", [] if family is None else [family], (), model.family),
    )
    for what, given, shipped, listed in known:
        if missing := set(given).difference(shipped):
            _refuse(what, missing, {*shipped, *session.scalars(select(listed).where(model.id > 0).distinct())})
    if modality is not None and modality not in modality_names():
        either = union(*(select(func.unnest(each)) for each in (model.input_modalities, model.output_modalities)))
        _refuse("modality", {modality}, {*modality_names(), *session.scalars(either)})


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
        NoSuchEntryError: None has.
    """
    query = select(provider_model.c.id).where(provider_model.c.model_id == model_id).limit(1)
    if slug is not None:
        query = query.join(provider, provider.c.id == provider_model.c.provider_id).where(provider.c.slug == slug)
    if session.scalar(query) is None:
        of = "no provider" if slug is None else slug
        raise NoSuchEntryError(
            f"{of} has {'listed ' if slug is None else 'no '}model {model_id!r}",
            hint="look for it with: provider-pipeline models list --search TEXT",
        )


def _refuse(what: str, given: Collection[str], known: Collection[str | None]) -> None:
    names = sorted(name for name in known if name is not None)
    for name in sorted(set(given).difference(names)):
        close = difflib.get_close_matches(name, names, n=3)
        listed = f"known: {', '.join(names[:_MAX_NAMED])}" + (", ..." if len(names) > _MAX_NAMED else "")
        hint = f"did you mean {' or '.join(close)}? {listed}" if close else listed
        raise UnknownValueError(f"no {what} {name!r}", hint=hint)
