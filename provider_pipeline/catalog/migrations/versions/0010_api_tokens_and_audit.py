"""Who may use the HTTP API, and what they changed through it."""

from provider_pipeline.catalog.migrations import run_sql

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Run `sql/0010_api_tokens_and_audit.sql`."""
    run_sql(revision)
