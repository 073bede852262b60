"""Syncs, and rules from a sample: what asks or reads a provider's listing."""

from typing import Annotated, Any, Literal

import orjson
from fastapi import Query, Response

from provider_pipeline.api.dagster_runs import launch_sync
from provider_pipeline.api.problems import ProblemError, responses
from provider_pipeline.api.request_models import SampleBody, SyncOptions
from provider_pipeline.api.response_models import GeneratedDocument, LaunchedRun, SyncResult
from provider_pipeline.api.routes.common import DryRun, Slug, router
from provider_pipeline.api.routing import costs
from provider_pipeline.api.service import Call, Syncer
from provider_pipeline.api.settings import DAGSTER_URL_VARIABLE
from provider_pipeline.listing.redaction import redact_document
from provider_pipeline.rules.generation.samples import EndpointSample
from provider_pipeline.sync.outcome import accept_guards
from provider_pipeline.sync.provider import ModelSyncer
from provider_pipeline.sync.repair.generate import active_places, generate_rule, store_sample

routes = router("sync")

_USUAL_PATH = "/v1/models"
_Via = Annotated[
    Literal["here", "dagster"],
    Query(description=f"`dagster` launches a run at {DAGSTER_URL_VARIABLE} and answers with its link."),
]


@routes.post(
    "/providers/{slug}/sync-models",
    response_model=SyncResult,
    responses={202: {"model": LaunchedRun, "description": "A run was launched."}, **responses(409, 502, 504)},
)
@costs(slow="sync")
def sync_models(
    call: Syncer,
    slug: Slug,
    options: SyncOptions | None = None,
    dry_run: DryRun = False,
    via: _Via = "here",
) -> Any:
    """Syncs a provider, now. 409: somebody else is at it; 422: its listing is held, and nothing was written.

    To take a listing that a guard holds (`accept`) is a decision, and needs a token of the scope admin.
    """
    accepted = options or SyncOptions()
    if accepted.accept:
        call.caller.require("admin", "to accept what a guard holds")
    call.provider(slug)
    call.session.rollback()
    if via == "dagster":
        return _launched(call, slug, accepted, dry_run=dry_run)
    return ModelSyncer(call.session, client=call.service.client).sync_provider_models(
        slug, call.created_by_id, dry_run, accept=accepted.accept, reason=accepted.reason
    )


@routes.post("/providers/{slug}/metadata/generate-rules", response_model=GeneratedDocument, responses=responses(409))
@costs(slow="computation", large_body=True)
def generate_rules(call: Syncer, slug: Slug, body: SampleBody, dry_run: DryRun = False) -> Any:
    """Writes rules from a response. They are stored, and used only once somebody activates them."""
    call.provider(slug)
    places = active_places(call.session, slug)
    endpoint = body.endpoint or (places[0].path if places else _USUAL_PATH)
    sample = redact_document(body.sample_response)
    sample_id = store_sample(call.session, slug, orjson.dumps(sample), url="api:generate-rules")
    generated = generate_rule(
        call.session,
        slug,
        [EndpointSample(sample, endpoint)],
        sample_id=sample_id,
        activate=False,
        created_by_id=call.created_by_id,
    )
    if dry_run:
        call.session.rollback()
    else:
        call.session.commit()
    return {
        "provider": slug,
        "version": None if dry_run else generated.version,
        "activated": generated.activated,
        "reason": generated.reason,
        "models": generated.models,
        "rule": dict(generated.analysis),
    }


def _launched(call: Call, slug: str, accepted: SyncOptions, *, dry_run: bool) -> Response:
    accept_guards(accepted.accept, accepted.reason)  # refuses here what the run would
    url = call.service.settings.dagster_url
    if url is None:
        raise ProblemError(503, "no-dagster", "this API knows no Dagster", hint=f"set {DAGSTER_URL_VARIABLE}")
    run_id, link = launch_sync(url, slug, dry_run=dry_run, accept=accepted.accept, reason=accepted.reason)
    content = orjson.dumps({"provider": slug, "run_id": run_id, "url": link})
    return Response(content, 202, headers={"Location": link}, media_type="application/json")
