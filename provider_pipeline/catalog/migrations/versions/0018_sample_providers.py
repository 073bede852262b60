"""Sample providers are marked, and never in one catalogue with providers of one's own."""

from provider_pipeline.catalog.migrations import run_sql

revision = "0018"
down_revision = "0014"


def upgrade() -> None:
    """Run `sql/0018_sample_providers.sql`."""
    run_sql(revision)
