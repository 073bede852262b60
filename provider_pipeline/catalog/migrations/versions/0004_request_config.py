"""What a provider's requests may do."""

from provider_pipeline.catalog.migrations import run_sql

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Run `sql/0004_request_config.sql`."""
    run_sql(revision)
