"""Health, for load balancers, and metrics, for Prometheus.

These answer however busy the other endpoints are: from the event loop, or from threads of their own.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.api.access import BEARER, Reader, service_of
from provider_pipeline.api.problems import responses
from provider_pipeline.api.response_models import HealthResponse
from provider_pipeline.api.routing import GuardedRoute

routes = APIRouter(tags=["health"])
guarded_routes = APIRouter(tags=["health"], route_class=GuardedRoute, dependencies=[Depends(BEARER)])


@routes.get("/healthz", response_model=HealthResponse, responses=responses(500))
async def healthz() -> Any:
    """The process is up."""
    return {"status": "ok"}


@routes.get("/readyz", response_model=HealthResponse, responses=responses(500, 503))
async def readyz(request: Request) -> Any:
    """The database is up, and has the schema that this version works with."""
    service = service_of(request)
    await run_sync(catalog.migrations.check_schema, service.database.engine, limiter=service.health_threads)
    return {"status": "ok"}


@guarded_routes.get(
    "/metrics",
    response_class=PlainTextResponse,
    responses={200: {"content": {"text/plain": {}}}, **responses(401, 403, 429, 500, 503)},
)
async def metrics(context: Reader) -> Response:
    """The state of every enabled provider, for Prometheus."""
    text = await run_sync(_metrics_text, context.session, limiter=context.service.health_threads)
    return Response(text, media_type=CONTENT_TYPE_LATEST)


class _ProviderMetrics(Collector):
    """Reads the metrics from the catalogue at each scrape: nothing is counted in this process."""

    def __init__(self, session: Session, now: datetime) -> None:
        self._session = session
        self._now = now

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The metrics, one sample per enabled provider."""
        age = _gauge("last_success_age_seconds", "Seconds since the last good sync, or since the provider was added.")
        failures = _gauge("consecutive_failures", "Failed syncs in a row.")
        blocked = _gauge("blocked", "Whether the last listing was blocked because the rule does not fit it.")
        models = _gauge("models", "Models in the table, by status.")
        seconds = _gauge("last_sync_seconds", "Duration of the last sync.")
        for health in catalog.health.provider_health(self._session):
            labels = {"provider": health.slug} | ({"sample": "true"} if health.is_sample else {})
            age.add_sample(age.name, labels, (self._now - health.last_success_at).total_seconds())
            failures.add_sample(failures.name, labels, health.consecutive_failures)
            blocked.add_sample(blocked.name, labels, health.blocked)
            if health.last_seconds is not None:
                seconds.add_sample(seconds.name, labels, health.last_seconds)
            for status, count in sorted(health.models.items()):
                models.add_sample(models.name, labels | {"status": status}, count)
        yield from (age, failures, blocked, models, seconds)


def _gauge(name: str, text: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"provider_pipeline_{name}", text)


def _metrics_text(session: Session) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_ProviderMetrics(session, datetime.now(UTC)))
    return generate_latest(registry)
