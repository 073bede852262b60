"""Who syncs which provider right now, as leases that end by themselves."""

from provider_pipeline.catalog.migrations import run_sql

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Run `sql/0018_sync_lease.sql`."""
    run_sql(revision)
