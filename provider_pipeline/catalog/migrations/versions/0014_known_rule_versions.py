"""That the rule version is there which models and changes name is checked for each statement, not for each row."""

from provider_pipeline.catalog.migrations import run_sql

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Run `sql/0014_known_rule_versions.sql`."""
    run_sql(revision)
