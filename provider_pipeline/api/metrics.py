"""`/metrics`, for Prometheus: what the catalogue says of each provider, read when it is asked for.

Here: the metrics' names and their one query. Not here: anything that counts in this process.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector
from sqlalchemy.orm import Session

from provider_pipeline import catalog

_PREFIX: Final = "provider_pipeline"


class _Providers(Collector):
    def __init__(self, session: Session, now: datetime) -> None:
        self._session = session
        self._now = now

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The metrics, one sample per enabled provider."""
        age = _gauge("last_success_age_seconds", "Seconds since the last good sync, or since the provider was added.")
        failures = _gauge("consecutive_failures", "Syncs in a row that did not succeed.")
        blocked = _gauge("blocked", "Whether the last listing was held because the rule does not fit it.")
        models = _gauge("models", "Models in the table, by status.", "status")
        seconds = _gauge("last_sync_seconds", "How long the last sync took.")
        for health in catalog.health.provider_health(self._session):
            name = [health.slug]
            age.add_metric(name, (self._now - health.last_success_at).total_seconds())
            failures.add_metric(name, health.consecutive_failures)
            blocked.add_metric(name, health.blocked)
            if health.last_seconds is not None:
                seconds.add_metric(name, health.last_seconds)
            for status, count in sorted(health.models.items()):
                models.add_metric([*name, status], count)
        yield from (age, failures, blocked, models, seconds)


def metrics_text(session: Session) -> bytes:
    """Every metric, in Prometheus's text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Providers(session, datetime.now(UTC)))
    return generate_latest(registry)


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{_PREFIX}_{name}", text, labels=["provider", *labels])
