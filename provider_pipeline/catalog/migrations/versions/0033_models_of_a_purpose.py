"""Indexes for lists of models of one purpose."""

from provider_pipeline.catalog.migrations import run_sql_outside_transaction

revision = "0033"
down_revision = "0032"


def upgrade() -> None:
    """Run `sql/0033_models_of_a_purpose.sql`."""
    run_sql_outside_transaction(revision)
