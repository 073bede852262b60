"""Tokens of the HTTP API and its audit log: `api_token` and `api_audit`.

A token has 256 random bits, so a plain SHA-256 suffices: it cannot be guessed, and the time of a lookup by digest
reveals nothing about the token.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, get_args

from sqlalchemy import func, insert, or_, select, update
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.orm import Session

from provider_pipeline.catalog.tables import api_audit, api_token
from provider_pipeline.errors import CatalogError, DatabaseReadOnlyError

Scope = Literal["read", "sync", "admin"]

SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
"""What a token allows; each scope includes those before it."""

_PREFIX: Final = "pp_"  # lets people and secret scanners recognise it
_RANDOM_BYTES: Final = 32
_USE_NOTED_EVERY: Final = timedelta(minutes=1)


@dataclass(frozen=True)
class ApiToken:
    """A token as stored; see the comments on the table for what each column means."""

    id: int
    name: str
    scope: Scope
    created_at: datetime
    created_by_id: int | None
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


def create(
    session: Session,
    name: str,
    scope: Scope,
    *,
    expires_at: datetime | None = None,
    created_by_id: int | None = None,
) -> str:
    """Makes a token and returns it. Only its digest is stored, so it cannot be shown again.

    Raises:
        CatalogError: The name is in use, empty or too long.
    """
    token = _PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    adding = insert(api_token).values(
        name=name, sha256=token_digest(token), scope=scope, expires_at=expires_at, created_by_id=created_by_id
    )
    try:
        with session.begin_nested():
            session.execute(adding)
    except (IntegrityError, DataError) as error:
        taken = "one_of_a_name" in str(error)
        raise CatalogError(
            f"a token {name!r} is in use already" if taken else f"a token cannot be called {name!r}",
            hint="revoke it first, or take another name" if taken else "a name has 1 to 100 characters",
        ) from error
    return token


def token_digest(token: str) -> bytes:
    """The digest a token is stored and found by."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def find(session: Session, digest: bytes, *, now: datetime) -> ApiToken | None:
    """The valid token with this digest, if any. Records and commits its use at most once a minute."""
    row = session.execute(select(api_token.c.sha256, *_COLUMNS).where(api_token.c.sha256 == digest)).one_or_none()
    if row is None or not hmac.compare_digest(bytes(row.sha256), digest):
        return None
    found = _token(row)
    if found.revoked_at is not None or (found.expires_at is not None and found.expires_at <= now):
        return None
    if found.last_used_at is None or found.last_used_at <= now - _USE_NOTED_EVERY:
        used = api_token.c.last_used_at
        noting = (
            update(api_token)
            .where(api_token.c.id == found.id, or_(used.is_(None), used <= now - _USE_NOTED_EVERY))
            .values(last_used_at=now)
        )
        try:
            session.execute(noting)
            session.commit()
        except DatabaseReadOnlyError:  # a standby can still be read
            session.rollback()
    return found


def list_tokens(session: Session) -> list[ApiToken]:
    """All tokens, revoked ones too, oldest first."""
    return [_token(row) for row in session.execute(select(*_COLUMNS).order_by(api_token.c.id))]


def revoke(session: Session, name: str) -> None:
    """Revokes the token of this name.

    Raises:
        CatalogError: No such token is in use.
    """
    revoked = session.scalar(
        update(api_token)
        .where(api_token.c.name == name, api_token.c.revoked_at.is_(None))
        .values(revoked_at=func.now())
        .returning(api_token.c.id)
    )
    if revoked is None:
        raise CatalogError(f"no token {name!r} is in use", hint="see provider-pipeline tokens list")


def record_request(session: Session, *, token_id: int | None, method: str, path: str, status: int) -> None:
    """Adds a request that could change something to the audit log."""
    session.execute(insert(api_audit).values(token_id=token_id, method=method, path=path, status=status))


_COLUMNS = [api_token.c[name] for name in ApiToken.__dataclass_fields__]


def _token(row: object) -> ApiToken:
    return ApiToken(**{name: getattr(row, name) for name in ApiToken.__dataclass_fields__})
