"""Price components, dates, and the longest prompt."""

from provider_pipeline.catalog.migrations import run_sql

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    """Run `sql/0023_prices_and_dates.sql`."""
    run_sql(revision)
