"""The table of a past moment marks the models of sample providers."""

from provider_pipeline.catalog.migrations import run_sql

revision = "0035"
down_revision = "0034"


def upgrade() -> None:
    """Run `sql/0035_samples_in_the_past.sql`."""
    run_sql(revision)
