"""Models: of one provider or of all, now or at a past moment."""

from datetime import date
from typing import Annotated, Any, Literal

import orjson
from fastapi import Header, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from provider_pipeline import catalog, sync
from provider_pipeline.api.access import Reader, RequestContext
from provider_pipeline.api.cursors import decode_model_cursor, encode_model_cursor
from provider_pipeline.api.model_responses import ModelDetailsResponse, ModelPage
from provider_pipeline.api.request_models import (
    CapabilityName,
    Modality,
    Name,
    PastMoment,
    PriceComponent,
    Slug,
    past_moment,
)
from provider_pipeline.api.response_models import stored_fields
from provider_pipeline.api.routing import router
from provider_pipeline.rules.model_columns import ModelStatus, Sorting

routes = router("models")

_Price = Annotated[float | None, Field(ge=0, le=10**12, allow_inf_nan=False, description="USD per 1,000,000 tokens.")]
_Component = PriceComponent | Annotated[str, Field(max_length=64, pattern=r"^[a-z][a-z0-9_]*$")]
_MaxPrice = Annotated[str, Field(max_length=100, pattern=r"^[a-z][a-z0-9_]{0,63}:[0-9]{1,12}(\.[0-9]{1,20})?$")]
MAY_BE_UNCHANGED: dict[int | str, dict[str, Any]] = {
    200: {"headers": {"ETag": {"schema": {"type": "string"}, "description": "Changes whenever the models may have."}}},
    304: {"description": "Nothing changed since the ETag."},
}


class ModelFilters(BaseModel):
    """Filters, order and page of a list of models."""

    model_config = ConfigDict(extra="forbid")

    capability: list[CapabilityName] = Field(
        default=[],
        max_length=20,
        description="Models known to have it; if repeated, all of them.",
        examples=[["vision", "tools"]],
    )
    search: Name | None = Field(
        default=None, description="A part of the id or of the display name, in any case.", examples=["gpt-4"]
    )
    family: Name | None = Field(default=None, examples=["claude"])
    min_context: Annotated[int | None, Field(ge=0, le=10**15, description="In tokens.", examples=[100_000])] = None
    modality: Modality | Name | None = Field(default=None, description="As input or output.", examples=["image"])
    max_input_price: _Price = None
    max_output_price: _Price = None
    priced: list[_Component] = Field(
        default=[],
        max_length=20,
        description="Models with a known price of this component; if repeated, of all of them.",
        examples=[["cache_read"]],
    )
    max_price: list[_MaxPrice] = Field(
        default=[],
        max_length=20,
        description="COMPONENT:AMOUNT, such as image:0.05: at most that much in USD per the component's usual unit "
        "(million_tokens unless it is billed by something else), below the first tier.",
        examples=[["image:0.05"]],
    )
    retires_before: date | None = Field(default=None, description="Models that are known to end before this day.")
    status: ModelStatus | Literal["all"] = "active"
    as_of: PastMoment | None = Field(default=None, description="The models as they were at this moment.")
    sort: Sorting = Field(
        default="model_id", description="`-` puts the largest first; models without a value come last."
    )
    limit: int = Field(default=100, ge=1, le=1000, description="How many at most.")
    cursor: Annotated[str | None, Field(max_length=4000, pattern=r"^[A-Za-z0-9_-]+$")] = Field(
        default=None, description="`next_cursor` of the page before."
    )

    def query(self, provider: catalog.providers.Provider | None) -> catalog.model_search.ModelQuery:
        """The catalogue's query for these filters."""
        return catalog.model_search.ModelQuery(
            provider=provider,
            as_of=past_moment(self.as_of),
            text=self.search,
            status=None if self.status == "all" else self.status,
            capabilities=tuple(sorted(set(self.capability))),
            family=self.family,
            modality=self.modality,
            min_context=self.min_context,
            max_input_price=self.max_input_price,
            max_output_price=self.max_output_price,
            priced=tuple(sorted(set(self.priced))),
            max_prices=tuple(sorted(_component_and_amount(each) for each in self.max_price)),
            retires_before=self.retires_before,
            sort=self.sort,
        )


def _component_and_amount(text: str) -> tuple[str, float]:
    component, _, amount = text.partition(":")
    return component, float(amount)


_Filters = Annotated[ModelFilters, Query()]
_ModelId = Annotated[
    str,
    Path(
        description="The model's id; slashes and colons can stand as they are.", max_length=512, pattern=r"^[^\x00]+$"
    ),
]
IfNoneMatch = Annotated[str | None, Header(alias="If-None-Match", max_length=4000, description="One or several ETags.")]


@routes.get("/providers/{slug}/models", response_model=ModelPage, responses=MAY_BE_UNCHANGED)
def list_models(context: Reader, slug: Slug, filters: _Filters, known_etags: IfNoneMatch = None) -> Response:
    """A provider's models."""
    return _page(context, filters, context.provider(slug), known_etags)


@routes.get("/providers/{slug}/models/{model_id:path}", response_model=ModelDetailsResponse)
def show_model(context: Reader, slug: Slug, model_id: _ModelId) -> Any:
    """A model: every fact with its source, prices with their history, overrides and changes."""
    provider = context.provider(slug)
    found = sync.model_details.model_details(context.session, provider, model_id)
    return {
        "model": {**found.model, "provider": slug, "sample": provider.is_sample},
        "sources": found.sources,
        "prices": found.prices,
        "price_history": found.price_history,
        "overrides": [stored_fields(each) for each in found.overrides],
        "changes": [stored_fields(each) for each in found.changes],
    }


@routes.get("/models", response_model=ModelPage, responses=MAY_BE_UNCHANGED)
def list_all_models(context: Reader, filters: _Filters, known_etags: IfNoneMatch = None) -> Response:
    """The models of all providers, one provider after another."""
    return _page(context, filters, None, known_etags)


def _page(
    context: RequestContext, filters: ModelFilters, provider: catalog.providers.Provider | None, known_etags: str | None
) -> Response:
    query = filters.query(provider)
    after = None if filters.cursor is None else decode_model_cursor(query, filters.cursor, as_of=filters.as_of)
    # Read before the models: if a sync comes between, they are newer than their ETag, and are sent once more.
    etag = f'W/"{catalog.model_search.page_state(context.session, provider)}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if is_unchanged(known_etags, etag):
        return Response(status_code=304, headers=headers)
    page = catalog.model_search.search(context.session, query, limit=filters.limit, after=after)
    samples = catalog.providers.sample_slugs(context.session)
    models = [{**model, "sample": model["provider"] in samples} for model in page.models]
    next_cursor = None if page.last is None else encode_model_cursor(query, page.last, as_of=filters.as_of)
    # Without validation by the response model, which would be slow for a thousand rows.
    content = orjson.dumps({"models": models, "next_cursor": next_cursor})
    return Response(content, headers=headers, media_type="application/json")


def is_unchanged(known_etags: str | None, etag: str) -> bool:
    """Whether a request's `If-None-Match` names the ETag."""
    if known_etags is None:
        return False
    given = {each.strip() for each in known_etags.split(",")}
    return "*" in given or etag in given or etag.removeprefix("W/") in given
