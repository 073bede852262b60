"""`provider-pipeline tokens`: who may use the HTTP API."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated

import typer

from provider_pipeline import catalog
from provider_pipeline.cli.console import ByOption, JsonOption, draw, emit_json, note, say, table

app = typer.Typer(help="Who may use the HTTP API.", no_args_is_help=True)


class TokenScope(StrEnum):
    """What a token may be good for."""

    read = "read"
    sync = "sync"
    admin = "admin"


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What or who will use it.")],
    scope: Annotated[
        TokenScope,
        typer.Option(help="read; sync: also sync, generate rules, work on tasks; admin: also decide and configure."),
    ],
    expires: Annotated[
        int | None, typer.Option(min=1, max=36500, metavar="DAYS", help="Days until it expires; never when left out.")
    ] = None,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a token. It is shown this once, and stored nowhere."""
    end = None if expires is None else datetime.now(UTC) + timedelta(days=expires)
    with catalog.database.open_catalog() as database, database.session() as session:
        token = catalog.api_tokens.create(session, name, scope.value, expires_at=end, created_by_id=by)
        session.commit()
    if as_json:
        emit_json({"name": name, "scope": scope.value, "expires_at": end and end.isoformat(), "token": token})
    else:
        note(
            f"keep it well: it is not shown again. {name} may {scope.value}"
            + (f", until {end:%Y-%m-%d}" if end else "")
        )
        say(token)


@app.command("list")
def list_all(as_json: JsonOption = False) -> None:
    """List the tokens, revoked and expired ones too."""
    with catalog.database.open_catalog() as database, database.session() as session:
        found = catalog.api_tokens.list_tokens(session)
    if as_json:
        emit_json([asdict(each) for each in found])
        return
    now = datetime.now(UTC)
    draw(
        table(
            "tokens",
            ("id", "name", "scope", "state", "made", "by", "expires", "last used"),
            (
                (
                    each.id,
                    each.name,
                    each.scope,
                    _state(each, now),
                    f"{each.created_at:%Y-%m-%d}",
                    each.created_by_id,
                    f"{each.expires_at:%Y-%m-%d}" if each.expires_at else None,
                    f"{each.last_used_at:%Y-%m-%d %H:%M}" if each.last_used_at else None,
                )
                for each in found
            ),
            right=("id", "by"),
        )
    )


@app.command()
def revoke(name: str) -> None:
    """Stop accepting a token, at once."""
    with catalog.database.open_catalog() as database, database.session() as session:
        catalog.api_tokens.revoke(session, name)
        session.commit()
    say(f"{name}: revoked")


def _state(token: catalog.api_tokens.ApiToken, now: datetime) -> str:
    if token.revoked_at is not None:
        return "revoked"
    return "expired" if token.expires_at is not None and token.expires_at <= now else "in use"
