"""Tasks, sync state and the view of current models."""

from provider_pipeline.catalog.migrations import run_sql

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Run `sql/0003_tasks_and_sync_state.sql`."""
    run_sql(revision)
