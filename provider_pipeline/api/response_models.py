"""What clients get, as OpenAPI shows it. What the values mean is in the comments on the tables."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from provider_pipeline.api.request_models import Json, Modality
from provider_pipeline.rules.model_columns import PROVIDER_MODEL_COLUMNS, Cause, ChangeKind, ModelColumn, ModelStatus


class ResponseModel(BaseModel):
    """A response, or a part of one."""

    model_config = ConfigDict(from_attributes=True)


def stored_fields(value: Any, **members: Any) -> dict[str, Any]:
    """A stored entry's fields for its response model, with `slug` as `provider`, and further members."""
    named = {name: getattr(value, name) for name in value.__dataclass_fields__}
    return {"provider": named.pop("slug", None), **named, **members}


class ProviderResponse(ResponseModel):
    """A provider, how it is reached, and how its last sync went. `auth` names where keys are, and holds none."""

    slug: str
    name: str
    enabled: bool
    sample: bool = Field(description="Whether it is one of the demo's sample providers, whose models are made up.")
    base_url: str
    auth: Json
    requests: Json
    thresholds: Json
    ids: Json = Field(description="Its name at peers: litellm, models_dev, genai_prices, openrouter, otel.")
    check_every_seconds: float | None
    rule_version: int | None
    active_models: int
    last_checked_at: datetime | None
    last_success_at: datetime | None
    consecutive_failures: int
    last_error: str | None


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


if TYPE_CHECKING:

    class ModelResponse(ResponseModel):
        """A model of a provider; its fields are composed below."""

else:
    ModelResponse = create_model(
        "ModelResponse",
        __base__=ResponseModel,
        __doc__="A model of a provider.",
        provider=str,
        sample=(bool, Field(description="Whether its provider is one of the demo's samples.")),
        **{column.name: _field(column) for column in PROVIDER_MODEL_COLUMNS if column.shown},
        last_seen_at=(datetime | None, Field(description="Null for past moments: it is not kept.")),
        successor_is_listed=(
            bool | None,
            Field(description="Whether the provider itself lists the successor now; null without a successor."),
        ),
    )


if TYPE_CHECKING:

    class CanonicalResponse(ResponseModel):
        """A model, whoever offers it; its fields are composed below."""

else:
    CanonicalResponse = create_model(
        "CanonicalResponse",
        __base__=ResponseModel,
        __doc__="A model, whoever offers it: what its offers agree on.",
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
        provider=str,
        sample=(bool, Field(description="Whether its provider is one of the demo's samples.")),
        canonical_id=str | None,
        candidate_id=str | None,
        lab=str | None,
        snapshot=str | None,
        variant=str | None,
        certainty=str | None,
        **{column.name: _field(column) for column in PROVIDER_MODEL_COLUMNS if column.shown},
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
    unknown: list[OfferResponse] = Field(description="Of which nobody states whether they meet the needs.")
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


class PriceComponentResponse(ResponseModel):
    """A price component, and the unit in which it is usually billed."""

    name: str
    unit: str


class VocabularyResponse(ResponseModel):
    """The names that filters take."""

    capabilities: list[str]
    modalities: list[str]
    families: list[str]
    price_components: list[PriceComponentResponse]
    change_kinds: list[ChangeKind]
    change_causes: list[Cause]
    model_statuses: list[ModelStatus]


class ModelPage(ResponseModel):
    """A page of models."""

    models: list[ModelResponse]
    next_cursor: str | None = Field(description="For the next page; null on the last one.")


class SyncResponse(ResponseModel):
    """What a sync did."""

    success: Literal[True]
    provider: str
    dry_run: bool
    models_synced: int
    models_created: int
    models_renamed: int
    models_updated: int
    models_unchanged: int
    models_missing: int
    models_removed: int
    models_restored: int
    models_rejected: int
    rule_version: int | None
    raw_response_id: int | None
    issues: list[Json]
    changes: list[Json]
    seconds: float


class LaunchedRunResponse(ResponseModel):
    """A run that was launched in Dagster."""

    provider: str
    run_id: str
    url: str


class GeneratedRuleResponse(ResponseModel):
    """A generated rule; `version` is null after a dry run."""

    provider: str
    version: int | None
    activated: bool
    reason: str
    models: int
    rule: Json = Field(description="As `RuleGenerator.analyze_sample` returns it.")


class RuleVersionResponse(ResponseModel):
    """A version of a provider's rule."""

    provider: str
    version: int
    status: str
    author: str
    created_by_id: int | None
    parent_version: int | None
    origin: str
    digest: str
    sample_id: int | None
    created_at: datetime


class RuleEventResponse(ResponseModel):
    """A step in the life of a rule version, and why it was taken."""

    status: str
    reason: str
    scores: Json | None
    task_id: int | None
    created_by_id: int | None
    created_at: datetime


class RuleDetailsResponse(RuleVersionResponse):
    """A rule version with its content and history."""

    model_list_config: Json
    endpoints_config: Json
    metadata: Json
    events: list[RuleEventResponse]


class ActiveRuleResponse(ResponseModel):
    """The version that is active now."""

    provider: str
    active: int


class RuleDiffResponse(ResponseModel):
    """The differences between two rule versions."""

    provider: str
    before: int
    after: int
    differences: list[Json]
    text: list[str]


class TaskResponse(ResponseModel):
    """A RULE_GEN task."""

    id: int
    provider: str
    type: str
    status: str
    attempts: int
    claimed_by: str | None
    claimed_until: datetime | None
    next_attempt_at: datetime | None
    proposed_version: int | None
    raw_response_id: int | None
    created_by_id: int | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    config: Json
    result: Json | None
    report: str | None


class RepairResponse(ResponseModel):
    """The outcome of a proposed rule."""

    task: int
    status: str
    reason: str
    rejected: str | None
    version: int | None
    models: int
    gates: list[Json]
    report: str


class ChangeResponse(ResponseModel):
    """A change of a model."""

    id: int
    provider: str
    model_id: str
    kind: ChangeKind
    changed: dict[str, Any] = Field(
        description="Old and new value by column. Prices are by component and tier: input_price and output_price in "
        "USD per million tokens, others as prices.COMPONENT or prices.COMPONENT.above_TOKENS with amount, unit and "
        "currency."
    )
    cause: Cause
    rule_version: int
    raw_response_id: int | None
    changed_at: datetime


class ChangePage(ResponseModel):
    """Changes, newest first."""

    changes: list[ChangeResponse]
    next_cursor: str | None


class OverrideResponse(ResponseModel):
    """A value that a person set, and what the provider lists."""

    provider: str
    model_id: str
    field: str
    override_value: Any
    reason: str
    created_by_id: int | None
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None
    listed_value: Any
    listed_at: datetime | None
    source: str = Field(description="person, or the set that states it.")
    match: str = Field(description="What model_id is: model, glob or re2.")
    fills_gaps: bool
    valid_from: datetime | None
    source_url: str | None


class OverrideChangeResponse(ResponseModel):
    """An override that a set adds, changes or removes."""

    provider: str
    action: Literal["set", "changed", "removed"]
    model_id: str
    match: str
    field: str
    valid_from: datetime | None
    was: Any
    value: Any


class ModelName(ResponseModel):
    """A model's provider and id."""

    provider: str
    model_id: str


class OverrideSetResponse(ResponseModel):
    """What applying a set changed."""

    set: str
    applied: bool
    unchanged: int
    changes: list[OverrideChangeResponse]
    unlisted: list[ModelName] = Field(description="Models that their provider has not listed so far.")


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


class RawResponseInfo(ResponseModel):
    """A stored response."""

    id: int
    provider: str
    sha256: str
    complete: bool
    byte_count: int
    page_count: int
    fetched_at: datetime
    last_fetched_at: datetime


class ExportFormInfo(ResponseModel):
    """A form that can be exported."""

    name: str
    about: str
    file_name: str = Field(description="What its tool calls the file.")
    media_type: str


class ExportForms(ResponseModel):
    """The forms that can be exported."""

    forms: list[ExportFormInfo]


class HealthResponse(ResponseModel):
    """The service works."""

    status: Literal["ok"]
