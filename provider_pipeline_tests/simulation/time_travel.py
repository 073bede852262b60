"""Simulated time: a day passes when everything that is on record happened a day earlier."""

from datetime import timedelta

from sqlalchemy import Connection, text

from provider_pipeline import catalog

DAY = timedelta(days=1)

_COLUMNS = text(
    """
    SELECT columns.table_schema, columns.table_name, array_agg(CAST(columns.column_name AS text)) AS names
    FROM information_schema.columns
    JOIN information_schema.tables USING (table_schema, table_name)
    WHERE tables.table_type = 'BASE TABLE'
        AND columns.data_type = 'timestamp with time zone'
        AND columns.table_schema NOT IN ('pg_catalog', 'information_schema')
    GROUP BY columns.table_schema, columns.table_name
    """
)


def let_a_day_pass(database: catalog.database.Database) -> None:
    """Moves every time in every table of the catalogue back by one day, in one transaction."""
    with database.engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))  # histories only grow, otherwise
        for schema, table, names in connection.execute(_COLUMNS).all():
            _shift(connection, schema, table, names)


def _shift(connection: Connection, schema: str, table: str, names: list[str]) -> None:
    quote = connection.dialect.identifier_preparer.quote
    assignments = ", ".join(f"{quote(name)} = {quote(name)} - interval '1 day'" for name in names)
    connection.execute(text(f"UPDATE {quote(schema)}.{quote(table)} SET {assignments}"))
