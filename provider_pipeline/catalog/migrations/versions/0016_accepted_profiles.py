"""What listings looked like that were replaced in the last days: a new one is compared with more than the last one."""

from provider_pipeline.catalog.migrations import run_sql

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Run `sql/0016_accepted_profiles.sql`."""
    run_sql(revision)
