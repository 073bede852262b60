import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url, text

from provider_pipeline.catalog.database import Database, home, open_catalog, open_database
from provider_pipeline.catalog.embedded import EmbeddedPostgres
from provider_pipeline.errors import (
    ConfigurationError,
    DatabaseUnavailableError,
    MigrationMissingError,
    ProviderPipelineError,
)


def _complaint(url: str) -> ProviderPipelineError:
    with pytest.raises(ProviderPipelineError) as caught, open_database(url):
        pass
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return unused.getsockname()[1]


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def password_role(postgres_server: EmbeddedPostgres) -> Iterator[str]:
    """A role the server asks for a password, which is `right`."""
    with psycopg.connect(postgres_server.url("postgres").replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("CREATE ROLE guarded LOGIN PASSWORD 'right'")
        file = Path(connection.execute("SHOW hba_file").fetchone()[0])
        rules = file.read_text()
        file.write_text(f"local all guarded scram-sha-256\n{rules}")
        connection.execute("SELECT pg_reload_conf()")
        yield "guarded"
        file.write_text(rules)
        connection.execute("SELECT pg_reload_conf()")
        connection.execute("DROP ROLE guarded")


def test_a_port_without_a_listener_is_reported_in_one_line_without_the_password(closed_port):
    error = _complaint(f"postgresql://app:s3cret@127.0.0.1:{closed_port}/catalogue")
    assert isinstance(error, DatabaseUnavailableError)
    assert error.transient
    assert str(error).startswith(f"no connection to postgresql://app:***@127.0.0.1:{closed_port}/catalogue: ")
    assert "refused" in str(error)
    assert "PROVIDER_PIPELINE_DATABASE_URL" in str(error)
    assert "s3cret" not in str(error)


def test_a_server_that_never_answers_is_given_up_after_five_seconds(silent_port):
    began = time.monotonic()
    error = _complaint(f"postgresql://app:s3cret@127.0.0.1:{silent_port}/catalogue")
    assert isinstance(error, DatabaseUnavailableError)
    assert 3 < time.monotonic() - began < 8
    assert "timeout" in str(error)


def test_a_host_without_an_address_is_reported(closed_port):
    assert isinstance(_complaint("postgresql://app@no-such-host.invalid/catalogue"), DatabaseUnavailableError)


def test_a_wrong_password_is_reported_and_shown_nowhere(postgres_server, password_role):
    url = make_url(postgres_server.url("postgres")).set(username=password_role, password="wr0ng")
    error = _complaint(url.render_as_string(hide_password=False))
    assert isinstance(error, DatabaseUnavailableError)
    assert not error.transient
    assert "password authentication failed" in str(error)
    for cause in (error, error.__cause__, error.__context__):
        assert "wr0ng" not in repr(cause) + str(cause)


def test_the_right_password_is_taken_and_hidden_from_people(postgres_server, password_role):
    url = make_url(postgres_server.url("postgres")).set(username=password_role, password="right")
    with open_database(url.render_as_string(hide_password=False)) as database:
        assert "right" in database.url
        assert "right" not in repr(database) + str(database) + database.redacted_url


def test_a_password_given_as_an_option_is_hidden_too(closed_port):
    error = _complaint(f"postgresql://127.0.0.1:{closed_port}/catalogue?user=app&password=s3cret")
    assert "s3cret" not in str(error)


def test_a_database_that_does_not_exist_is_reported_with_what_to_do(postgres_server):
    error = _complaint(postgres_server.url("never_made"))
    assert isinstance(error, DatabaseUnavailableError)
    assert 'database "never_made" does not exist' in str(error)
    assert "createdb" in str(error)


@pytest.mark.parametrize(
    "url",
    ["mysql://app:s3cret@host/catalogue", "s3cret", "postgresql://app:s3cret@host:port/x", "postgresqlx://s3cret"],
)
def test_a_url_that_is_not_one_of_postgresql_is_refused_without_quoting_it(url):
    error = _complaint(url)
    assert isinstance(error, ConfigurationError)
    assert "s3cret" not in str(error)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2", "postgresql+psycopg"])
def test_every_usual_spelling_of_the_scheme_is_understood(database_url, scheme):
    rest = database_url.partition("://")[2]
    with open_database(f"{scheme}://{rest}") as database, database.session() as session:
        assert session.scalar(text("SELECT 1")) == 1


def test_the_environment_names_the_database_unless_a_url_is_given(database_url, monkeypatch):
    monkeypatch.setenv("PROVIDER_PIPELINE_DATABASE_URL", "postgresql://app@no-such-host.invalid/catalogue")
    with open_database(database_url):
        pass
    monkeypatch.setenv("PROVIDER_PIPELINE_DATABASE_URL", database_url)
    with open_database() as database, database.session() as session:
        assert session.scalar(text("SELECT count(*) FROM provider")) == 0


def test_without_any_url_the_embedded_server_in_the_home_folder_is_used(postgres_server, monkeypatch):
    monkeypatch.delenv("PROVIDER_PIPELINE_DATABASE_URL", raising=False)
    monkeypatch.setenv("PROVIDER_PIPELINE_HOME", str(postgres_server.home))
    with open_catalog() as database, database.session() as session:
        assert session.scalar(text("SELECT current_database()")) == "provider_pipeline"
        assert session.scalar(text("SELECT count(*) FROM provider")) == 0


def test_the_home_folder_is_the_configured_one_and_made_on_demand(tmp_path, monkeypatch):
    monkeypatch.setenv("PROVIDER_PIPELINE_HOME", str(tmp_path / "a" / "b"))
    assert home() == tmp_path / "a" / "b"
    assert home().is_dir()


def test_a_home_folder_that_cannot_be_made_is_reported(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("PROVIDER_PIPELINE_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(ConfigurationError, match="PROVIDER_PIPELINE_HOME"):
        home()


def test_a_database_named_by_url_is_not_migrated_behind_its_operators_back(empty_database_url):
    with pytest.raises(MigrationMissingError), open_catalog(empty_database_url):
        pass


def test_a_connection_lost_while_in_use_is_reported_and_the_next_one_works(database: Database):
    with database.session() as session:
        own = session.scalar(text("SELECT pg_backend_pid()"))
        with database.session() as other:
            other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": own})
        with pytest.raises(DatabaseUnavailableError, match=r"^lost the connection to postgresql:") as caught:
            session.execute(text("SELECT 1"))
    assert "\n" not in str(caught.value)
    with database.session() as session:
        assert session.scalar(text("SELECT 1")) == 1


def test_times_are_read_in_utc(database: Database):
    with database.session() as session:
        assert session.scalar(text("SELECT now()")).utcoffset().total_seconds() == 0


def test_many_threads_may_use_one_database(database: Database):
    together = threading.Barrier(20, timeout=20)

    def use():
        with database.session() as session:
            session.execute(text("SELECT 1"))
            together.wait()

    threads = [threading.Thread(target=use) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not together.broken


def opened(database: Database) -> int:
    """The number of connections that it has open."""
    return database.engine.pool.size() + database.engine.pool.overflow()


def test_who_wants_one_connection_too_many_gets_one_that_is_given_back(database: Database, monkeypatch):
    monkeypatch.setattr("provider_pipeline.catalog.database._PATIENCE_SECONDS", 60)
    with ExitStack() as stack, ThreadPoolExecutor(1) as thread:
        held = [stack.enter_context(database.engine.connect()) for _ in range(5)]
        waiting = thread.submit(lambda: stack.enter_context(database.engine.connect()))
        held[0].close()
        waiting.result(60)
        assert opened(database) == 5


def test_one_more_connection_is_opened_if_none_is_given_back(database: Database):
    with ExitStack() as stack:
        for _ in range(6):
            stack.enter_context(database.engine.connect())
        assert opened(database) == 6
