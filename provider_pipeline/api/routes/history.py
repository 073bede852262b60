"""What changed, and the responses it was read from."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import Query
from pydantic import AwareDatetime

from provider_pipeline import catalog
from provider_pipeline.api.cursors import read_change_cursor, write_change_cursor
from provider_pipeline.api.problems import ProblemError
from provider_pipeline.api.request_models import Json
from provider_pipeline.api.response_models import ChangeKind, ChangeList, RawResponseDocument
from provider_pipeline.api.routes.common import Cursor, Limit, OfProvider, Slug, document_of, router
from provider_pipeline.api.routing import costs
from provider_pipeline.api.service import Reader

routes = router("history")

_Since = Annotated[AwareDatetime | None, Query(description="Only then or later.")]
_Until = Annotated[AwareDatetime | None, Query(description="Only earlier.")]
_LONGEST_DIGEST = timedelta(days=366)


@routes.get("/changes", response_model=ChangeList)
def list_changes(
    call: Reader,
    provider: OfProvider = None,
    since: _Since = None,
    until: _Until = None,
    kind: ChangeKind | None = None,
    cause: catalog.model_writes.Cause | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Any:
    """What changed about the models, newest first."""
    if provider is not None:
        call.provider(provider)
    filters = {"provider": provider, "since": since, "until": until, "kind": kind, "cause": cause}
    found = catalog.history.list_changes(
        call.session,
        since=since,
        until=until,
        slug=provider,
        kind=kind,
        cause=cause,
        before=None if cursor is None else read_change_cursor(filters, cursor),
        limit=limit + 1,
    )
    last = found[limit - 1] if len(found) > limit else None
    return {
        "changes": [document_of(each) for each in found[:limit]],
        "next_cursor": None if last is None else write_change_cursor(filters, last.changed_at, last.id),
    }


@routes.get("/digest")
@costs(slow="computation")
def digest(call: Reader, since: _Since = None, until: _Until = None) -> Json:
    """What the changes of a span amount to; of the last day, when no span is given."""
    end = until or datetime.now(UTC)
    try:
        start = since or end - timedelta(days=1)
        too_long = not timedelta() < end - start <= _LONGEST_DIGEST
    except OverflowError:
        too_long = True
    if too_long:
        raise ProblemError(422, "bad-span", "since must be before until, by a year at most")
    return catalog.digest.change_digest(call.session, start, end).to_json()


@routes.get("/providers/{slug}/raw-responses", response_model=list[RawResponseDocument])
def list_raw_responses(call: Reader, slug: Slug) -> Any:
    """The responses that are stored of a provider, the latest first; their bytes: `provider-pipeline raw export`."""
    call.provider(slug)
    return [document_of(each) for each in catalog.raw_responses.list_raw_responses(call.session, slug)]
