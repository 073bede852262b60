"""Assembles the application. Its only state is its limits, so several processes can serve one catalogue."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import orjson
from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI, Response
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from fastapi.staticfiles import StaticFiles

from provider_pipeline import catalog
from provider_pipeline.api import problems
from provider_pipeline.api.access import AuditLog, Service
from provider_pipeline.api.limits import LoopbackOnly
from provider_pipeline.api.routes import (
    canonical,
    exports,
    health,
    history,
    models,
    overrides,
    providers,
    report,
    rules,
    sync,
    tasks,
    vocabulary,
)
from provider_pipeline.api.settings import ApiSettings

_DESCRIPTION = """The catalogue of every AI provider's models. Requests need a token, as `Authorization: Bearer ...`,
with the scope `read`, `sync` (which includes `read`) or `admin` (which includes both). Errors are problem+json
(RFC 9457)."""

_EXAMPLES: Final = Path(__file__).with_name("response_examples.json")  # real answers, recorded by a test
_DOCS_FILES: Final = Path(__file__).with_name("docs_files")
# People paste tokens into the page: it loads nothing from elsewhere and can send nothing elsewhere.
_DOCS_HEADERS: Final = {
    # Swagger UI's icons are data: URLs.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def create_app(database: catalog.database.Database, settings: ApiSettings | None = None) -> FastAPI:
    """The application on a catalogue, which must stay open as long as the application runs."""
    chosen = settings or ApiSettings()
    app = FastAPI(
        title="provider_pipeline",
        version=version("provider-pipeline"),
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=_operation_id,
        lifespan=_set_thread_count,
    )
    app.state.service = Service(database, chosen)
    for part in (providers, models, canonical, vocabulary, exports, sync, rules, tasks, history, overrides, health):
        app.include_router(part.routes)
    app.include_router(health.guarded_routes)
    app.include_router(report.routes)
    _add_docs_page(app)
    problems.install(app)
    app.add_middleware(AuditLog, database=database)
    if not chosen.needs_token:
        app.add_middleware(LoopbackOnly)
    app.openapi = partial(_openapi, app)  # type: ignore[method-assign]
    return app


def _operation_id(route: APIRoute) -> str:
    """The endpoint's own name: what a generated client calls its function."""
    return route.name


@asynccontextmanager
async def _set_thread_count(app: FastAPI) -> AsyncIterator[None]:
    current_default_thread_limiter().total_tokens = app.state.service.threads
    yield


def _add_docs_page(app: FastAPI) -> None:
    """Adds `/docs`: Swagger UI, from files in this package, so that it works offline."""
    page = (_DOCS_FILES / "index.html").read_bytes()

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return Response(page, headers=_DOCS_HEADERS, media_type="text/html")

    app.mount("/docs", StaticFiles(directory=_DOCS_FILES))


def _openapi(app: FastAPI) -> dict[str, Any]:
    """The schema: every error is a problem instead of FastAPI's own, and every response has an example."""
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        known = schema["components"]["schemas"]
        for unused in ("HTTPValidationError", "ValidationError"):
            known.pop(unused, None)
        known["Problem"] = problems.SCHEMA
        examples = orjson.loads(_EXAMPLES.read_bytes())
        for operation in (each for methods in schema["paths"].values() for each in methods.values()):
            first, _, _ = operation["description"].partition(". ")
            operation["summary"] = first.removesuffix(".")
            for status, example in examples.get(operation["operationId"], {}).items():
                content = operation["responses"][status].setdefault("content", {"application/json": {}})
                next(iter(content.values()))["example"] = example
        app.openapi_schema = schema
    return app.openapi_schema
