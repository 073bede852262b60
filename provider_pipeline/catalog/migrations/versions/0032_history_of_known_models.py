"""Changes without a foreign key to their models."""

from provider_pipeline.catalog.migrations import run_sql

revision = "0032"
down_revision = "0031"


def upgrade() -> None:
    """Run `sql/0032_history_of_known_models.sql`."""
    run_sql(revision)
