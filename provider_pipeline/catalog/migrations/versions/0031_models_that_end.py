"""An index for lists of models that end before a day."""

from provider_pipeline.catalog.migrations import run_sql_outside_transaction

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    """Run `sql/0031_models_that_end.sql`."""
    run_sql_outside_transaction(revision)
