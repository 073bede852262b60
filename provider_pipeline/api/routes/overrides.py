"""Overrides: what people know better than a listing, field by field."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Query, Response

from provider_pipeline import catalog
from provider_pipeline.api.problems import ProblemError
from provider_pipeline.api.request_models import ModelId, OverrideBody
from provider_pipeline.api.response_models import OverrideDocument
from provider_pipeline.api.routes.common import OfProvider, Slug, document_of, router
from provider_pipeline.api.service import Admin, Reader

routes = router("overrides")

_OfModel = Annotated[ModelId, Query(description="The model.")]
_Field = Annotated[str, Query(min_length=1, max_length=200, pattern=r"^[^\x00]+$", description="The field.")]


@routes.get("/overrides", response_model=list[OverrideDocument])
def list_overrides(call: Reader, provider: OfProvider = None, model_id: _OfModel | None = None) -> Any:
    """What is set, by whom and why, beside what the provider lists."""
    if provider is not None:
        call.provider(provider)
    return [
        document_of(each)
        for each in catalog.model_overrides.list_overrides(call.session, slug=provider, model_id=model_id)
    ]


@routes.put("/providers/{slug}/overrides", response_model=OverrideDocument)
def set_override(call: Admin, slug: Slug, body: OverrideBody) -> Any:
    """Sets a field of a model, whatever the provider lists; it shows after the next sync."""
    if body.expires_at is not None and body.expires_at <= datetime.now(UTC):
        raise ProblemError(422, "past-end", "expires_at is in the past")
    catalog.model_overrides.put(
        call.session,
        call.provider(slug).id,
        body.model_id,
        body.field,
        body.value,
        reason=body.reason,
        created_by_id=call.created_by_id,
        expires_at=body.expires_at,
    )
    call.session.commit()
    found = catalog.model_overrides.list_overrides(call.session, slug=slug, model_id=body.model_id)
    return document_of(next(each for each in found if each.field == body.field))


@routes.delete("/providers/{slug}/overrides", status_code=204, response_class=Response)
def remove_override(call: Admin, slug: Slug, model_id: _OfModel, field: _Field) -> None:
    """Lets the listing count again for a field of a model, from the next sync on."""
    removed = catalog.model_overrides.remove(call.session, call.provider(slug).id, model_id, field)
    if not removed:
        raise ProblemError(404, "no-override", f"{slug} has no override of {field} for {model_id}")
    call.session.commit()
