"""Request bodies and parameters, with their bounds."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias

from fastapi import Path, Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from provider_pipeline.overrides.entries import OverrideEntry
from provider_pipeline.rules.issues import GUARDS
from provider_pipeline.rules.matching import capability_names
from provider_pipeline.rules.moments import DESCRIPTION, SPAN, parse_moment
from provider_pipeline.rules.prices import component_names
from provider_pipeline.rules.values import modality_names
from provider_pipeline.sync.repair.worker import is_own_worker

Json = dict[str, Any]

if TYPE_CHECKING:
    Capability: TypeAlias = str
    Modality: TypeAlias = str
    PriceComponent: TypeAlias = str
else:
    # Named in the OpenAPI document. A listing may bring further ones, so fields also take other texts.
    Capability = StrEnum("Capability", [(name, name) for name in capability_names()])
    Modality = StrEnum("Modality", [(name, name) for name in sorted(modality_names())])
    PriceComponent = StrEnum("PriceComponent", [(name, name) for name in component_names()])

Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]
CapabilityName = Capability | Annotated[str, Field(max_length=100, pattern=r"^[a-z0-9_]+$")]
ModelId = Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[^\x00]+$")]
Reason = Annotated[str, Field(min_length=1, max_length=2000, pattern=r"^[^\x00]*\S[^\x00]*$", description="Recorded.")]
Number = Annotated[int, Field(ge=1, le=2**31 - 1)]
Key = Annotated[int, Field(ge=1, le=2**63 - 1)]

Slug = Annotated[str, Path(description="The provider's short name.", max_length=64, pattern=r"^[a-z0-9._-]+$")]
OfProvider = Annotated[
    str | None,
    Query(alias="provider", description="Only of this provider.", max_length=64, pattern=r"^[a-z0-9._-]+$"),
]
Limit = Annotated[int, Query(ge=1, le=1000, description="How many at most.")]
Cursor = Annotated[
    str | None, Query(max_length=4000, pattern=r"^[A-Za-z0-9_-]+$", description="`next_cursor` of the page before.")
]
DryRun = Annotated[bool, Query(description="Do everything but keep it.")]


_MOMENT_SCHEMA: Final = {
    "anyOf": [
        {"type": "string", "format": "date-time"},
        {"type": "string", "format": "date"},
        {"type": "string", "pattern": f"^{SPAN}$"},
    ],
    "description": f"{DESCRIPTION[0].upper()}{DESCRIPTION[1:]}.",
    "examples": ["2026-11-23T12:00:00Z", "2026-11-23", "36h"],
}


def past_moment(text: str | None) -> datetime | None:
    """The moment that a `PastMoment` names, counted from now; None for None."""
    return None if text is None else parse_moment(text, now=datetime.now(UTC))


def _future(value: Any) -> Any:
    return parse_moment(value, now=datetime.now(UTC), direction="ahead") if isinstance(value, str) else value


def _named(text: str) -> str:
    past_moment(text)
    return text


PastMoment = Annotated[str, AfterValidator(_named), WithJsonSchema(_MOMENT_SCHEMA)]
"""A time as the command line takes it, as written: the next page's cursor belongs to the same text."""
FutureMoment = Annotated[AwareDatetime, BeforeValidator(_future), WithJsonSchema(_MOMENT_SCHEMA)]
"""The same; a span leads into the future."""

_BaseUrl = Annotated[str, Field(max_length=2000, pattern=r"^https?://[^\x00\s]+$")]
_Auth = Annotated[Json, Field(description="See docs/authentication.md; it names where keys are, and holds none.")]
_Requests = Annotated[Json, Field(description="What requests may do, and their limits.")]
_Thresholds = Annotated[Json, Field(description="Plausibility thresholds that differ from the defaults.")]
_Seconds = Annotated[int, Field(ge=60, le=10**8)]
_NewHosts = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=300)]],
    Field(max_length=20, description="Hosts, as the error names them, that may get a key sent only to others so far."),
]


class RequestModel(BaseModel):
    """A body; unknown members are refused."""

    model_config = ConfigDict(extra="forbid")


def _example(body: Json) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [body]})


class ProviderUpdate(RequestModel):
    """A provider's settings; those left out stay as they are."""

    model_config = _example({"check_every_seconds": 21600, "thresholds": {"max_limit_shrink_share": 0.5}})

    name: Name | None = None
    base_url: _BaseUrl | None = None
    auth: _Auth | None = None
    requests: _Requests | None = None
    thresholds: _Thresholds | None = None
    check_every_seconds: _Seconds | None = None
    enabled: bool | None = None
    new_hosts: _NewHosts = []


class NewProvider(RequestModel):
    """A provider to add."""

    model_config = _example(
        {
            "slug": "acme",
            "base_url": "https://api.acme.example/v1",
            "auth": {"type": "bearer", "env": "ACME_KEY"},
        }
    )

    slug: Annotated[str, Field(max_length=64, pattern=r"^[a-z0-9]+((\.|[_-]+)[a-z0-9]+)*$")]
    base_url: _BaseUrl
    name: Name | None = None
    auth: _Auth = {"type": "none"}
    requests: _Requests = {}
    thresholds: _Thresholds = {}
    check_every_seconds: _Seconds | None = None
    new_hosts: _NewHosts = []


class SyncRequest(RequestModel):
    """Which guards a sync may override."""

    model_config = _example({"accept": ["shrink"], "reason": "acme withdrew its preview models"})

    accept: list[Name] = Field(default=[], max_length=20, description=f"Guards by name: {', '.join([*GUARDS, 'all'])}.")
    reason: Reason | None = None


class SampleRequest(RequestModel):
    """A provider's response to write a rule from."""

    model_config = _example(
        {"sample_response": {"data": [{"id": "acme-1", "context_length": 128000}]}, "endpoint": "/v1/models"}
    )

    sample_response: Any = Field(description="The response, as JSON.")
    endpoint: Annotated[str, Field(max_length=500, pattern=r"^/[^\x00\s]*$")] | None = Field(
        default=None, description="Its path; by default the active rule's, or /v1/models."
    )


class DecisionRequest(RequestModel):
    """A person's decision."""

    model_config = _example({"reason": "compared with the provider's page on models"})

    reason: Reason


class ApprovalRequest(DecisionRequest):
    """A person's approval of the rule that a task proposes."""

    model_config = _example({"reason": "compared with the provider's page on models", "version": 2})

    version: Number | None = Field(
        default=None, description="The version that was reviewed; one proposed since then is not activated."
    )


def _not_own_worker(worker: str) -> str:
    if is_own_worker(worker):
        raise ValueError("this name is reserved for the program's own workers: choose another")
    return worker


_Worker = Annotated[Name, AfterValidator(_not_own_worker)]


class ClaimRequest(RequestModel):
    """Who takes a task, and for how long."""

    model_config = _example({"worker": "rule-writer-1", "lease_seconds": 900})

    worker: _Worker = Field(description="Names this claimant and no other.")
    lease_seconds: Annotated[int, Field(ge=1, le=86_400)] = 900


class ReleaseRequest(RequestModel):
    """Who gives a task back, and why."""

    model_config = _example({"worker": "rule-writer-1", "reason": "the page needs a person"})

    worker: _Worker = Field(description="The name that claimed the task.")
    reason: Reason


class ProposalRequest(RequestModel):
    """A rule for a task."""

    model_config = _example(
        {
            "rule": {
                "jmespath_rule": "models[*]",
                "fields": {"id": "id", "context_length": "limits.context"},
                "pattern_set": "shipped",
            },
            "note": "data became models",
        }
    )

    rule: Json = Field(description="In either written form; see docs/rules.md.")
    author: Literal["person", "agent"] = "agent"
    worker: _Worker | None = Field(default=None, description="The name that claimed the task, if it is claimed.")
    note: Reason | None = None


class OverrideRequest(RequestModel):
    """A value that wins over the provider's listing."""

    model_config = _example(
        {"model_id": "acme-1", "field": "context_length", "value": 64000, "reason": "our gateway's limit"}
    )

    model_id: ModelId
    field: Name = Field(
        description="A column such as context_length, capabilities.NAME, prices.NAME, metadata_json.NAME, or "
        "canonical_id."
    )
    value: Any = Field(description="Null means that nothing is known.")
    reason: Reason
    expires_at: FutureMoment | None = None
    unlisted: bool = Field(default=False, description="Allow a model that the provider has not listed so far.")


class OverrideSetRequest(RequestModel):
    """All overrides of a set, as in a file of them; see docs/overrides.md."""

    model_config = _example(
        {
            "set": "contracts",
            "overrides": [
                {
                    "provider": "acme",
                    "pattern": "acme-*",
                    "field": "input_price",
                    "value": 0.2,
                    "reason": "our contract",
                }
            ],
        }
    )

    set: Name = Field(description="The set's name; what it stated before is known by it.")
    prune: bool = Field(default=False, description="Remove what the set stated before and no longer does.")
    overrides: list[OverrideEntry]
