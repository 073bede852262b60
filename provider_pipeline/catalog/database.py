"""Opens the catalogue, on the embedded server or at a URL: engine, sessions, schema check."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.engine import Dialect, ExceptionContext
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool
from sqlalchemy.util.queue import Empty

from provider_pipeline.catalog.database_errors import URL_VARIABLE, explained, redacted
from provider_pipeline.catalog.embedded import EmbeddedPostgres
from provider_pipeline.catalog.embedded_guard import MAX_IDLE_SECONDS
from provider_pipeline.catalog.migrations import check_schema, upgrade
from provider_pipeline.catalog.sync_locks import SyncLocks
from provider_pipeline.errors import CatalogError, ConfigurationError, DatabaseUnavailableError

HOME_VARIABLE = "PROVIDER_PIPELINE_HOME"
IDLE_VARIABLE = "PROVIDER_PIPELINE_EMBEDDED_IDLE_SECONDS"
DATABASE_NAME = "provider_pipeline"

_CONNECT_SECONDS = 5
_IDLE_SECONDS = 300.0
_OLDEST_SERVER = 14
_ENOUGH_CONNECTIONS = 5
_PATIENCE_SECONDS = 0.05


def home_path() -> Path:
    """The folder for local state, which may not exist yet.

    `PROVIDER_PIPELINE_HOME` if set, else `.home` in the checkout this code runs from, else in the current folder.
    """
    if configured := os.environ.get(HOME_VARIABLE):
        return Path(configured).expanduser().resolve()
    checkout = Path(__file__).parents[2]
    return (checkout if (checkout / "pyproject.toml").is_file() else Path.cwd()) / ".home"


def home() -> Path:
    """The folder for local state, created if needed."""
    folder = home_path()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"{folder} cannot be created: {error.strerror}", hint=f"set {HOME_VARIABLE} to a folder you can write to"
        ) from error
    return folder


def embedded_server(folder: Path) -> EmbeddedPostgres:
    """The embedded server of a home folder; a setting states how long it outlives this process.

    Raises:
        ConfigurationError: `PROVIDER_PIPELINE_EMBEDDED_IDLE_SECONDS` cannot be read.
    """
    text = os.environ.get(IDLE_VARIABLE) or str(_IDLE_SECONDS)
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= MAX_IDLE_SECONDS:
        raise ConfigurationError(f"{IDLE_VARIABLE}: expected seconds from 0 to {MAX_IDLE_SECONDS:.0f}, got {text!r}")
    return EmbeddedPostgres(folder, idle_seconds=seconds)


@dataclass(frozen=True)
class Database:
    """A reachable PostgreSQL database.

    Attributes:
        engine: SQLAlchemy's engine; threads may share it.
        url: The URL with the password, for child processes; never show it.
        redacted_url: The URL without the password, to show.
        locks: This process's sync locks.
    """

    engine: Engine
    url: str
    redacted_url: str
    locks: SyncLocks

    def __repr__(self) -> str:
        return f"Database({self.redacted_url!r})"

    def session(self) -> Session:
        """A new session, as a context manager that closes it without committing."""
        return Session(self.engine, info=self.locks.info())


@contextmanager
def open_database(url: str | None = None, *, client_name: str = "Python") -> Iterator[Database]:
    """Connect to a database for as long as the context lasts.

    Args:
        url: A PostgreSQL URL. Without one, `PROVIDER_PIPELINE_DATABASE_URL`; without that, the database
            `provider_pipeline` on the embedded server, which runs at least as long as the context, and some minutes
            after its last use.
        client_name: The client's name, shown to others who find a provider being synced: `the CLI`, `the API`.

    Raises:
        ConfigurationError: The URL cannot be read or is not PostgreSQL's.
        DatabaseUnavailableError: No answer within five seconds, a refusal, or a server that is too old.
    """
    url = url or os.environ.get(URL_VARIABLE)
    if url:
        with _connected(_parsed(url), client_name) as database:
            yield database
        return
    with embedded_server(home()) as server:

        def revive() -> None:
            server.ensure_running()
            server.ensure_database(DATABASE_NAME)

        with _connected(make_url(server.url(DATABASE_NAME)), client_name, revive=revive) as database:
            yield database


@contextmanager
def _connected(url: URL, client_name: str, *, revive: Callable[[], None] | None = None) -> Iterator[Database]:
    engine = _engine(url)
    if revive is not None:
        _revive_on_connect(engine, revive)
    try:
        with engine.connect():
            version = engine.dialect.server_version_info or ()
        if version < (_OLDEST_SERVER,):
            raise DatabaseUnavailableError(
                f"{redacted(url)} is PostgreSQL {'.'.join(map(str, version))}",
                hint=f"at least {_OLDEST_SERVER} is needed",
            )
        with closing(SyncLocks(engine, client_name)) as locks:
            yield Database(engine, url.render_as_string(hide_password=False), redacted(url), locks)
    finally:
        engine.dispose()


def _parsed(text: str) -> URL:
    # Never quote the text itself in an error: it may hold a password.
    scheme, separator, rest = text.strip().partition("://")
    if not separator or scheme.partition("+")[0] not in ("postgresql", "postgres"):
        raise ConfigurationError(
            "the database URL does not start with postgresql://",
            hint=f"set {URL_VARIABLE} to postgresql://USER:PASSWORD@HOST:PORT/DATABASE",
        )
    try:
        return make_url(f"postgresql+psycopg://{rest}")
    except (ArgumentError, ValueError) as error:
        raise ConfigurationError(
            "the database URL cannot be read",
            hint="its form is postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with special characters percent-encoded",
        ) from error


def adapted_url(url: str, *, driver: str | None = None, options: str | None = None) -> str:
    """A PostgreSQL URL for another program, with the password.

    Args:
        driver: The driver to name in it.
        options: Settings of its sessions, as `-c name=value`.
    """
    adapted = make_url(url)
    if driver is not None:
        adapted = adapted.set(drivername=f"postgresql+{driver}")
    if options is not None:
        adapted = adapted.update_query_dict({"options": options})
    return adapted.render_as_string(hide_password=False)


def client_address(database: Database) -> tuple[str, dict[str, str]]:
    """A database's address for PostgreSQL's client programs, and the environment in which they know the password.

    Passwords stay out of the command line, which every user of this machine can read.
    """
    url = database.engine.url
    password = url.password or url.query.get("password")
    address = url.set(drivername="postgresql", password=None).difference_update_query(["password", "sslpassword"])
    return address.render_as_string(), {**os.environ, **({} if password is None else {"PGPASSWORD": str(password)})}


class _PatientPool(QueuePool):
    """Waits briefly for a connection in use before opening another one.

    A new connection costs PostgreSQL about 10 ms of processor time: a process that reads the catalogue of tables anew.
    The threads of a fleet sync all want one at the same moment, most of them for a statement of 2 ms.
    """

    def _do_get(self) -> ConnectionPoolEntry:
        if self.size() + self.overflow() >= _ENOUGH_CONNECTIONS:
            with suppress(Empty):
                return self._pool.get(block=True, timeout=_PATIENCE_SECONDS)
        return super()._do_get()


def _engine(url: URL) -> Engine:
    defaults: dict[str, Any] = {
        "connect_timeout": _CONNECT_SECONDS,
        "application_name": "provider_pipeline",
        # Behind a pooler, the next transaction may get another server connection, without our prepared statements.
        "prepare_threshold": None,
    }
    engine = create_engine(
        url,
        connect_args={name: value for name, value in defaults.items() if name not in url.query},
        # Sent with each BEGIN. Our statements lock rows, then read what others committed; a stricter default of the
        # database would turn that into serialization errors.
        isolation_level="READ COMMITTED",
        pool_pre_ping=True,
        # Otherwise each connection looks up hstore, an extension the catalogue does not use.
        use_native_hstore=False,
        poolclass=_PatientPool,
        # Enough for a fleet's readers and writers; overflow connections are opened and closed for each use.
        pool_size=12,
        max_overflow=25,
    )

    @event.listens_for(engine, "connect")
    def _show_times_in_utc(connection: Any, _record: Any) -> None:
        # The only session setting: PgBouncer carries a client's time zone from server to server.
        connection.autocommit = True
        connection.execute("SET TIME ZONE 'UTC'")
        connection.autocommit = False

    @event.listens_for(engine, "handle_error", retval=True)
    def _explain(context: ExceptionContext) -> BaseException | None:
        if context.is_pre_ping:
            return None
        return explained(
            context.original_exception, url, connecting=context.connection is None, lost=context.is_disconnect
        )

    return engine


def _revive_on_connect(engine: Engine, revive: Callable[[], None]) -> None:
    """Restarts a dead embedded server, or creates its database, when a connection is next needed and fails.

    A check whether there is anything to do would take another connection.
    """

    @event.listens_for(engine, "do_connect")
    def _connect(dialect: Dialect, _record: Any, arguments: Any, options: Any) -> Any:
        try:
            return dialect.connect(*arguments, **options)
        except psycopg.OperationalError:
            revive()
            return dialect.connect(*arguments, **options)


@contextmanager
def open_catalog(url: str | None = None, *, client_name: str = "Python") -> Iterator[Database]:
    """Connect to the catalogue for as long as the context lasts; arguments and errors as in `open_database`.

    Upgrades the schema on the embedded server; a database given by URL belongs to its operators and is only checked.

    Raises:
        MigrationMissingError: This code does not work with the schema it found.
    """
    with open_database(url, client_name=client_name) as database:
        if url or os.environ.get(URL_VARIABLE):
            check_schema(database.engine)
        else:
            upgrade(database.engine)
        yield database


def is_running() -> bool:
    """Whether the catalogue can be opened without starting the embedded server, which takes seconds."""
    return bool(os.environ.get(URL_VARIABLE)) or (home() / "postgres" / "postmaster.pid").is_file()


@contextmanager
def documented_errors(session: Session) -> Iterator[None]:
    """Raises documented errors in place of the driver's, for sessions on engines that `open_database` did not make."""
    try:
        yield
    except DBAPIError as error:
        known = explained(error.orig, session.get_bind().engine.url, lost=error.connection_invalidated)
        if known is None:
            raise
        raise known from error


def driver_connection(session: Session) -> psycopg.Connection[Any]:
    """The driver's connection of the session, for COPY."""
    connection = session.connection().connection.driver_connection
    if not isinstance(connection, psycopg.Connection):
        raise CatalogError("models are written through psycopg 3", hint="use a postgresql+psycopg:// URL")
    return connection
