"""The parts of providers' rules that people state."""

from provider_pipeline.catalog.migrations import run_sql

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    """Run `sql/0029_stated_rule.sql`."""
    run_sql(revision)
