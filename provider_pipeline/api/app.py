"""The application: its endpoints, its limits and its errors, put together.

Here: assembly only. Cross-origin requests are not allowed, and nothing is kept in the process but the limits: any
number of them may stand beside each other.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version
from typing import Any

from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from provider_pipeline import catalog
from provider_pipeline.api import docs_page, problems
from provider_pipeline.api.audit import Audit
from provider_pipeline.api.limits import ThisMachine
from provider_pipeline.api.routes import health, history, models, overrides, providers, rules, sync, tasks
from provider_pipeline.api.service import Service
from provider_pipeline.api.settings import ApiSettings

_ABOUT = """The catalogue of every AI provider's models. Requests need a token, as `Authorization: Bearer ...`, of the
scope `read`, `sync` (which includes it) or `admin` (which includes both). Errors are problem+json (RFC 9457)."""


def create_app(database: catalog.database.Database, settings: ApiSettings | None = None) -> FastAPI:
    """The application on a catalogue.

    Args:
        database: The catalogue, open for as long as the application runs.
        settings: What the operator decided.
    """
    chosen = settings or ApiSettings()
    app = FastAPI(
        title="provider_pipeline",
        version=version("provider-pipeline"),
        description=_ABOUT,
        docs_url=None,
        redoc_url=None,
        lifespan=_with_threads,
    )
    app.state.service = Service(database, chosen)
    for part in (providers, models, sync, rules, tasks, history, overrides, health):
        app.include_router(part.routes)
    app.include_router(health.guarded_routes)
    docs_page.install(app)
    problems.install(app)
    app.add_middleware(Audit, database=database)
    if not chosen.needs_token:
        app.add_middleware(ThisMachine)
    app.openapi = partial(_openapi, app)  # type: ignore[method-assign]
    return app


@asynccontextmanager
async def _with_threads(app: FastAPI) -> AsyncIterator[None]:
    current_default_thread_limiter().total_tokens = app.state.service.threads
    yield


def _openapi(app: FastAPI) -> dict[str, Any]:
    """The schema, in which every error is a problem."""
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        known = schema["components"]["schemas"]
        for unused in ("HTTPValidationError", "ValidationError"):
            known.pop(unused, None)
        known["Problem"] = problems.SCHEMA
        app.openapi_schema = schema
    return app.openapi_schema
