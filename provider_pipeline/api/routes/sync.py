"""Syncs, and rules generated from a sample."""

from typing import Annotated, Any, Literal

import orjson
from fastapi import Query, Response

from provider_pipeline.api.access import RequestContext, Syncer
from provider_pipeline.api.dagster_runs import launch_sync
from provider_pipeline.api.problems import ProblemError, responses
from provider_pipeline.api.request_models import DryRun, SampleRequest, Slug, SyncRequest
from provider_pipeline.api.response_models import GeneratedRuleResponse, LaunchedRunResponse, SyncResponse
from provider_pipeline.api.routing import costs, router
from provider_pipeline.api.settings import DAGSTER_URL_VARIABLE
from provider_pipeline.listing.redaction import redact_document
from provider_pipeline.rules.generation.samples import EndpointSample
from provider_pipeline.rules.rows import compact_json
from provider_pipeline.sync.plan import accept_guards
from provider_pipeline.sync.provider import ModelSyncer
from provider_pipeline.sync.repair.candidates import active_places
from provider_pipeline.sync.repair.generate import generate_rule, store_sample

routes = router("sync")

_DEFAULT_PATH = "/v1/models"
_Via = Annotated[
    Literal["here", "dagster"],
    Query(description=f"`dagster` launches a run in the Dagster at {DAGSTER_URL_VARIABLE} and answers with its link."),
]


@routes.post(
    "/providers/{slug}/sync-models",
    response_model=SyncResponse,
    responses={202: {"model": LaunchedRunResponse, "description": "The run was launched."}, **responses(409, 502, 504)},
)
@costs(slow="sync")
def sync_models(
    context: Syncer,
    slug: Slug,
    options: SyncRequest | None = None,
    dry_run: DryRun = False,
    via: _Via = "here",
) -> Any:
    """Syncs a provider now. 409: another process is syncing it. 422: its listing is blocked; nothing was written.

    Accepting a listing that a guard blocks (`accept`) is a decision, and needs a token with the scope admin.
    """
    chosen = options or SyncRequest()
    if chosen.accept:
        context.caller.require("admin", "accepting what a guard blocks")
    context.provider(slug)
    context.session.rollback()
    if via == "dagster":
        return _launch_in_dagster(context, slug, chosen, dry_run=dry_run)
    return ModelSyncer(context.session, client=context.service.client).sync_provider_models(
        slug, context.created_by_id, dry_run, accept=chosen.accept, reason=chosen.reason
    )


@routes.post(
    "/providers/{slug}/metadata/generate-rules", response_model=GeneratedRuleResponse, responses=responses(409)
)
@costs(slow="computation", large_body=True)
def generate_rules(context: Syncer, slug: Slug, body: SampleRequest, dry_run: DryRun = False) -> Any:
    """Writes a rule from a sample and stores it. It is not used until it is activated."""
    context.provider(slug)
    places = active_places(context.session, slug)
    endpoint = body.endpoint or (places[0].path if places else _DEFAULT_PATH)
    sample = redact_document(body.sample_response)
    sample_id = store_sample(context.session, slug, compact_json(sample), url="api:generate-rules")
    generated = generate_rule(
        context.session,
        slug,
        [EndpointSample(sample, endpoint)],
        sample_id=sample_id,
        activate=False,
        created_by_id=context.created_by_id,
    )
    if dry_run:
        context.session.rollback()
    else:
        context.session.commit()
    return {
        "provider": slug,
        "version": None if dry_run else generated.version,
        "activated": generated.activated,
        "reason": generated.reason,
        "models": generated.models,
        "rule": dict(generated.analysis),
    }


def _launch_in_dagster(context: RequestContext, slug: str, chosen: SyncRequest, *, dry_run: bool) -> Response:
    accept_guards(chosen.accept, chosen.reason)  # raises now what the run would raise later
    url = context.service.settings.dagster_url
    if url is None:
        raise ProblemError(
            503, "no-dagster", "this API has no Dagster to launch runs in", hint=f"set {DAGSTER_URL_VARIABLE}"
        )
    run_id, link = launch_sync(url, slug, dry_run=dry_run, accept=chosen.accept, reason=chosen.reason)
    content = orjson.dumps({"provider": slug, "run_id": run_id, "url": link})
    return Response(content, 202, headers={"Location": link}, media_type="application/json")
