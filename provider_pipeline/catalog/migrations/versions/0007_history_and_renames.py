"""Removal by age, renames, causes of changes, and the table as of a past moment."""

from provider_pipeline.catalog.migrations import run_sql

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Run `sql/0007_history_and_renames.sql`."""
    run_sql(revision)
