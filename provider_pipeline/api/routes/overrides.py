"""Overrides: values that people set and that win over the listing; one by one or in sets."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Query, Response

from provider_pipeline import catalog, overrides
from provider_pipeline.api.access import Admin, Reader
from provider_pipeline.api.problems import ProblemError
from provider_pipeline.api.request_models import DryRun, ModelId, OfProvider, OverrideRequest, OverrideSetRequest, Slug
from provider_pipeline.api.response_models import OverrideResponse, OverrideSetResponse, stored_fields
from provider_pipeline.api.routing import costs, router
from provider_pipeline.rules.overrides import PERSON

routes = router("overrides")

_OfModel = Annotated[ModelId, Query(description="The model's id.")]
_Field = Annotated[str, Query(min_length=1, max_length=200, pattern=r"^[^\x00]+$", description="The overridden field.")]


@routes.get("/overrides", response_model=list[OverrideResponse])
def list_overrides(context: Reader, provider: OfProvider = None, model_id: _OfModel | None = None) -> Any:
    """Overrides, with their authors and reasons, and what the provider lists instead."""
    if provider is not None:
        context.provider(provider)
    return [
        stored_fields(each)
        for each in catalog.model_overrides.list_overrides(context.session, slug=provider, model_id=model_id)
    ]


@routes.put("/overrides", response_model=OverrideSetResponse)
@costs(slow="computation", large_body=True)
def apply_override_set(context: Admin, body: OverrideSetRequest, dry_run: DryRun = False) -> Any:
    """Applies a set of overrides, all of it or nothing. They take effect with the next syncs."""
    placed = ((f"overrides[{position}]", entry) for position, entry in enumerate(body.overrides))
    stated = overrides.entries.stated_overrides(context.session, placed)
    changes = catalog.model_overrides.apply_set(
        context.session, body.set, stated, prune=body.prune, created_by_id=context.created_by_id
    )
    if not dry_run:
        context.session.commit()
    return {
        "set": body.set,
        "applied": not dry_run,
        "unchanged": len(stated) - sum(each.action != "removed" for each in changes),
        "changes": [stored_fields(each) for each in changes],
        "unlisted": [
            {"provider": slug, "model_id": model_id}
            for slug, model_id in catalog.model_overrides.unlisted(context.session, stated)
        ],
    }


@routes.put("/providers/{slug}/overrides", response_model=OverrideResponse)
def set_override(context: Admin, slug: Slug, body: OverrideRequest) -> Any:
    """Sets a field of a model; it wins over the listing, and takes effect with the next sync."""
    if body.expires_at is not None and body.expires_at <= datetime.now(UTC):
        raise ProblemError(422, "past-end", "expires_at must be in the future")
    catalog.model_overrides.put(
        context.session,
        context.provider(slug).id,
        body.model_id,
        body.field,
        body.value,
        reason=body.reason,
        created_by_id=context.created_by_id,
        expires_at=body.expires_at,
    )
    if not body.unlisted:
        catalog.known_values.require_model(context.session, body.model_id, slug)
    context.session.commit()
    found = catalog.model_overrides.list_overrides(context.session, slug=slug, model_id=body.model_id)
    return stored_fields(next(each for each in found if (each.field, each.source) == (body.field, PERSON)))


@routes.delete("/providers/{slug}/overrides", status_code=204, response_class=Response)
def remove_override(context: Admin, slug: Slug, model_id: _OfModel, field: _Field) -> None:
    """Removes an override. The field follows the listing again from the next sync on."""
    removed = catalog.model_overrides.remove(context.session, context.provider(slug).id, model_id, field)
    if not removed:
        raise ProblemError(404, "no-override", f"{slug} has no override of {field} for {model_id}")
    context.session.commit()
