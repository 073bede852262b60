"""The tools that answer RULE_GEN tasks: list, claim, read the evidence, propose a rule that the gates judge."""

import json
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from provider_pipeline import catalog
from provider_pipeline.api.access import RequestContext
from provider_pipeline.api.request_models import ClaimRequest, Key, ProposalRequest
from provider_pipeline.api.response_models import RepairResponse, ResponseModel, TaskResponse
from provider_pipeline.api.routes import tasks
from provider_pipeline.catalog.tasks import OPEN_STATUSES, Task
from provider_pipeline.errors import NoSuchEntryError
from provider_pipeline.mcp_server.answers import excerpt, page_of
from provider_pipeline.mcp_server.tools import DEFAULT_LIMIT, Answer, Arguments, Cursor, Limit, Slug, Tool
from provider_pipeline.sync.repair.candidates import active_places, active_version

_TaskId = Annotated[Key, Field(description="The task's number.")]


class ListTasks(Arguments):
    """Which tasks."""

    provider: Slug | None = None
    status: Literal["open", "PENDING", "RUNNING", "NEEDS_REVIEW"] = Field(
        default="open", description="PENDING ones can be claimed; NEEDS_REVIEW ones wait for a person."
    )
    limit: Limit = DEFAULT_LIMIT
    cursor: Cursor = None


class ListedTask(ResponseModel):
    """A task, in a list."""

    id: int
    provider: str
    status: str
    attempts: int
    claimed_by: str | None
    claimed_until: datetime | None
    next_attempt_at: datetime | None
    proposed_version: int | None
    created_at: datetime
    first_error: str | None = Field(description="What failed first.")


class TasksFound(ResponseModel):
    """Open tasks, oldest first."""

    tasks: list[ListedTask]


def list_tasks(context: RequestContext, asked: ListTasks) -> Answer:
    """List the open RULE_GEN tasks: providers whose listing the active extraction rule no longer fits."""
    if asked.provider is not None:
        context.provider(asked.provider)
    statuses = OPEN_STATUSES if asked.status == "open" else (asked.status,)
    found = catalog.tasks.list_tasks(context.session, status=statuses, slug=asked.provider)
    rows, cursor = page_of(
        found,
        key=lambda each: str(each.id),
        shown=_listed,
        filters=asked.model_dump(include={"provider", "status"}) | {"list": "tasks"},
        limit=asked.limit,
        cursor=asked.cursor,
    )
    return Answer({"tasks": rows}, cursor)


def _listed(task: Task) -> dict[str, Any]:
    return {name: getattr(task, name) for name in ListedTask.model_fields if name != "provider"} | {
        "provider": task.slug
    }


class ClaimTask(ClaimRequest, Arguments):
    """Which task, for whom, and for how long."""

    task_id: _TaskId


def claim_task(context: RequestContext, asked: ClaimTask) -> Answer:
    """Claim a task for a while, so that no other worker answers it.

    Claim it before you propose a rule, and propose under the same worker name. Others get the task when the claim ends
    without an answer.
    """
    return Answer(tasks.claim_task(context, asked.task_id, asked))


class ReadEvidence(Arguments):
    """Which task."""

    task_id: _TaskId


class Excerpt(ResponseModel):
    """The first page of one endpoint, with the first entries of its lists."""

    endpoint: str
    document: Any


class TaskEvidence(ResponseModel):
    """The input for a new rule that answers a task."""

    task: TaskResponse = Field(description="config: what failed, on which stored response.")
    active_rule: dict[str, Any] | None = Field(
        description="The rule that no longer fits, as it is stored: the form that propose_rule takes."
    )
    excerpts: list[Excerpt] = Field(description="Of the response that the rule does not fit.")


def read_evidence(context: RequestContext, asked: ReadEvidence) -> Answer:
    """Read the input for a new rule that answers a task.

    What failed, the active rule, and an excerpt of the response that it does not fit.
    """
    task = catalog.tasks.get(context.session, asked.task_id)
    active = active_version(context.session, task.provider_id)
    rule = None
    if active is not None:
        rule = {"model_list_config": active.model_list_config, "endpoints_config": active.endpoints_config}
    return Answer(
        {"task": tasks.show_task(context, task.id), "active_rule": rule, "excerpts": _excerpts(context, task)}
    )


def _excerpts(context: RequestContext, task: Task) -> list[dict[str, Any]]:
    found = []
    if task.raw_response_id is not None:
        for position, place in enumerate(active_places(context.session, task.slug)):
            try:
                first = catalog.raw_responses.load_page(
                    context.session, task.raw_response_id, endpoint=position, number=1
                )
            except NoSuchEntryError:  # it was fetched with a rule that had fewer endpoints
                continue
            found.append({"endpoint": place.path, "document": excerpt(json.loads(first.content))})
    return found


class ProposeRule(ProposalRequest, Arguments):
    """A rule for a task."""

    task_id: _TaskId
    author: Literal["agent"] = "agent"
    rule: dict[str, Any] = Field(
        description="Take active_rule from read_evidence and change what no longer fits, such as the selector "
        "(JMESPath that finds the models) and fields (paths within a model) of model_list_config. Keep the rest: "
        "without pattern_set and endpoints_config, capabilities are lost; a rule that sends requests elsewhere waits "
        "for a person."
    )


def propose_rule(context: RequestContext, asked: ProposeRule) -> Answer:
    """Propose an extraction rule for a task, which is judged at once on stored responses.

    status activated means that it is used from now on; needs_review that a gate held it and a person decides. gates
    says which, and why.
    """
    return Answer(tasks.propose_for_task(context, asked.task_id, asked))


TOOLS: Final = (
    Tool("list_tasks", ListTasks, TasksFound, list_tasks, scope="sync"),
    Tool("claim_task", ClaimTask, TaskResponse, claim_task, scope="sync"),
    Tool("read_evidence", ReadEvidence, TaskEvidence, read_evidence, scope="sync", slow="computation"),
    Tool("propose_rule", ProposeRule, RepairResponse, propose_rule, scope="sync", slow="computation"),
)
