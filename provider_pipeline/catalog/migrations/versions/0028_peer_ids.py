"""The names of providers at peers."""

from provider_pipeline.catalog.migrations import run_sql

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    """Run `sql/0028_peer_ids.sql`."""
    run_sql(revision)
