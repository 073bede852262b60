"""Weak evidence is a source of capabilities."""

from provider_pipeline.catalog.migrations import run_sql

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Run `sql/0021_weak_evidence.sql`."""
    run_sql(revision)
