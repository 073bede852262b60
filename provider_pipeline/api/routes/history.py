"""Changes of models, and the stored responses they were read from."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import Query

from provider_pipeline import catalog
from provider_pipeline.api.access import Reader
from provider_pipeline.api.cursors import decode_change_cursor, encode_change_cursor
from provider_pipeline.api.problems import ProblemError
from provider_pipeline.api.request_models import Cursor, Json, Limit, ModelId, OfProvider, PastMoment, Slug, past_moment
from provider_pipeline.api.response_models import ChangePage, RawResponseInfo, stored_fields
from provider_pipeline.api.routing import costs, router
from provider_pipeline.rules.model_columns import Cause, ChangeKind

routes = router("history")

_Since = Annotated[PastMoment | None, Query(description="At this moment or later.")]
_Until = Annotated[PastMoment | None, Query(description="Before this moment.")]
_OfModel = Annotated[ModelId, Query(description="Only of the model with this id.")]
_Field = Annotated[
    str | None,
    Query(max_length=200, pattern=r"^[^\x00]+$", description="Only of this field: a column, or one as prices.NAME."),
]
_MAX_SPAN = timedelta(days=366)


@routes.get("/changes", response_model=ChangePage)
def list_changes(
    context: Reader,
    provider: OfProvider = None,
    since: _Since = None,
    until: _Until = None,
    model_id: _OfModel | None = None,
    field: _Field = None,
    kind: ChangeKind | None = None,
    cause: Cause | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Any:
    """Changes of models, newest first."""
    if provider is not None:
        context.provider(provider)
    if model_id is not None:
        catalog.known_values.require_model(context.session, model_id, provider)
    if field is not None:
        catalog.known_values.require_field(field)
    filters = {"provider": provider, "since": since, "until": until, "model_id": model_id, "field": field}
    filters |= {"kind": kind, "cause": cause}
    found = catalog.history.list_changes(
        context.session,
        since=past_moment(since),
        until=past_moment(until),
        slug=provider,
        model_id=model_id,
        field=field,
        kind=kind,
        cause=cause,
        before=None if cursor is None else decode_change_cursor(filters, cursor),
        limit=limit + 1,
    )
    last = found[limit - 1] if len(found) > limit else None
    return {
        "changes": [stored_fields(each) for each in found[:limit]],
        "next_cursor": None if last is None else encode_change_cursor(filters, last.changed_at, last.id),
    }


@routes.get("/digest")
@costs(slow="computation")
def show_digest(context: Reader, since: _Since = None, until: _Until = None) -> Json:
    """A summary of the changes in a span of time, by default the last day."""
    end = past_moment(until) or datetime.now(UTC)
    try:
        start = past_moment(since) or end - timedelta(days=1)
        too_long = not timedelta() < end - start <= _MAX_SPAN
    except OverflowError:
        too_long = True
    if too_long:
        raise ProblemError(422, "bad-span", "expected since before until, and at most a year between them")
    return catalog.digest.change_digest(context.session, start, end).to_json()


@routes.get("/providers/{slug}/raw-responses", response_model=list[RawResponseInfo])
def list_raw_responses(context: Reader, slug: Slug) -> Any:
    """A provider's stored responses, latest first. `provider-pipeline raw export` gives their bytes."""
    context.provider(slug)
    return [stored_fields(each) for each in catalog.raw_responses.list_raw_responses(context.session, slug)]
