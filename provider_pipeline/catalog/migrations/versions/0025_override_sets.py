"""Sets of overrides, with patterns and dates."""

from provider_pipeline.catalog.migrations import run_sql

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    """Run `sql/0025_override_sets.sql`."""
    run_sql(revision)
