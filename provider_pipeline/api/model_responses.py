"""Response models about models: rows, canonical facts, offers by cost, prices.

The fields that are columns are composed from `rules/model_columns.py`.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

from pydantic import Field, create_model

from provider_pipeline.api.request_models import Json, Modality
from provider_pipeline.api.response_models import ChangeResponse, OverrideResponse, ResponseModel
from provider_pipeline.rules.model_columns import PROVIDER_MODEL_COLUMNS, Cause, ModelColumn, ModelStatus

_TYPES: Mapping[str, Any] = {
    "ARRAY": list[str],
    "BIGINT": int,
    "DATE": date,
    "DATETIME": datetime,
    "INTEGER": int,
    "JSONB": Json,
    "NUMERIC": float,
    "TEXT": str,
    "capabilities": dict[str, bool],
    "capability_sources": dict[str, str],
    "input_modalities": list[Modality | str],
    "output_modalities": list[Modality | str],
    "status": ModelStatus,
}
"""A model's columns in JSON, by name or else by type."""


def _field(column: ModelColumn) -> tuple[Any, Any]:
    kind = _TYPES.get(column.name, _TYPES[column.type])
    return kind | None if column.nullable else kind, Field(description=column.comment)


_PROVIDER: Final[Mapping[str, Any]] = {
    "provider": str,
    "sample": (bool, Field(description="Whether its provider is one of the demo's samples.")),
}
_SHOWN: Final[Mapping[str, Any]] = {column.name: _field(column) for column in PROVIDER_MODEL_COLUMNS if column.shown}

if TYPE_CHECKING:

    class ModelResponse(ResponseModel):
        """A model of a provider; its fields are composed below."""

else:
    ModelResponse = create_model(
        "ModelResponse",
        __base__=ResponseModel,
        __doc__="A model of a provider.",
        **_PROVIDER,
        **_SHOWN,
        last_seen_at=(datetime | None, Field(description="Null for past moments: it is not kept.")),
        successor_is_listed=(
            bool | None,
            Field(description="Whether the provider itself lists the successor now; null without a successor."),
        ),
    )


if TYPE_CHECKING:

    class CanonicalResponse(ResponseModel):
        """A canonical model; its fields are composed below."""

else:
    CanonicalResponse = create_model(
        "CanonicalResponse",
        __base__=ResponseModel,
        __doc__="A canonical model: what its offers at all providers agree on.",
        id=(str, Field(description="lab/name, or the name alone if the lab is unknown.")),
        lab=str | None,
        name=str,
        family=str | None,
        **{column.name: _field(column) for column in PROVIDER_MODEL_COLUMNS if column.agreed},
        capabilities=dict[str, bool],
        agreement=(Json, Field(description="Of each fact, how many providers state it, and who states what else.")),
        prices=(
            Json,
            Field(description="Price component to cheapest, cheapest_slug, median, offers, unit and currency."),
        ),
        offers=int,
        providers=int,
        first_seen_at=datetime,
        retires_on=(date | None, Field(description="The last provider's end; null if one has no known end.")),
        removed_at=datetime | None,
        is_verified=bool,
        changed_at=datetime,
    )


class CanonicalPage(ResponseModel):
    """A page of canonical models."""

    models: list[CanonicalResponse]
    next_cursor: str | None = Field(description="For the next page; null on the last one.")


class CostResponse(ResponseModel):
    """The cost of a mix of tokens."""

    amount: float
    currency: str = Field(description="ISO 4217; nothing is converted.")
    tier: int = Field(description="The prompt size above which the applied prices hold; 0 below the first tier.")
    is_cache_price_unknown: bool = Field(description="Whether cached input was priced like other input.")


if TYPE_CHECKING:

    class OfferResponse(ResponseModel):
        """A model of a provider as an offer; its fields are composed below."""

else:
    OfferResponse = create_model(
        "OfferResponse",
        __base__=ResponseModel,
        __doc__="A model of a provider as an offer, with gaps filled from what other providers agree on.",
        **_PROVIDER,
        canonical_id=str | None,
        candidate_id=str | None,
        lab=str | None,
        snapshot=str | None,
        variant=str | None,
        certainty=str | None,
        **_SHOWN,
        last_seen_at=datetime | None,
        filled=(dict[str, str], Field(description="Values that other providers state, not this one.")),
        cost=CostResponse | None,
        reason=(str | None, Field(description="Why the offer is not ranked.")),
        needs_filled=(list[str], Field(description="Needs that are met by filled values.")),
    )


class MixResponse(ResponseModel):
    """The tokens that were priced."""

    input: int
    output: int
    cached: float
    requests: int


class OffersResponse(ResponseModel):
    """The offers of a model, ranked where that is fair."""

    id: str
    mix: MixResponse
    ranked: dict[str, list[OfferResponse]] = Field(description="By currency, USD first; the cheapest first.")
    unpriced: list[OfferResponse] = Field(description="Without a price that the mix needs.")
    unknown: list[OfferResponse] = Field(description="Offers that do not state whether they meet the needs.")
    ambiguous: list[OfferResponse] = Field(description="That contradict the others: perhaps another model.")
    gone: list[OfferResponse] = Field(description="Missing, removed, past their end, or of a disabled provider.")
    unfit: int = Field(description="The number of offers that are known not to meet the needs.")


class PriceResponse(ResponseModel):
    """A price of a model: a component, or one of its tiers."""

    component: str
    above: int = Field(description="The prompt size in tokens above which it holds; 0 below the first tier.")
    amount: float
    unit: str = Field(description="million_tokens, thousand_requests, million_characters, image, second or page.")
    currency: str = Field(description="ISO 4217; nothing is converted.")


class CurrentPriceResponse(PriceResponse):
    """A price of a model now."""

    is_overridden: bool = Field(description="Whether people set it.")


class PriceSpanResponse(PriceResponse):
    """A price of a model while it stayed the same."""

    valid_from: datetime
    valid_to: datetime | None = Field(description="Null while it holds.")
    cause: Cause = Field(description="Why it is this one.")


class FactSourceResponse(ResponseModel):
    """Where a fact comes from."""

    source: str = Field(description="override, listing, evidence, lookup_table, regex or weak_evidence.")
    read_from: list[str] = Field(description="The fields of the listing's items that the row's rule version reads.")


class ModelPage(ResponseModel):
    """A page of models."""

    models: list[ModelResponse]
    next_cursor: str | None = Field(description="For the next page; null on the last one.")


class ModelDetailsResponse(ResponseModel):
    """A model with all that is known of it."""

    model: ModelResponse
    sources: dict[str, FactSourceResponse] = Field(
        description="By known fact: a column, or a key of one, such as prices.cache_read or capabilities.vision."
    )
    prices: list[CurrentPriceResponse]
    price_history: list[PriceSpanResponse]
    overrides: list[OverrideResponse]
    changes: list[ChangeResponse] = Field(description="The latest 100, newest first.")
