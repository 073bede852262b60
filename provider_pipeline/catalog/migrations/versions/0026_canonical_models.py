"""Canonical models: which model each offer is, what its offers agree on, and news."""

from provider_pipeline.catalog.migrations import run_sql

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    """Run `sql/0026_canonical_models.sql`."""
    run_sql(revision)
