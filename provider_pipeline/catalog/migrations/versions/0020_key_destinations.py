"""Where each provider's key has been sent."""

from provider_pipeline.catalog.migrations import run_sql

revision = "0020"
down_revision = "0014"


def upgrade() -> None:
    """Run `sql/0020_key_destinations.sql`."""
    run_sql(revision)
