"""Every view of models marks those of sample providers."""

from provider_pipeline.catalog.migrations import run_sql

revision = "0034"
down_revision = "0033"


def upgrade() -> None:
    """Run `sql/0034_samples_in_views.sql`."""
    run_sql(revision)
