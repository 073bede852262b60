"""Canonical models, and their offers by cost."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Path, Query

from provider_pipeline import catalog
from provider_pipeline.api.access import Reader
from provider_pipeline.api.cursors import decode_key_cursor, encode_key_cursor
from provider_pipeline.api.model_responses import CanonicalPage, OffersResponse
from provider_pipeline.api.problems import ProblemError
from provider_pipeline.api.request_models import CapabilityName, Cursor, Limit, Name
from provider_pipeline.api.routing import costs, router
from provider_pipeline.rules.costs import Mix, parse_tokens

routes = router("models")

_Capabilities = Annotated[list[CapabilityName], Query(max_length=20)]
_Id = Annotated[
    str,
    Path(
        description="The canonical id, whose slash can stand as it is; a name or a provider's id will do if only one "
        "model has it.",
        max_length=512,
        pattern=r"^[^\x00]+$",
    ),
]
_Tokens = Annotated[str, Query(max_length=30, description="A number of tokens, such as 200k, 1M or 1_000_000.")]
_Context = Annotated[int | None, Query(ge=0, le=2**53, description="Smallest context window, in tokens.")]


@routes.get("/canonical", response_model=CanonicalPage)
def list_canonical_models(
    context: Reader,
    search: Annotated[list[Name], Query(max_length=10, description="Texts that id or name contain.")] = [],  # noqa: B006 - FastAPI copies it
    lab: Name | None = None,
    capability: _Capabilities = [],  # noqa: B006
    min_context: _Context = None,
    offered: Annotated[bool, Query(description="Only models with an active offer.")] = True,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Any:
    """Canonical models by id: each model once, however many providers offer it."""
    filters = {
        "words": search,
        "lab": lab,
        "capabilities": sorted(set(capability)),
        "min_context": min_context,
        "offered": offered,
    }
    catalog.known_values.require_known(context.session, capabilities=capability)
    found = catalog.canonical.search(
        context.session,
        words=search,
        lab=lab,
        capabilities=capability,
        min_context=min_context,
        offered=offered,
        limit=limit + 1,
        after=None if cursor is None else decode_key_cursor(filters, cursor),
    )
    last = found[limit - 1] if len(found) > limit else None
    return {
        "models": found[:limit],
        "next_cursor": None if last is None else encode_key_cursor(filters, last.id),
    }


@routes.get("/canonical/{canonical_id:path}/offers", response_model=OffersResponse)
@costs(slow="computation")
def list_offers(
    context: Reader,
    canonical_id: _Id,
    input: _Tokens = "1M",
    output: _Tokens = "200k",
    cached: Annotated[float, Query(ge=0, le=1, description="Share of the input that is read from a cache.")] = 0,
    requests: Annotated[int, Query(ge=1, le=10**9, description="Requests that these tokens are.")] = 1,
    capability: _Capabilities = [],  # noqa: B006
    min_context: _Context = None,
) -> Any:
    """Who offers a model, by the cost of a mix of tokens. What cannot be compared is listed apart."""
    try:
        mix = Mix(parse_tokens(input), parse_tokens(output), cached, requests)
    except ValueError as error:
        raise ProblemError(422, "bad-mix", str(error)) from error
    needs = catalog.offer_costs.Needs(tuple(sorted(set(capability))), min_context)
    resolved = catalog.canonical.resolve(context.session, canonical_id)
    today = datetime.now(UTC).date()
    return catalog.offer_costs.offers_by_cost(context.session, resolved, mix, needs, today=today).to_json()
