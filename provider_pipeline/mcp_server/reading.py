"""The tools that read: models, where their values come from, offers by cost, changes, and the health of providers."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import AwareDatetime, ConfigDict, Field, create_model

from provider_pipeline import catalog
from provider_pipeline.api.access import RequestContext
from provider_pipeline.api.cursors import decode_model_cursor, encode_model_cursor
from provider_pipeline.api.model_responses import ModelDetailsResponse, ModelResponse
from provider_pipeline.api.problems import ProblemError
from provider_pipeline.api.request_models import CapabilityName, ModelId
from provider_pipeline.api.response_models import ChangeResponse, ResponseModel
from provider_pipeline.api.routes import history, models
from provider_pipeline.catalog.offer_costs import CostedOffer, Needs, OffersByCost, offers_by_cost
from provider_pipeline.mcp_server.answers import page, page_of
from provider_pipeline.mcp_server.tools import DEFAULT_LIMIT, MAX_LIMIT, Answer, Arguments, Cursor, Limit, Slug, Tool
from provider_pipeline.rules.costs import Mix
from provider_pipeline.rules.model_columns import AGREED_COLUMNS, HEADINGS, LIMIT_COLUMNS, Cause, ChangeKind

# `get_model` tells these; in a list they would only take room.
_ONLY_IN_DETAIL: Final = ("capability_sources", "metadata_json", "overridden_fields", "rule_version", "last_seen_at")

_Tokens = Annotated[int, Field(ge=0, le=10**15)]


class SearchModels(models.ModelFilters):
    """Filters, order and page."""

    provider: Slug | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT, description="How many at most.")] = DEFAULT_LIMIT


if TYPE_CHECKING:

    class ListedModel(ResponseModel):
        """A model in a list; its fields are composed below."""

else:
    ListedModel = create_model(
        "ListedModel",
        __base__=ResponseModel,
        __doc__="A model of a provider.",
        **{
            name: (field.annotation, field)
            for name, field in ModelResponse.model_fields.items()
            if name not in _ONLY_IN_DETAIL
        },
    )


class ModelsFound(ResponseModel):
    """A page of models."""

    models: list[ListedModel]


def search_models(context: RequestContext, asked: SearchModels) -> Answer:
    """Search the models of all providers, or of one, now or at a past moment.

    Each model at each provider is one entry. A value that is null is unknown. input_price and output_price are in USD
    per million tokens; prices name their unit and currency.
    """
    query = asked.query(None if asked.provider is None else context.provider(asked.provider))
    after = None if asked.cursor is None else decode_model_cursor(query, asked.cursor, as_of=asked.as_of)
    samples = catalog.providers.sample_slugs(context.session)

    def fetch(limit: int) -> tuple[list[Any], str | None]:
        found = catalog.model_search.search(context.session, query, limit=limit, after=after)
        rows = [
            {name: value for name, value in model.items() if name not in _ONLY_IN_DETAIL}
            | {"sample": model["provider"] in samples}
            for model in found.models
        ]
        return rows, None if found.last is None else encode_model_cursor(query, found.last, as_of=asked.as_of)

    rows, cursor = page(fetch, asked.limit)
    return Answer({"models": rows}, cursor)


class GetModel(Arguments):
    """A provider's model."""

    provider: Slug
    model_id: ModelId = Field(description="The id that the provider uses.")


def get_model(context: RequestContext, asked: GetModel) -> Answer:
    """Show all that is known of a provider's model.

    Every fact and where it comes from (the provider's listing, the model's name, or people), prices with their history,
    what people set, and what changed.
    """
    return Answer(models.show_model(context, asked.provider, asked.model_id))


class CompareOffers(Arguments):
    """A model, a mix of tokens to price, and what an offer must be able to do."""

    model: ModelId = Field(
        description="A canonical id such as openai/gpt-4o; its name, or a provider's id, will do if only one has it."
    )
    input_tokens: _Tokens = Field(default=1_000_000, description="Tokens of all prompts, cached ones included.")
    output_tokens: _Tokens = Field(default=200_000, description="Tokens of all answers.")
    cached: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.0, description="Share of the input that is read from a cache."
    )
    requests: Annotated[int, Field(ge=1, le=10**9)] = Field(
        default=1, description="Requests that these tokens are: some prices are higher for long prompts."
    )
    capability: list[CapabilityName] = Field(default=[], max_length=20, description="An offer must have all of these.")
    min_context: Annotated[int | None, Field(ge=0, le=10**15)] = Field(default=None, description="In tokens.")
    limit: Limit = DEFAULT_LIMIT
    cursor: Cursor = None


class _PricedOffer(ResponseModel):
    provider: str
    sample: bool = Field(description="Whether its provider is one of the demo's samples.")
    model_id: str
    standing: Literal["ranked", "unpriced", "unknown", "ambiguous", "gone"] = Field(
        description="ranked: priced, and meets the needs; unpriced: lacks a price; unknown: nobody states whether it "
        "meets the needs; ambiguous: contradicts the other offers, perhaps another model; gone: no longer offered."
    )
    cost: float | None = Field(description="Of the mix, in `currency`; null unless ranked.")
    currency: str | None = Field(description="ISO 4217; nothing is converted.")
    price_tier_above: int | None = Field(description="The prompt size above which the applied prices hold.")
    is_cache_price_unknown: bool | None = Field(description="Whether cached input was priced like other input.")
    reason: str | None = Field(description="Why it is not ranked.")
    variant: str | None
    retires_on: str | None
    prices: dict[str, Any]
    filled: dict[str, str] | list[str] = Field(description="Values that other providers state, not this one.")


_LIMITS: Final = tuple(name for name in LIMIT_COLUMNS if name in HEADINGS)

if TYPE_CHECKING:

    class ComparedOffer(_PricedOffer):
        """The model at one provider; its limits are added below."""

else:
    ComparedOffer = create_model(
        "ComparedOffer",
        __base__=_PricedOffer,
        __doc__="The model at one provider.",
        **{name: (field.annotation, field) for name, field in ModelResponse.model_fields.items() if name in _LIMITS},
    )


class OffersFound(ResponseModel):
    """The offers of a model, ranked ones first: by currency, the cheapest first."""

    canonical_id: str
    agreed: dict[str, Any] | None = Field(description="What the offers agree on; null if that was not computed yet.")
    offers: list[ComparedOffer]
    total: int = Field(description="Offers in all pages.")
    unfit: int = Field(description="Offers left out because they are known not to meet the needs.")


_AGREED: Final = ("lab", "name", "family", *AGREED_COLUMNS, "capabilities", "providers")


def compare_offers(context: RequestContext, asked: CompareOffers) -> Answer:
    """Compare who offers a model, by the cost of a mix of tokens.

    Costs in different currencies are not comparable. What cannot be ranked comes after the ranked offers, with the
    reason.
    """
    try:
        mix = Mix(asked.input_tokens, asked.output_tokens, asked.cached, asked.requests)
    except ValueError as error:
        raise ProblemError(422, "bad-mix", str(error)) from error
    needs = Needs(tuple(sorted(set(asked.capability))), asked.min_context)
    canonical_id = catalog.canonical.resolve(context.session, asked.model)
    found = offers_by_cost(context.session, canonical_id, mix, needs, today=datetime.now(UTC).date())
    agreed = catalog.canonical.find(context.session, canonical_id)
    filters = {"canonical_id": canonical_id, "mix": repr(mix), "needs": repr(needs)}
    offers = _in_order(found)
    rows, cursor = page_of(
        offers,
        key=lambda each: f"{each['provider']} {each['model_id']}",
        filters=filters,
        limit=asked.limit,
        cursor=asked.cursor,
    )
    return Answer(
        {
            "canonical_id": canonical_id,
            "agreed": None if agreed is None else {name: getattr(agreed, name) for name in _AGREED},
            "offers": rows,
            "total": len(offers),
            "unfit": found.unfit,
        },
        cursor,
    )


def _in_order(found: OffersByCost) -> list[dict[str, Any]]:
    groups: list[tuple[str, list[CostedOffer]]] = [("ranked", offers) for offers in found.ranked.values()]
    groups += [(name, getattr(found, name)) for name in ("unpriced", "unknown", "ambiguous", "gone")]
    return [_offer_row(standing, each) for standing, offers in groups for each in offers]


def _offer_row(standing: str, offer: CostedOffer) -> dict[str, Any]:
    row, cost = offer.row, offer.cost
    names = ("model_id", "sample", "variant", *_LIMITS, "retires_on", "prices", "filled")
    return {name: row[name] for name in names} | {
        "provider": row["slug"],
        "standing": standing,
        "cost": None if cost is None else cost.amount,
        "currency": None if cost is None else cost.currency,
        "price_tier_above": None if cost is None else cost.tier,
        "is_cache_price_unknown": None if cost is None else cost.is_cache_price_unknown,
        "reason": offer.reason or None,
    }


class ListChanges(Arguments):
    """Which changes."""

    provider: Slug | None = None
    since: AwareDatetime | None = Field(default=None, description="At this moment or later.")
    until: AwareDatetime | None = Field(default=None, description="Before this moment.")
    kind: ChangeKind | None = None
    cause: Cause | None = None
    limit: Limit = DEFAULT_LIMIT
    cursor: Cursor = None


class ChangesFound(ResponseModel):
    """Changes, newest first."""

    changes: list[ChangeResponse]


def list_changes(context: RequestContext, asked: ListChanges) -> Answer:
    """List what changed about the models, newest first: prices, limits, capabilities; models added, renamed, gone."""
    filters = asked.model_dump(mode="json", include={"provider", "since", "until", "kind", "cause"})

    def fetch(limit: int) -> tuple[list[Any], str | None]:
        found = history.list_changes(context, **filters, limit=limit, cursor=asked.cursor)
        return found["changes"], found["next_cursor"]

    rows, cursor = page(fetch, asked.limit)
    return Answer({"changes": rows}, cursor)


class ListProviders(Arguments):
    """Which page."""

    limit: Limit = DEFAULT_LIMIT
    cursor: Cursor = None


class ProviderFound(ResponseModel):
    """A provider and its health."""

    model_config = ConfigDict(from_attributes=True, extra="ignore")

    slug: str
    name: str
    enabled: bool
    sample: bool = Field(description="Whether it is one of the demo's sample providers, whose models are made up.")
    base_url: str
    rule_version: int | None = Field(description="Its active extraction rule.")
    active_models: int
    last_checked_at: datetime | None
    last_success_at: datetime | None = Field(description="When its rows were last confirmed.")
    consecutive_failures: int
    last_error: str | None


class ProvidersFound(ResponseModel):
    """A page of providers, by slug."""

    providers: list[ProviderFound]


def list_providers(context: RequestContext, asked: ListProviders) -> Answer:
    """List the providers and how their last sync went; disabled ones are included."""
    known = catalog.providers.list_providers(context.session, enabled_only=False)
    rows, cursor = page_of(
        catalog.health.provider_overviews(context.session, known),
        key=lambda each: str(each["slug"]),
        filters={"list": "providers"},
        limit=asked.limit,
        cursor=asked.cursor,
    )
    return Answer({"providers": rows}, cursor)


TOOLS: Final = (
    Tool("search_models", SearchModels, ModelsFound, search_models),
    Tool("get_model", GetModel, ModelDetailsResponse, get_model),
    Tool("compare_offers", CompareOffers, OffersFound, compare_offers, slow="computation"),
    Tool("list_changes", ListChanges, ChangesFound, list_changes),
    Tool("list_providers", ListProviders, ProvidersFound, list_providers),
)
