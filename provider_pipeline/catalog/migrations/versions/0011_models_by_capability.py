"""Which models have a capability, of all providers at once."""

from provider_pipeline.catalog.migrations import run_sql

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Run `sql/0011_models_by_capability.sql`."""
    run_sql(revision)
