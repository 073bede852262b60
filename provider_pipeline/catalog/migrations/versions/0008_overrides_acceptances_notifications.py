"""Overrides by field, accepted guards, and the outbox of notifications."""

from provider_pipeline.catalog.migrations import run_sql

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Run `sql/0008_overrides_acceptances_notifications.sql`."""
    run_sql(revision)
