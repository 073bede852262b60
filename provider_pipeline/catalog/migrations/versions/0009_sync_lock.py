"""Who syncs which provider right now."""

from provider_pipeline.catalog.migrations import run_sql

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Run `sql/0009_sync_lock.sql`."""
    run_sql(revision)
