"""Providers, stored listings and extraction rules."""

from provider_pipeline.catalog.migrations import run_sql

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Run `sql/0001_providers_and_rules.sql`."""
    run_sql(revision)
