"""Prices for people, now and over time."""

from provider_pipeline.catalog.migrations import run_sql

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    """Run `sql/0024_price_views.sql`."""
    run_sql(revision)
