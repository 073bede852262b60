"""Name patterns that rules share, stored once."""

from provider_pipeline.catalog.migrations import run_sql

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    """Run `sql/0022_pattern_sets.sql`."""
    run_sql(revision)
