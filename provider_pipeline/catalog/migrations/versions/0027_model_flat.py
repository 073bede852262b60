"""The view `model_flat`, and a comment on every column of every view."""

from provider_pipeline.catalog.migrations import run_sql

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    """Run `sql/0027_model_flat.sql`."""
    run_sql(revision)
