"""Whether it works: for load balancers and Prometheus. Not under `/api`, and the first two need no token.

Whatever the other endpoints are busy with, these are answered: by the event loop, or by threads of their own.
"""

from typing import Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from provider_pipeline import catalog
from provider_pipeline.api.access import BEARER
from provider_pipeline.api.metrics import metrics_text
from provider_pipeline.api.problems import responses
from provider_pipeline.api.response_models import Health
from provider_pipeline.api.routing import GuardedRoute
from provider_pipeline.api.service import Reader, service_of

routes = APIRouter(tags=["health"])
guarded_routes = APIRouter(tags=["health"], route_class=GuardedRoute, dependencies=[Depends(BEARER)])


@routes.get("/healthz", response_model=Health, responses=responses(500))
async def healthz() -> Any:
    """The process answers."""
    return {"status": "ok"}


@routes.get("/readyz", response_model=Health, responses=responses(500, 503))
async def readyz(request: Request) -> Any:
    """The database answers, and has the schema that this version works with."""
    service = service_of(request)
    await run_sync(catalog.migrations.check_schema, service.database.engine, limiter=service.health_threads)
    return {"status": "ok"}


@guarded_routes.get(
    "/metrics",
    response_class=PlainTextResponse,
    responses={200: {"content": {"text/plain": {}}}, **responses(401, 403, 429, 500, 503)},
)
async def metrics(call: Reader) -> Response:
    """How every provider is doing, for Prometheus."""
    text = await run_sync(metrics_text, call.session, limiter=call.service.health_threads)
    return Response(text, media_type=CONTENT_TYPE_LATEST)
