"""Retention of stored listings, how their pages were answered, and validators for conditional requests."""

from provider_pipeline.catalog.migrations import run_sql

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Run `sql/0005_raw_responses.sql`."""
    run_sql(revision)
