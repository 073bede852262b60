"""Translates PostgreSQL errors that are the database's fault into documented errors with a hint.

Errors of a statement or its values (SQLSTATE classes 22, 23, 42 and the like) are left to the code that sent it.
"""

from dataclasses import dataclass
from typing import Final

import psycopg
from sqlalchemy import URL, make_url

from provider_pipeline.errors import DatabaseFullError, DatabaseReadOnlyError, DatabaseUnavailableError

URL_VARIABLE: Final = "PROVIDER_PIPELINE_DATABASE_URL"

_SECRET_OPTIONS = ("password", "sslpassword")
_CHECK_THE_URL = f"check {URL_VARIABLE} and that the server runs"
_TRY_LATER = "try again later"


@dataclass(frozen=True)
class _Meaning:
    """The error a SQLSTATE becomes; `text` follows the database's URL."""

    text: str
    hint: str = _TRY_LATER
    kind: type[DatabaseUnavailableError] = DatabaseUnavailableError
    transient: bool = True


_NO_CONNECTION_LEFT = _Meaning(
    "has no connection left", "try again later, run fewer processes, or raise max_connections on the server"
)
_LIMIT = _Meaning(
    "took longer than its settings allow", "try again later, or raise the time limit of this role or database"
)

# SQLSTATE codes and their two-character classes (PostgreSQL, appendix "Error Codes"); a code wins over its class.
_MEANINGS: Final[dict[str, _Meaning]] = {
    "08": _Meaning("lost the connection", _CHECK_THE_URL),
    "25006": _Meaning(
        "takes no writes",
        f"it is read-only, as a standby is: wait for the failover to end, or point {URL_VARIABLE} at the primary",
        DatabaseReadOnlyError,
    ),
    "25P03": _LIMIT,
    "25P04": _LIMIT,
    "28": _Meaning("refuses this user", _CHECK_THE_URL, transient=False),
    "40": _Meaning("rolled this transaction back in favour of another one"),
    "42501": _Meaning("denies this role a right", "grant it, or connect as the owner of the tables", transient=False),
    "53": _Meaning("ran out of resources", "try again later; see the server's log"),
    "53100": _Meaning("has no space left on its disk", "make room there, then try again", DatabaseFullError),
    "53300": _NO_CONNECTION_LEFT,
    "55P03": _Meaning("did not get a lock in time"),
    "57": _Meaning("is being shut down or started", "try again when it runs"),
    "57014": _LIMIT,
    "58": _Meaning("had trouble with its files", "see the server's log", transient=False),
    "58030": _Meaning("could not read or write its disk", "see the server's log"),
    "XX": _Meaning("reports an internal error", "see the server's log", transient=False),
}

# A refused connection has no SQLSTATE, only the server's text.
_REFUSALS: Final = (
    (("too many clients", "too many connections", "connection slots are reserved"), _NO_CONNECTION_LEFT),
    (("is starting up", "is shutting down", "in recovery mode", "not yet accepting"), _MEANINGS["57"]),
)


def redacted(url: URL) -> str:
    """The URL without its secrets, for texts."""
    query = {name: "***" if name in _SECRET_OPTIONS else value for name, value in url.query.items()}
    return url.set(drivername="postgresql", query=query).render_as_string(hide_password=True)


def explained(
    error: BaseException | None, url: URL | str, *, connecting: bool = False, lost: bool = False
) -> DatabaseUnavailableError | None:
    """The documented error for a driver error, or None if the statement or its values are at fault.

    Args:
        url: The database; shown in the text without secrets.
        connecting: Whether it happened while connecting.
        lost: Whether it ended the connection.
    """
    where = make_url(url)
    meaning = None if lost else _meaning(error)
    if meaning is None and not (connecting or lost or _is_lost(error)):
        return None
    reason = _reason(error, where)
    if meaning is not None:
        return meaning.kind(
            f"the database {redacted(where)} {meaning.text}: {reason}", hint=meaning.hint, transient=meaning.transient
        )
    hint = _CHECK_THE_URL
    if "does not exist" in reason and "database" in reason:
        hint = "create the database, for example with createdb"
    elif "unsupported startup parameter" in reason:
        hint = (
            f"a connection pooler refuses it: take it out of {URL_VARIABLE} and use ALTER ROLE ... SET, or name it in "
            "the pooler's ignore_startup_parameters"
        )
    trouble = "no connection to" if connecting else "lost the connection to"
    return DatabaseUnavailableError(
        f"{trouble} {redacted(where)}: {reason}", hint=hint, transient="FATAL" not in reason
    )


def _meaning(error: BaseException | None) -> _Meaning | None:
    code = error.sqlstate if isinstance(error, psycopg.Error) else None
    if code:
        return _MEANINGS.get(code) or _MEANINGS.get(code[:2])
    text = str(error)
    return next((meaning for texts, meaning in _REFUSALS if any(each in text for each in texts)), None)


def _is_lost(error: BaseException | None) -> bool:
    return isinstance(error, psycopg.OperationalError) and not error.sqlstate


def _reason(error: BaseException | None, url: URL) -> str:
    """The server's message in one line, without secrets or a statement's values."""
    told = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    reason = " ".join((told or str(error)).split()).removeprefix("connection failed: ")
    for secret in (url.password, *(url.query.get(name) for name in _SECRET_OPTIONS)):
        if secret:
            reason = reason.replace(str(secret), "***")
    return reason
