"""Indexes for lists of models in every order."""

from provider_pipeline.catalog.migrations import run_sql_outside_transaction

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    """Run `sql/0030_models_in_order.sql`."""
    run_sql_outside_transaction(revision)
