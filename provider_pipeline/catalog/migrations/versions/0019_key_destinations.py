"""Where each provider's key has been sent."""

from provider_pipeline.catalog.migrations import run_sql

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Run `sql/0019_key_destinations.sql`."""
    run_sql(revision)
