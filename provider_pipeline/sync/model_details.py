"""One model with all that is known of it: facts with their sources, prices with their history, and changes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.rules.lineage import fact_sources
from provider_pipeline.rules.model_columns import PROVIDER_MODEL_COLUMNS
from provider_pipeline.sync.plan import stored_rule

MAX_CHANGES: Final = 100
_KEYED: Final = ("capabilities", "metadata_json", "prices")
_FACTS: Final = tuple(column.name for column in PROVIDER_MODEL_COLUMNS if column.overridable)


@dataclass(frozen=True)
class FactSource:
    """Where a fact comes from.

    Attributes:
        source: `override`, `listing`, or a capability's: `evidence`, `lookup_table`, `regex` or `weak_evidence`.
        read_from: The fields of the listing's item that the rule version of the row reads; empty for an override.
    """

    source: str
    read_from: tuple[str, ...]


@dataclass(frozen=True)
class ModelDetails:
    """A model of a provider.

    Attributes:
        model: Its row, as lists of models have it.
        sources: By known fact: a column, or a key of one such as `prices.cache_read`, `capabilities.vision`.
        prices: By component and tier.
        price_history: By component, tier and time.
        overrides: What people set, and what the provider lists instead.
        changes: The latest ones first, at most `MAX_CHANGES`.
    """

    model: dict[str, Any]
    sources: dict[str, FactSource]
    prices: list[catalog.prices.ModelPrice]
    price_history: list[catalog.prices.PriceSpan]
    overrides: list[catalog.model_overrides.Override]
    changes: list[catalog.history.RecordedChange]


def model_details(session: Session, provider: catalog.providers.Provider, model_id: str) -> ModelDetails:
    """All that is known about a provider's model.

    Raises:
        NoSuchEntryError: The provider has never listed it.
    """
    slug = provider.slug
    catalog.known_values.require_model(session, model_id, slug)
    (model,) = catalog.history.list_models(session, slug=slug, model_id=model_id)
    rule = stored_rule(session, catalog.rule_versions.get(session, provider.id, model["rule_version"]))
    return ModelDetails(
        model=model,
        sources=_sources(model, fact_sources(rule)),
        prices=catalog.prices.list_prices(session, slug=slug, model_id=model_id),
        price_history=catalog.prices.price_history(session, slug=slug, model_id=model_id),
        overrides=catalog.model_overrides.list_overrides(session, slug=slug, model_id=model_id),
        changes=catalog.history.list_changes(session, slug=slug, model_id=model_id, limit=MAX_CHANGES),
    )


def _sources(model: Mapping[str, Any], read_from: Mapping[str, tuple[str, ...]]) -> dict[str, FactSource]:
    found: dict[str, FactSource] = {}
    for column in _FACTS:
        keys = model[column] or {} if column in _KEYED else ()
        for fact in [f"{column}.{key}" for key in keys] if column in _KEYED else [column]:
            if column in _KEYED or model[column] is not None:
                found[fact] = _source(model, fact, read_from)
    return found


def _source(model: Mapping[str, Any], fact: str, read_from: Mapping[str, tuple[str, ...]]) -> FactSource:
    column, _, key = fact.partition(".")
    if fact in model["overridden_fields"]:  # a price that is also a column is there under both names
        return FactSource("override", ())
    learnt = model["capability_sources"].get(key, "listing") if column == "capabilities" else "listing"
    return FactSource(learnt, read_from.get(fact, ()))
