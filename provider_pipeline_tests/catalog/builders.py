"""Builders of providers with a rule, and of listing rows as `rules` produces them."""

import hashlib
import json
import time
from datetime import UTC, datetime, timedelta

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, text, update
from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.catalog import providers, rule_versions, tables
from provider_pipeline.catalog.database import Database
from provider_pipeline.catalog.model_writes import ListedModels, WriteResult
from provider_pipeline.catalog.notifications import News
from provider_pipeline.catalog.providers import Provider
from provider_pipeline.catalog.sync_state import AcceptedSync, FailedSync
from provider_pipeline.rules.model_columns import ROW_COLUMNS
from provider_pipeline.rules.prices import usd_per_million_tokens

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
FULL = {
    "display_name": "GPT-4o",
    "family": "gpt",
    "context_length": 128_000,
    "max_input_tokens": 111_616,
    "max_output_tokens": 16_384,
    "input_modalities": ["image", "text"],
    "output_modalities": ["text"],
    "input_price": 0.1 + 0.2,  # a float with 17 digits
    "output_price": 1e-07,
    "prices": {
        "cache_read": {"amount": 1e-08, "unit": "million_tokens", "currency": "USD"},
        "input": {"amount": 0.1 + 0.2, "unit": "million_tokens", "currency": "USD"},
        "output": {
            "amount": 1e-07,
            "unit": "million_tokens",
            "currency": "USD",
            "tiers": [{"above": 200_000, "amount": 2e-07}],
        },
    },
    "released_on": "2024-05-13",
    "deprecated_on": "2026-01-31",
    "retires_on": "2026-07-31",
    "knowledge_cutoff": "2023-10-01",
    "successor_model_id": "gpt-5",
    "capabilities": {"chat": True, "embedding": False},
    "capability_sources": {"chat": "evidence", "embedding": "regex"},
    "metadata_json": {"owned_by": "openai", "note": 'quotes " and \\ and \t tab and { braces } and ünï'},
}
"""The values of a fully described model."""


def hours_later(hours: int) -> datetime:
    return NOON + timedelta(hours=hours)


def model(model_id: str, **columns) -> dict:
    row = {
        **dict.fromkeys(name for name in ROW_COLUMNS if name not in {"model_id", "meta_hash"}),
        "prices": {
            component: usd_per_million_tokens(columns[f"{component}_price"])
            for component in ("input", "output")
            if columns.get(f"{component}_price") is not None
        },
        "capabilities": {},
        "capability_sources": {},
        "metadata_json": {},
        **columns,
    }
    hashed = {name: value for name, value in row.items() if name != "family"}  # as the rows of a sync
    digest = hashlib.sha256(json.dumps(hashed, sort_keys=True).encode()).hexdigest()
    return {"model_id": model_id, **row, "meta_hash": digest}


def write_models(session: Session, provider_id: int, rows, *, now: datetime, **options) -> WriteResult:
    """Writes one provider's listing."""
    return catalog.model_writes.write(session, [ListedModels(provider_id, rows, **options)], now=now)[0]


def record_success(session: Session, provider_id: int, *, now: datetime, **options) -> None:
    catalog.sync_state.record_successes(session, [AcceptedSync(provider_id, **options)], now=now)


def record_failure(session: Session, provider_id: int, *, now: datetime, **options) -> None:
    catalog.sync_state.record_failures(session, [FailedSync(provider_id, **options)], now=now)


def enqueue_notification(session: Session, event_key: str, kind: str, payload, *, now: datetime, **options) -> bool:
    """Whether the event is new."""
    return bool(catalog.notifications.enqueue(session, [News(event_key, kind, payload, **options)], now=now))


def register(session: Session, slug: str = "openai", *, is_sample: bool = False) -> Provider:
    added = providers.add(
        session,
        slug=slug,
        name=slug.title(),
        base_url="https://api.example.com",
        auth_config={"type": "none"},
        is_sample=is_sample,
    )
    rule_versions.add_version(
        session,
        added.id,
        model_list_config={"endpoint": "/v1/models", "selector": "data[*]"},
        endpoints_config={},
        metadata={},
        digest="1" * 64,
        sample_id=None,
        origin="generated",
        activate=True,
    )
    session.commit()
    return providers.get(session, slug)


def add_rule(session: Session, provider: Provider, digit: str, **options) -> int:
    """Stores a rule identified by a digit."""
    values = {
        "model_list_config": {"selector": digit},
        "endpoints_config": {"chat": {"patterns": {"regex": [digit]}}},
        "metadata": {"sample_model_count": 2},
        "sample_id": None,
        "origin": "generated",
        "activate": True,
        **options,
    }
    return rule_versions.add_version(session, provider.id, digest=digit * 64, **values)


def upgrade_to(engine: Engine, revision: str) -> None:
    """Upgrades the schema to this revision."""
    config = Config()
    config.set_main_option("script_location", "provider_pipeline.catalog:migrations")
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.commit()


def removes_after(session: Session, provider: Provider, *, misses: int, hours: float) -> None:
    """Sets after how many misses and hours a provider's models are removed."""
    session.execute(
        update(tables.provider)
        .where(tables.provider.c.id == provider.id)
        .values(removal_after=misses, removal_age=timedelta(hours=hours))
    )


def counts(result: WriteResult) -> dict[str, int]:
    """The counts of a write that are not zero."""
    names = ("created", "renamed", "updated", "unchanged", "missing", "removed", "restored")
    return {name: getattr(result, name) for name in names if getattr(result, name)}


def wait_for_a_lock(database: Database) -> None:
    """Waits until a statement is blocked by a lock."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    with database.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as observer:
        deadline = time.monotonic() + 60
        while not observer.scalar(waiting):
            assert time.monotonic() < deadline
            time.sleep(0.01)


def let_leases_expire(database: Database) -> timedelta:
    """Makes every lease expire now; returns how long the longest had left."""
    with database.engine.begin() as connection:
        lasts = connection.scalar(text("SELECT max(expires_at) - clock_timestamp() FROM provider_sync_lease"))
        connection.execute(text("UPDATE provider_sync_lease SET expires_at = clock_timestamp()"))
    return lasts


def bury_the_dead(database: Database) -> timedelta:
    """Waits until the server has noticed killed clients, then lets their leases expire."""
    in_transaction = text(
        "SELECT count(*) FROM pg_stat_activity WHERE xact_start IS NOT NULL AND datname = current_database() "
        "AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )
    with database.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as observer:
        deadline = time.monotonic() + 30
        while observer.scalar(in_transaction):
            assert time.monotonic() < deadline
            time.sleep(0.005)
    return let_leases_expire(database)
