"""What is append-only cannot be emptied by TRUNCATE either."""

from provider_pipeline.catalog.migrations import run_sql

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Run `sql/0020_append_only_tables.sql`."""
    run_sql(revision)
