"""Models, their changes and overrides."""

from provider_pipeline.catalog.migrations import run_sql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Run `sql/0002_models.sql`."""
    run_sql(revision)
