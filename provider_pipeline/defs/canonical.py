"""The asset of the canonical models: the same model, wherever it is offered."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg

from provider_pipeline import catalog, rules, sync
from provider_pipeline.defs.keys import CANONICAL, CODE_VERSION, GROUP, TABLE, documented, stage
from provider_pipeline.defs.metadata import markdown, one_line
from provider_pipeline.defs.resources import CatalogResource

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

PREVIEW = 20
_NEWS = {"appeared": "new, first at", "undercut": "cheaper than any offer before, at", "ended": "gone, last at"}


@dg.asset(
    key=CANONICAL,
    deps=[dg.AssetDep(TABLE, partition_mapping=dg.AllPartitionMapping())],
    group_name=GROUP,
    kinds={"postgres", "table"},
    code_version=CODE_VERSION,
    tags=stage("join"),
    metadata={**documented("docs/offers.md"), "dagster/table_name": "canonical_model"},
    description="Each model once, however many providers offer it: what they agree on, the cheapest offer, its end.",
)
def canonical_model(
    context: dg.AssetExecutionContext, provider_database: CatalogResource
) -> dg.MaterializeResult[None]:
    """Assigns changed offers to their models and computes these anew; news goes to the webhook."""
    with provider_database.open() as database, database.session() as session:
        report = sync.events.refresh_canonical_models(session, now=datetime.now(UTC))
        session.commit()
        counts = catalog.canonical.counts(session)
        preview = _preview(session)
    for event in report.events:
        context.log.info(f"{event.kind}: {event.canonical_id} ({event.slug}: {event.model_id})")
    kinds = [event.kind for event in report.events]
    news = [
        f"- {one_line(event.canonical_id)}: {_NEWS[event.kind]} {one_line(event.slug)}"
        for event in report.events[:PREVIEW]
    ]
    return dg.MaterializeResult(
        metadata={
            "preview": preview,
            **({"news": markdown(news)} if news else {}),
            **vars(counts),
            "offers_assigned": report.offers_assigned,
            "models_changed": report.models_changed,
            **{kind: kinds.count(kind) for kind in _NEWS},
            "dagster/row_count": counts.models,
        }
    )


def _preview(session: "Session") -> dg.MarkdownMetadataValue:
    """The models that most providers offer."""
    lines = [
        "| model | providers | context | input, from | median | output, from | median |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for model in catalog.canonical.most_offered(session, PREVIEW):
        context = "" if model.context_length is None else f"{model.context_length:,}"
        prices = [_price(model, component, of) for component in ("input", "output") for of in ("cheapest", "median")]
        lines.append(f"| {one_line(model.id)} | {model.providers} | {context} | {' | '.join(prices)} |")
    return markdown([*lines, "", "Prices in USD per million tokens, below the first tier."])


def _price(model: "catalog.canonical.CanonicalModel", component: str, of: str) -> str:
    price = model.prices.get(component)
    return rules.model_prices.amount_text(price[of]) if price and rules.prices.is_usual(price) else ""
