"""Comments of the tables and views that people read, in plainer words."""

from provider_pipeline.catalog.migrations import run_sql

revision = "0036"
down_revision = "0035"


def upgrade() -> None:
    """Run `sql/0036_clearer_comments.sql`."""
    run_sql(revision)
