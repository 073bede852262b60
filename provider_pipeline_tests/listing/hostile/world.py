"""Runs a sync against a behaviour: a provider with rows in a real PostgreSQL turns hostile."""

import logging
import threading
import time
import traceback
import tracemalloc
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import text

from provider_pipeline import ModelSyncer, catalog
from provider_pipeline.errors import ProviderPipelineError
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.listing.limits import FetchLimits
from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.sync.plan import store_rule
from provider_pipeline_tests.listing.hostile.behaviour import LOOPBACK, Behaviour, well_behaved
from provider_pipeline_tests.listing.hostile.server import HostileServer

LIMITS: Final = FetchLimits(
    connect_timeout=5,
    read_timeout=10,
    deadline=20,
    retries=2,
    backoff=0.01,
    longest_wait=2,
    max_page_bytes=4 * 1024 * 1024,
    max_total_bytes=6 * 1024 * 1024,
    max_pages=7,
)
"""Small sizes and waits; time-outs that no slow machine hits by accident."""


@dataclass(frozen=True)
class Aftermath:
    """What a sync left behind.

    Attributes:
        outcome: The exception's name, or `synced`.
        message: The exception's text.
        seconds: How long the sync took.
        cpu_seconds: How much processor time it took of its own thread.
        peak_bytes: The most memory that it held at once.
        asked: How many requests the provider got.
        before: The provider's rows with their versions, before the sync.
        after: The same after it.
        tasks: How many tasks there are for the provider.
        threads: Threads that were left running.
        shown: Everything that a caller could print: the result, or the exception with its causes and their tracebacks.
    """

    outcome: str
    message: str
    seconds: float
    cpu_seconds: float
    peak_bytes: int
    asked: int
    before: list[dict[str, Any]]
    after: list[dict[str, Any]]
    tasks: int
    threads: set[threading.Thread]
    shown: str


class World:
    """A catalogue of hostile providers; each behaviour is run once, on first use.

    Args:
        database: A migrated catalogue.
        elsewhere: A server that must never get a request.
    """

    def __init__(self, database: catalog.database.Database, elsewhere: HostileServer) -> None:
        self.database = database
        self.elsewhere = elsewhere
        self._known: dict[str, Aftermath] = {}

    def aftermath(self, behaviour: Behaviour) -> Aftermath:
        """What a sync leaves behind."""
        if behaviour.name not in self._known:
            self._known[behaviour.name] = self._live_through(behaviour)
        return self._known[behaviour.name]

    @contextmanager
    def all_at_once(self, behaviours: tuple[Behaviour, ...]) -> Iterator[None]:
        """Make all these providers, already synced once, misbehave again."""
        with ExitStack() as stack:
            for behaviour in behaviours:
                server = stack.enter_context(HostileServer(well_behaved, elsewhere=self.elsewhere.url))
                self._turn(behaviour, server)
            yield

    def rows(self, behaviour: Behaviour) -> list[dict[str, Any]]:
        """The provider's rows with all columns and their versions."""
        with self.database.session() as session:
            found = session.execute(
                text(
                    "SELECT model.xmin::text AS xmin, model.ctid::text AS ctid, model.* FROM provider_model AS model "
                    "JOIN provider ON provider.id = provider_id WHERE slug = :slug ORDER BY model_id"
                ),
                {"slug": behaviour.name},
            )
            return [dict(row._mapping) for row in found]

    def _live_through(self, behaviour: Behaviour) -> Aftermath:
        with HostileServer(well_behaved, elsewhere=self.elsewhere.url) as server:
            self._register(behaviour, base_url=server.url, policy=LOOPBACK)
            self._add_rule(behaviour)
            self._sync(behaviour)
            before = self.rows(behaviour)
            self._turn(behaviour, server)
            threads = set(threading.enumerate())
            tracemalloc.start()
            started, worked = time.monotonic(), time.thread_time()
            try:
                outcome, message, shown = "synced", "", repr(self._sync(behaviour))
            except ProviderPipelineError as error:
                outcome, message, shown = type(error).__name__, str(error), _everything_of(error)
            seconds, cpu_seconds = time.monotonic() - started, time.thread_time() - worked
            _, peak_bytes = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            with self.database.session() as session:
                tasks = len(catalog.tasks.list_tasks(session, slug=behaviour.name))
            return Aftermath(
                outcome=outcome,
                message=message,
                seconds=seconds,
                cpu_seconds=cpu_seconds,
                peak_bytes=peak_bytes,
                asked=len(server.requests),
                before=before,
                after=self.rows(behaviour),
                tasks=tasks,
                threads=set(threading.enumerate()) - threads - server.threads,
                shown=shown,
            )

    def _turn(self, behaviour: Behaviour, server: HostileServer) -> None:
        server.behave(behaviour.script, behaviour.stage)
        base_url = behaviour.base_url.format(port=server.port, name=behaviour.name)
        self._register(behaviour, base_url=base_url, policy=behaviour.policy)

    def _register(self, behaviour: Behaviour, *, base_url: str, policy: Mapping[str, Any]) -> None:
        with self.database.session() as session:
            catalog.providers.add(
                session,
                slug=behaviour.name,
                name=behaviour.name,
                base_url=base_url,
                auth_config=behaviour.auth,
                request_config=policy,
            )
            session.commit()

    def _add_rule(self, behaviour: Behaviour) -> None:
        rule = ExtractionRule.parse(
            {
                "model_list_config": {
                    "endpoint": "/v1/models",
                    "pagination": behaviour.pagination,
                    "detail": behaviour.detail,
                    "selector": "data[*]",
                    "fields": {"id": "id", "name": "display_name", "context_length": "context_length"},
                },
                "endpoints_config": {"chat": {"patterns": {"regex": ["gpt-.*"]}}},
            }
        )
        with self.database.session() as session:
            provider_id = catalog.providers.get(session, behaviour.name).id
            store_rule(session, provider_id, rule, origin="test", activate=True)
            session.commit()

    def _sync(self, behaviour: Behaviour) -> dict[str, Any]:
        with self.database.session() as session:
            return ModelSyncer(session, client=ListingClient(LIMITS)).sync_provider_models(behaviour.name)


class Listener(logging.Handler):
    """Records every log line, formatted."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record's text."""
        self.lines.append(self.format(record))


def _everything_of(error: BaseException) -> str:
    texts: list[str] = []
    chained: BaseException | None = error
    while chained is not None:
        texts += [str(chained), repr(chained), repr(vars(chained)), *traceback.format_exception(chained)]
        chained = chained.__cause__ or chained.__context__
    return "\n".join(texts)
