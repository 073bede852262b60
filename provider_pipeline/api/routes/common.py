"""What the endpoints share: parameters, and how a list of problems is declared."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query

from provider_pipeline.api.access import BEARER
from provider_pipeline.api.problems import responses
from provider_pipeline.api.routing import GuardedRoute

Slug = Annotated[str, Path(description="The provider's short name.", max_length=64, pattern=r"^[a-z0-9._-]+$")]
OfProvider = Annotated[
    str | None,
    Query(alias="provider", description="Only of this provider.", max_length=64, pattern=r"^[a-z0-9._-]+$"),
]
Limit = Annotated[int, Query(ge=1, le=1000, description="How many at most.")]
Cursor = Annotated[
    str | None, Query(max_length=4000, pattern=r"^[A-Za-z0-9_-]+$", description="`next_cursor` of the page before.")
]
DryRun = Annotated[bool, Query(description="Do everything but keep it.")]


def router(tag: str) -> APIRouter:
    """A router whose endpoints may answer with the problems that all of them have."""
    return APIRouter(
        prefix="/api",
        tags=[tag],
        route_class=GuardedRoute,
        dependencies=[Depends(BEARER)],  # for OpenAPI; the route asks it before anything else
        responses={**responses(400, 401, 403, 404, 408, 413, 422, 429, 500, 503)},
    )


def document_of(value: Any, **members: Any) -> dict[str, Any]:
    """A stored entry as a document: its attributes, its provider by name, and further members."""
    named = {name: getattr(value, name) for name in value.__dataclass_fields__}
    return {"provider": named.pop("slug", None), **named, **members}
