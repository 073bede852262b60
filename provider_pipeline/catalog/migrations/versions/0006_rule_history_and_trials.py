"""Statuses and history of rule versions, shared tasks, trials."""

from provider_pipeline.catalog.migrations import run_sql

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Run `sql/0006_rule_history_and_trials.sql`."""
    run_sql(revision)
