"""A task that was claimed over the HTTP API belongs to the token that claimed it."""

from provider_pipeline.catalog.migrations import run_sql

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Run `sql/0015_claims_of_tokens.sql`."""
    run_sql(revision)
