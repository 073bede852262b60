"""Reads what the report shows, from one snapshot of the catalogue."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from provider_pipeline import catalog

MAX_MODELS: Final = 50_000
"""Models in the page; of more, half are the cheapest and half the newest."""
MAX_CANONICAL: Final = 500
MAX_PRICE_CHANGES: Final = 5_000
CHANGE_DAYS: Final = 90
NOTICE_DAYS: Final = 90

FACTS: Final = {
    "context_length": "context",
    "max_output_tokens": "max output",
    "input_price": "input price",
    "output_price": "output price",
    "capabilities": "capabilities",
    "input_modalities": "modalities",
    "released_on": "released",
    "knowledge_cutoff": "knowledge",
}
"""The facts whose coverage is shown, with their headings."""

_COUNTS: Final = text("""
    SELECT
        count(*) AS models,
        count(*) FILTER (WHERE input_price IS NOT NULL OR prices <> '{}') AS priced,
        count(*) FILTER (WHERE model.status = 'missing') AS missing,
        -- What a provider listed when it was added is not new.
        count(*) FILTER (
            WHERE first_seen_at > greatest(:week_ago, provider.created_at + interval '1 day')
        ) AS new
    FROM provider_model AS model
    JOIN provider ON provider.id = model.provider_id
    WHERE model.status <> 'removed' AND provider.enabled
""")
_MODELS: Final = text("""
    WITH shown AS (
        SELECT model.id, model.input_price, model.first_seen_at
        FROM provider_model AS model
        JOIN provider ON provider.id = model.provider_id
        WHERE model.status <> 'removed' AND provider.enabled
    ),
    cheapest AS (SELECT id FROM shown ORDER BY input_price, id LIMIT :cheapest),
    newest AS (
        SELECT id FROM shown
        WHERE NOT EXISTS (SELECT FROM cheapest WHERE cheapest.id = shown.id)
        ORDER BY first_seen_at DESC, id DESC
        LIMIT :newest
    ),
    chosen AS (SELECT id FROM cheapest UNION ALL SELECT id FROM newest)
    SELECT
        flat.slug, flat.model_id, flat.display_name, flat.canonical_id, flat.status, flat.context_length,
        flat.max_output_tokens, flat.input_price, flat.output_price, flat.cache_read_price, model.capabilities,
        flat.released_on, flat.retires_on, flat.first_seen_at
    FROM chosen
    JOIN model_flat AS flat ON flat.id = chosen.id
    JOIN provider_model AS model ON model.id = chosen.id
    ORDER BY flat.slug COLLATE "C", flat.model_id COLLATE "C"
""")
_CAPABILITIES: Final = text("""
    SELECT provider.slug, known.key AS capability, count(*) AS models
    FROM provider_model AS model
    JOIN provider ON provider.id = model.provider_id
    CROSS JOIN LATERAL jsonb_each(model.capabilities) AS known
    WHERE model.status <> 'removed' AND provider.enabled AND known.value = 'true'
    GROUP BY provider.slug, known.key
""")
_COVERAGE: Final = text("""
    SELECT
        provider.slug,
        count(*) AS models,
        count(context_length) AS context_length,
        count(max_output_tokens) AS max_output_tokens,
        count(prices -> 'input') AS input_price,
        count(prices -> 'output') AS output_price,
        count(*) FILTER (WHERE capabilities <> '{}') AS capabilities,
        count(input_modalities) AS input_modalities,
        count(released_on) AS released_on,
        count(knowledge_cutoff) AS knowledge_cutoff
    FROM provider_model AS model
    JOIN provider ON provider.id = model.provider_id
    WHERE model.status <> 'removed' AND provider.enabled
    GROUP BY provider.slug
    ORDER BY count(*) DESC, provider.slug
""")
_PROVIDERS: Final = text("""
    SELECT
        provider.slug, provider.name, provider.is_sample, state.last_success_at, state.consecutive_failures AS failures,
        state.last_result ->> 'status' AS outcome, state.last_error,
        (
            SELECT task.id FROM agent_task AS task
            WHERE task.provider_id = provider.id AND task.status = ANY (:open) ORDER BY task.id DESC LIMIT 1
        ) AS task
    FROM provider
    LEFT JOIN provider_sync AS state ON state.provider_id = provider.id
    WHERE provider.enabled
    ORDER BY provider.slug
""")
_PRICE_CHANGES: Final = text("""
    SELECT
        provider.slug, change.model_id, change.changed_at, change.cause, component.name AS component,
        (change.changed -> component.name ->> 0)::numeric AS before,
        (change.changed -> component.name ->> 1)::numeric AS after
    FROM provider_model_change AS change
    JOIN provider ON provider.id = change.provider_id
    CROSS JOIN LATERAL (VALUES ('input_price'), ('output_price')) AS component (name)
    WHERE change.changed_at > :since
        AND provider.enabled
        AND jsonb_typeof(change.changed -> component.name -> 0) = 'number'
        AND jsonb_typeof(change.changed -> component.name -> 1) = 'number'
    ORDER BY change.id DESC, component.name
    LIMIT :most
""")
_OFFERS: Final = text("""
    WITH model AS (
        SELECT id, name, lab, context_length, providers, count(*) OVER () AS total
        FROM canonical_model
        WHERE providers > 1
        ORDER BY providers DESC, id
        LIMIT :most
    )
    SELECT
        model.id, model.name, model.lab, model.context_length AS agreed_context, model.providers, model.total,
        offer.slug, offer.model_id, offer.variant, offer.context_length, offer.input_price, offer.output_price,
        offer.filled ? 'context_length' AS context_is_filled
    FROM model
    JOIN model_offer AS offer ON offer.canonical_id = model.id AND offer.status = 'active'
    JOIN provider ON provider.id = offer.provider_id AND provider.enabled
    ORDER BY model.providers DESC, model.id, offer.input_price, offer.output_price, offer.slug, offer.model_id
""")
_MODELS_STATE: Final = text("""
    SELECT md5(concat_ws(
        '|',
        (SELECT max(id) FROM provider_model_change),
        (SELECT max(changed_at) FROM canonical_model),
        (SELECT count(*) FROM canonical_model)
    ))
""")
_PROVIDERS_STATE: Final = text("""
    SELECT md5(concat_ws(
        '|',
        (SELECT string_agg(id::text, ',' ORDER BY id) FROM agent_task WHERE status = ANY (:open)),
        (
            SELECT string_agg(
                concat_ws(':', provider.slug, provider.name, provider.enabled, state.last_result ->> 'status'), ','
                ORDER BY provider.id
            )
            FROM provider
            LEFT JOIN provider_sync AS state ON state.provider_id = provider.id
        )
    ))
""")


@dataclass(frozen=True)
class Contents:
    """Everything that the report shows.

    Attributes:
        state: `state` of the snapshot.
        counts: models, priced, missing, new.
        models: Of enabled providers and not removed; all of them, or of more than `MAX_MODELS` some.
        capabilities: (slug, capability) to the number of models known to have it.
        coverage: Per provider: models, and the number of them for which each of `FACTS` is known.
        price_changes: The newest first; known prices that became other known prices.
        canonical: Models that several providers offer, each with its offers, the cheapest first.
        total_canonical: How many there are, shown or not.
    """

    now: datetime
    state: str
    counts: RowMapping
    models: Sequence[RowMapping]
    capabilities: dict[tuple[str, str], int]
    coverage: Sequence[RowMapping]
    providers: Sequence[RowMapping]
    price_changes: Sequence[RowMapping]
    retirements: Sequence[catalog.notifications.Retirement]
    canonical: Sequence[Sequence[RowMapping]]
    total_canonical: int

    @property
    def troubled(self) -> Sequence[RowMapping]:
        """Providers whose last attempt wrote nothing."""
        return [each for each in self.providers if each.failures or each.outcome not in (None, "synced")]

    @property
    def today(self) -> date:
        """The day of the snapshot, in UTC."""
        return self.now.astimezone(UTC).date()


def state(session: Session) -> str:
    """A cheap digest of what the report shows; times that pass do not change it."""
    return f"{session.scalar(_MODELS_STATE)}{providers_state(session)}"


def providers_state(session: Session) -> str:
    """The part of `state` that is about providers: which are shown, which are blocked, and their tasks."""
    return str(session.scalar(_PROVIDERS_STATE, {"open": list(catalog.tasks.OPEN_STATUSES)}))


def read(database: catalog.database.Database, *, now: datetime, max_models: int = MAX_MODELS) -> Contents:
    """Read everything from one snapshot."""
    options: Any = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with database.engine.connect().execution_options(**options) as connection, Session(connection) as session:

        def rows(query: Any, **parameters: Any) -> Sequence[RowMapping]:
            return session.execute(query, parameters).mappings().all()

        (counts,) = rows(_COUNTS, week_ago=now - timedelta(days=7))
        everything = counts["models"] <= max_models
        cheapest = max_models if everything else max_models // 2
        offers = rows(_OFFERS, most=MAX_CANONICAL)
        by_model: dict[str, list[RowMapping]] = {}
        for offer in offers:
            by_model.setdefault(offer["id"], []).append(offer)
        today = now.astimezone(UTC).date()
        return Contents(
            now=now,
            state=state(session),
            counts=counts,
            models=rows(_MODELS, cheapest=cheapest, newest=0 if everything else max_models - cheapest),
            capabilities={(row["slug"], row["capability"]): row["models"] for row in rows(_CAPABILITIES)},
            coverage=rows(_COVERAGE),
            providers=rows(_PROVIDERS, open=list(catalog.tasks.OPEN_STATUSES)),
            price_changes=rows(_PRICE_CHANGES, since=now - timedelta(days=CHANGE_DAYS), most=MAX_PRICE_CHANGES),
            retirements=catalog.notifications.retirements(session, until=today + timedelta(days=NOTICE_DAYS)),
            canonical=list(by_model.values()),
            total_canonical=offers[0]["total"] if offers else 0,
        )
