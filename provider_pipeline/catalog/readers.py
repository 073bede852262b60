"""Lets another role of the database read the catalogue."""

from typing import Final

from psycopg import sql
from sqlalchemy import text
from sqlalchemy.orm import Session

_WITHHELD: Final = ("api_token", "api_audit")
"""Tables about the API's users: readers of the catalogue have no use for them."""


def grant_read(session: Session, role: str) -> bool:
    """Let a role select from the catalogue's tables and views, except those about the API's users. Commits nothing.

    A role that does not exist is created; it cannot log in until it is given a password.

    Returns:
        Whether the role was created.

    Raises:
        DatabaseUnavailableError: Our own role may not grant this.
    """
    name = sql.Identifier(role)
    is_new = session.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": role}) is None
    if is_new:
        _run(session, sql.SQL("CREATE ROLE {} NOLOGIN").format(name))
    database, schema = session.execute(text("SELECT current_database(), current_schema()")).one()
    relations = session.scalars(
        text(
            "SELECT relname FROM pg_class WHERE relnamespace = CAST(:schema AS regnamespace) AND relkind IN ('r', 'v') "
            "AND relname <> ALL (:withheld) ORDER BY relname"
        ),
        {"schema": schema, "withheld": list(_WITHHELD)},
    )
    _run(session, sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(sql.Identifier(database), name))
    _run(session, sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(sql.Identifier(schema), name))
    readable = sql.SQL(", ").join(sql.Identifier(schema, relation) for relation in relations)
    _run(session, sql.SQL("GRANT SELECT ON {} TO {}").format(readable, name))
    return is_new


def _run(session: Session, statement: sql.Composed) -> None:
    # Names cannot be parameters; psycopg quotes them.
    session.connection().exec_driver_sql(statement.as_string(None))
