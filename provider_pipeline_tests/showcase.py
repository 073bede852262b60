"""A catalogue with something to see in every question and every section of the report."""

from datetime import UTC, datetime, timedelta
from typing import Any

from provider_pipeline import catalog
from provider_pipeline.catalog.database import Database
from provider_pipeline.rules.prices import usd_per_million_tokens
from provider_pipeline_tests.catalog.builders import model, record_failure, record_success, register, write_models

HOSTILE = (
    "<img src=x onerror=window.wasRun=1>",
    "</script><script>window.wasRun=1</script>",
    "a/<svg/onload=window.wasRun=1>&amp;\"'`${window.wasRun=1}",
    "<!--<script>\u2028window.wasRun=1",
)
"""Names of models that would run as scripts wherever they are not text."""


def chat_model(model_id: str, price: float, **columns: Any) -> dict[str, Any]:
    """A chat model whose output costs four times its input."""
    priced = {"input": price, "output": 4 * price, "cache_read": price / 10}
    return model(
        model_id,
        **{
            "context_length": 128_000,
            "input_price": price,
            "output_price": 4 * price,
            "prices": {component: usd_per_million_tokens(amount) for component, amount in priced.items()},
            "capabilities": {"chat": True, "tools": True, "vision": True, "embedding": False},
            "capability_sources": dict.fromkeys(("chat", "tools", "vision", "embedding"), "evidence"),
            **columns,
        },
    )


def fill(database: Database, *, now: datetime | None = None) -> None:
    """Two providers whose prices and models changed in the last days, and one that is blocked."""
    now = now or datetime.now(UTC)
    soon = (now + timedelta(days=20)).date().isoformat()
    with database.session() as session:
        acme, bolt, down = (register(session, slug) for slug in ("acme", "bolt", "down"))
        first = [chat_model("gpt-4o", 2.5), chat_model("gpt-4.1", 2, context_length=1_047_576), model("bare")]
        write_models(session, acme.id, first, now=now - timedelta(days=10), rule_version=1)
        second = [chat_model("gpt-4o", 2), *first[1:], *(model(name) for name in HOSTILE)]
        write_models(session, acme.id, second, now=now - timedelta(days=2), rule_version=1)
        offers = [
            chat_model("openai/gpt-4o", 3, retires_on=soon, successor_model_id="openai/gpt-4.1"),
            chat_model("openai/gpt-4.1", 2.2, context_length=1_047_576),
        ]
        write_models(session, bolt.id, offers, now=now - timedelta(days=1), rule_version=1)
        write_models(session, down.id, [model("old")], now=now - timedelta(days=9), rule_version=1)
        for provider in (acme, bolt):
            ended = now - timedelta(hours=1)
            record_success(session, provider.id, now=ended, rule_version=1, result={"status": "synced", "seconds": 0.4})
        blocked = {"status": "blocked", "reason": "the listing shrank from 40 to 1 models"}
        record_failure(session, down.id, now=now, kind="RuleValidationError", message=blocked["reason"], result=blocked)
        catalog.canonical.refresh(session, now=now)
        session.commit()
