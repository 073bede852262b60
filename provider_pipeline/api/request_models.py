"""What clients send: bodies, and the kinds of value that parameters share with them.

Here: shapes and bounds. Not here: how strictly the JSON is read (`strict.py`), and what is answered (`documents.py`).
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from provider_pipeline.rules.guards import GUARDS
from provider_pipeline.sync.repair.worker import is_own_worker

Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]
ModelId = Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[^\x00]+$")]
Reason = Annotated[str, Field(min_length=1, max_length=2000, pattern=r"^[^\x00]*\S[^\x00]*$", description="Recorded.")]
Number = Annotated[int, Field(ge=1, le=2**31 - 1)]
Key = Annotated[int, Field(ge=1, le=2**63 - 1)]
Json = dict[str, Any]
NewHosts = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=300)]],
    Field(
        max_length=20,
        description="Hosts, as the error names them, that may get a key which went to other hosts so far.",
    ),
]


class Body(BaseModel):
    """What a client sends: nothing that is not named."""

    model_config = ConfigDict(extra="forbid")


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
    new_hosts: NewHosts = []


class NewProvider(Body):
    """A provider to add."""

    slug: Annotated[str, Field(max_length=64, pattern=r"^[a-z0-9]+((\.|[_-]+)[a-z0-9]+)*$")]
    base_url: Annotated[str, Field(max_length=2000, pattern=r"^https?://[^\x00\s]+$")]
    name: Name | None = None
    auth: Json = Field(default={"type": "none"}, description="As in docs/authentication.md; names where keys are.")
    requests: Json = Field(default={}, description="What requests may do, and their limits.")
    thresholds: Json = {}
    check_every_seconds: Annotated[int, Field(ge=60, le=10**8)] | None = None
    new_hosts: NewHosts = []


class SyncOptions(Body):
    """What a sync may take although a guard holds it."""

    accept: list[Name] = Field(default=[], max_length=20, description=f"Guards by name: {', '.join([*GUARDS, 'all'])}.")
    reason: Reason | None = None


class SampleBody(Body):
    """A response of a provider to learn from."""

    sample_response: Any = Field(description="The response, as JSON.")
    endpoint: Annotated[str, Field(max_length=500, pattern=r"^/[^\x00\s]*$")] | None = Field(
        default=None, description="Its path; the active rule's, or /v1/models, when left out."
    )


class Decision(Body):
    """A person's decision."""

    reason: Reason


class Approval(Decision):
    """A person's yes to a rule that a task proposes."""

    version: Number | None = Field(
        default=None, description="The version that was looked at: another one, proposed since, is not activated."
    )


def _from_outside(worker: str) -> str:
    if is_own_worker(worker):
        raise ValueError("the name is one of this program's own workers: take another")
    return worker


Worker = Annotated[Name, AfterValidator(_from_outside)]


class ClaimBody(Body):
    """Who takes a task, and for how long."""

    worker: Worker = Field(description="Names this claimant and no other.")
    lease_seconds: Annotated[int, Field(ge=1, le=86_400)] = 900


class ReleaseBody(Body):
    """Who gives a task back, and why."""

    worker: Worker = Field(description="Under which name the task was claimed.")
    reason: Reason


class ProposalBody(Body):
    """A rule for a task."""

    rule: Json = Field(description="In either written form; see docs/rules.md.")
    author: Literal["person", "agent"] = "agent"
    worker: Worker | None = Field(default=None, description="Under which name the task was claimed, if it was.")
    note: Reason | None = None


class OverrideBody(Body):
    """A value that holds whatever the provider lists."""

    model_id: ModelId
    field: Name = Field(description="A column such as context_length, or capabilities.NAME or metadata_json.NAME.")
    value: Any = Field(description="Null says that nothing is known.")
    reason: Reason
    expires_at: AwareDatetime | None = None
