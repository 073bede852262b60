"""A new row of a model is checked for nothing that follows from something else."""

from provider_pipeline.catalog.migrations import run_sql

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Run `sql/0013_cheaper_model_rows.sql`."""
    run_sql(revision)
