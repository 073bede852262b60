"""Whether it works: for load balancers and Prometheus. Not under `/api`, and the first two need no token."""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from provider_pipeline import catalog
from provider_pipeline.api.documents import Health
from provider_pipeline.api.metrics import metrics_text
from provider_pipeline.api.problems import responses
from provider_pipeline.api.service import Reader, service_of

routes = APIRouter(tags=["health"])


@routes.get("/healthz", response_model=Health, responses=responses(500))
async def healthz() -> Any:
    """The process answers."""
    return {"status": "ok"}


@routes.get("/readyz", response_model=Health, responses=responses(500, 503))
def readyz(request: Request) -> Any:
    """The database answers, and has the schema that this version works with."""
    catalog.check_schema(service_of(request).database.engine)
    return {"status": "ok"}


@routes.get(
    "/metrics",
    response_class=PlainTextResponse,
    responses={200: {"content": {"text/plain": {}}}, **responses(401, 403, 429, 500, 503)},
)
def metrics(call: Reader) -> Response:
    """How every provider is doing, for Prometheus."""
    return Response(metrics_text(call.session), media_type=CONTENT_TYPE_LATEST)
