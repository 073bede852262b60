"""Roles that may read the catalogue and nothing else."""

from collections.abc import Iterator

import pytest
from psycopg import sql
from sqlalchemy.orm import Session

from provider_pipeline.catalog.database import Database
from provider_pipeline.catalog.readers import grant_read
from provider_pipeline.errors import DatabaseUnavailableError

ROLE = 'an "odd" reader'


@pytest.fixture
def role(database: Database) -> Iterator[str]:
    """The name of a role, which is dropped at the end: roles belong to the whole server."""
    yield ROLE
    with database.engine.begin() as connection:
        if connection.exec_driver_sql("SELECT FROM pg_roles WHERE rolname = %s", (ROLE,)).first():
            for statement in ("DROP OWNED BY {}", "DROP ROLE {}"):
                connection.exec_driver_sql(sql.SQL(statement).format(sql.Identifier(ROLE)).as_string(None))


def asked_as(session: Session, role: str, statement: str) -> list:
    with session.get_bind().begin() as connection:
        connection.exec_driver_sql(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(role)).as_string(None))
        return connection.exec_driver_sql(statement).all()


def test_the_role_is_made_once_and_reads_tables_views_and_functions(session: Session, role: str):
    assert grant_read(session, role) is True
    session.commit()
    assert grant_read(session, role) is False
    session.commit()
    for source in ("model_flat", "model_price_history", "model_offer", "provider_model_change"):
        assert asked_as(session, role, f"SELECT * FROM {source}") == []
    assert asked_as(session, role, "SELECT * FROM provider_models_as_of(now())") == []


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM api_token",
        "SELECT * FROM api_audit",
        "DELETE FROM provider_model",
        "UPDATE provider SET name = 'x'",
        "CREATE TABLE mine (x int)",
    ],
)
def test_the_role_can_neither_write_nor_see_the_apis_users(session: Session, role: str, statement: str):
    grant_read(session, role)
    session.commit()
    with pytest.raises(DatabaseUnavailableError, match="denies this role a right"):
        asked_as(session, role, statement)
