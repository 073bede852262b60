"""What goes in and out, as OpenAPI shows it.

Here: the shape of bodies and answers. Not here: what the values mean, which the comments on the tables say.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]
ModelId = Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[^\x00]+$")]
Reason = Annotated[str, Field(min_length=1, max_length=2000, pattern=r"^[^\x00]*\S[^\x00]*$", description="Recorded.")]
Number = Annotated[int, Field(ge=1, le=2**31 - 1)]
Key = Annotated[int, Field(ge=1, le=2**63 - 1)]
Json = dict[str, Any]

ChangeKind = Literal["added", "renamed", "updated", "missing", "removed", "restored"]
ModelStatus = Literal["active", "missing", "removed"]


class Body(BaseModel):
    """What a client sends: nothing that is not named."""

    model_config = ConfigDict(extra="forbid")


class Document(BaseModel):
    """What a client gets."""

    model_config = ConfigDict(from_attributes=True)


class ProviderDocument(Document):
    """A provider, how it is reached, and how its last sync went. It names where keys are, and holds none."""

    slug: str
    name: str
    enabled: bool
    base_url: str
    auth: Json
    requests: Json
    thresholds: Json
    check_every_seconds: float | None
    rule_version: int | None
    active_models: int
    last_checked_at: datetime | None
    last_success_at: datetime | None
    consecutive_failures: int
    last_error: str | None


class ProviderSettings(Body):
    """A provider's settings; those that are left out stay as they are."""

    name: Name | None = None
    base_url: Annotated[str, Field(max_length=2000, pattern=r"^https?://[^\x00\s]+$")] | None = None
    auth: Annotated[Json, Field(description="As in docs/authentication.md; names where keys are.")] | None = None
    requests: Annotated[Json, Field(description="What requests may do, and their limits.")] | None = None
    thresholds: Annotated[Json, Field(description="Plausibility thresholds that differ from the defaults.")] | None = (
        None
    )
    check_every_seconds: Annotated[int, Field(ge=60, le=10**8)] | None = None
    enabled: bool | None = None


class NewProvider(Body):
    """A provider to add."""

    slug: Annotated[str, Field(max_length=64, pattern=r"^[a-z0-9]+((\.|[_-]+)[a-z0-9]+)*$")]
    base_url: Annotated[str, Field(max_length=2000, pattern=r"^https?://[^\x00\s]+$")]
    name: Name | None = None
    auth: Json = Field(default={"type": "none"}, description="As in docs/authentication.md; names where keys are.")
    requests: Json = Field(default={}, description="What requests may do, and their limits.")
    thresholds: Json = {}
    check_every_seconds: Annotated[int, Field(ge=60, le=10**8)] | None = None


class ModelDocument(Document):
    """A model of a provider."""

    provider: str
    model_id: str
    display_name: str | None
    family: str | None
    context_length: int | None
    max_output_tokens: int | None
    input_modalities: list[str] | None
    output_modalities: list[str] | None
    input_price: float | None = Field(description="USD per 1,000,000 tokens.")
    output_price: float | None = Field(description="USD per 1,000,000 tokens.")
    capabilities: dict[str, bool] = Field(description="True or false; what is unknown is absent.")
    capability_sources: dict[str, str]
    metadata_json: Json
    status: ModelStatus
    first_seen_at: datetime
    missing_since: datetime | None
    removed_at: datetime | None
    rule_version: int
    renamed_from: str | None
    renamed_to: str | None
    overridden_fields: list[str]
    last_seen_at: datetime | None = Field(description="Null for the past, of which it is not kept.")


class ModelList(Document):
    """A page of models."""

    models: list[ModelDocument]
    next_cursor: str | None = Field(description="For the next page; null on the last one.")


class SyncResult(Document):
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


class SyncOptions(Body):
    """What a sync may take although a guard holds it."""

    accept: list[Name] = []
    reason: Reason | None = None


class LaunchedRun(Document):
    """A run that Dagster was asked for."""

    provider: str
    run_id: str
    url: str


class SampleBody(Body):
    """A response of a provider to learn from."""

    sample_response: Any = Field(description="The response, as JSON.")
    endpoint: Annotated[str, Field(max_length=500, pattern=r"^/[^\x00\s]*$")] | None = Field(
        default=None, description="Its path; the active rule's, or /v1/models, when left out."
    )


class GeneratedDocument(Document):
    """Rules that were generated; `version` is null after a dry run."""

    provider: str
    version: int | None
    activated: bool
    reason: str
    models: int
    rule: Json = Field(description="As `RuleGenerator.analyze_sample` returns it.")


class RuleDocument(Document):
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


class RuleEventDocument(Document):
    """What became of a rule version, and why."""

    status: str
    reason: str
    scores: Json | None
    task_id: int | None
    created_by_id: int | None
    created_at: datetime


class WholeRule(RuleDocument):
    """A version with what it says."""

    model_list_config: Json
    endpoints_config: Json
    metadata: Json
    events: list[RuleEventDocument]


class Decision(Body):
    """A person's decision."""

    reason: Reason


class ActiveRule(Document):
    """Which version is in use now."""

    provider: str
    active: int


class RuleDifferences(Document):
    """What one version says otherwise than another."""

    provider: str
    before: int
    after: int
    differences: list[Json]
    text: list[str]


class TaskDocument(Document):
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


class ClaimBody(Body):
    """Who takes a task, and for how long."""

    worker: Name = Field(description="Names this claimant and no other.")
    lease_seconds: Annotated[int, Field(ge=1, le=86_400)] = 900


class ProposalBody(Body):
    """A rule for a task."""

    rule: Json = Field(description="In either written form; see docs/rules.md.")
    author: Literal["person", "agent"] = "agent"
    worker: Name | None = Field(default=None, description="Under which name the task was claimed, if it was.")
    note: Reason | None = None


class RepairDocument(Document):
    """What became of a proposed rule."""

    task: int
    status: str
    reason: str
    version: int | None
    models: int
    gates: list[Json]
    report: str


class ChangeDocument(Document):
    """A change of a model."""

    id: int
    provider: str
    model_id: str
    kind: str
    changed: dict[str, Any]
    cause: str
    rule_version: int
    raw_response_id: int | None
    changed_at: datetime


class ChangeList(Document):
    """Changes, newest first."""

    changes: list[ChangeDocument]
    next_cursor: str | None


class OverrideBody(Body):
    """A value that holds whatever the provider lists."""

    model_id: ModelId
    field: Name = Field(description="A column such as context_length, or capabilities.NAME or metadata_json.NAME.")
    value: Any = Field(description="Null says that nothing is known.")
    reason: Reason
    expires_at: AwareDatetime | None = None


class OverrideDocument(Document):
    """A value that people set, beside what the provider lists."""

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


class RawResponseDocument(Document):
    """A stored response."""

    id: int
    provider: str
    sha256: str
    complete: bool
    byte_count: int
    page_count: int
    fetched_at: datetime
    last_fetched_at: datetime


class Health(Document):
    """Whether it works."""

    status: Literal["ok"]
