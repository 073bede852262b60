"""Response models, as OpenAPI shows them; those about models are in `model_responses.py`.

What the values mean is in the comments on the tables.
"""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from provider_pipeline.api.request_models import Json
from provider_pipeline.rules.model_columns import Cause, ChangeKind, ModelStatus


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
