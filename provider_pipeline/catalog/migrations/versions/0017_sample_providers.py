"""Sample providers are marked, and never in one catalogue with providers of one's own."""

from provider_pipeline.catalog.migrations import run_sql

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Run `sql/0017_sample_providers.sql`."""
    run_sql(revision)
