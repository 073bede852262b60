"""Everything a database holds, to tell whether anything touched it."""

from typing import Any

from sqlalchemy import create_engine, text

TABLES = """
SELECT table_schema, table_name FROM information_schema.tables
WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')
"""


def contents(url: str, *tables: str) -> dict[str, list[Any]]:
    """Every row of every table, or of these, as text, with the row versions that a write would change."""
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            found = [f"{schema}.{name}" for schema, name in connection.execute(text(TABLES))]
            return {
                table: sorted(connection.scalars(text(f"SELECT concat(ctid, ' ', xmin, ' ', t::text) FROM {table} t")))
                for table in tables or found
            }
    finally:
        engine.dispose()
