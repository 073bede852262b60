from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from provider_pipeline.catalog import Database
from provider_pipeline.catalog.migrations import VERSION_TABLE
from provider_pipeline.catalog.tables import metadata


def _has_comment_only_in_sql(difference) -> bool:
    # Most comments live in the SQL files alone; those the tables repeat must be the same.
    if isinstance(difference, list):
        return all(_has_comment_only_in_sql(part) for part in difference)
    if difference[0] == "modify_comment":
        return difference[-1] is None
    return difference[0] == "remove_table_comment"


def test_the_sql_files_and_the_tables_agree(database: Database):
    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={"version_table": VERSION_TABLE, "compare_type": True, "compare_server_default": True},
        )
        differences = [found for found in compare_metadata(context, metadata) if not _has_comment_only_in_sql(found)]
    assert differences == []
