"""Equal capability patterns of many rules can be read once."""

from provider_pipeline.catalog.migrations import run_sql

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Run `sql/0012_endpoints_digest.sql`."""
    run_sql(revision)
