"""`provider-pipeline api` and `tokens`: the HTTP API in the foreground, and who may use it."""

from __future__ import annotations

import os
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

import typer

from provider_pipeline import api, catalog
from provider_pipeline.cli.console import draw_list, emit_json, iso, note, say, table
from provider_pipeline.cli.parameters import ByOption, JsonOption
from provider_pipeline.extras import require_extras

tokens_app = typer.Typer(help="Create, list and revoke tokens for the HTTP API.", no_args_is_help=True)


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for any.")] = 8400,
    no_auth: Annotated[bool, typer.Option("--no-auth", help="Ask for no token; only on a loopback address.")] = False,
    public_listing: Annotated[
        bool,
        typer.Option(
            "--public-listing", help="Ask for no token for /v1/models and /exports: prices and limits are public then."
        ),
    ] = False,
    requests_per_second: Annotated[
        float, typer.Option(min=0.01, help="Sustained rate of requests for each token.")
    ] = api.settings.ApiSettings.requests_per_second,
    max_megabytes: Annotated[int, typer.Option(min=1, help="Largest sample or rule in a request, in MiB.")] = (
        api.settings.ApiSettings.most_bytes // 2**20
    ),
    syncs_at_once: Annotated[
        int,
        typer.Option(
            min=1, max=api.settings.MAX_SYNCS_AT_ONCE, help="How many syncs may run at once; more are refused."
        ),
    ] = api.settings.ApiSettings.syncs_at_once,
) -> None:
    """Serve the HTTP API; it documents itself at /docs."""
    require_extras("api", purpose="the HTTP API")
    if no_auth and not api.limits.is_loopback(host):
        raise typer.BadParameter(f"{host} is not a loopback address: without tokens, anyone could change everything")
    settings = api.settings.ApiSettings(
        needs_token=not no_auth,
        public_listing=public_listing,
        dagster_url=os.environ.get(api.settings.DAGSTER_URL_VARIABLE) or None,
        most_bytes=max_megabytes * 2**20,
        requests_per_second=requests_per_second,
        syncs_at_once=syncs_at_once,
    )
    with catalog.database.open_catalog(client_name="the API") as database:
        if not no_auth:
            note("requests need a token: provider-pipeline tokens create NAME --scope read")
        api.serving.serve(database, settings, host=host, port=port)


@tokens_app.command()
def create(
    name: Annotated[str, typer.Argument(help="What or who will use it.")],
    scope: Annotated[
        Literal["read", "sync", "admin"],
        typer.Option(help="read; sync: also sync, generate rules, work on tasks; admin: also decide and configure."),
    ],
    expires: Annotated[
        int | None, typer.Option(min=1, max=36500, metavar="DAYS", help="Days until it expires; default: never.")
    ] = None,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create a token. It is shown only now, and not stored."""
    end = None if expires is None else datetime.now(UTC) + timedelta(days=expires)
    with catalog.database.open_catalog() as database, database.session() as session:
        token = catalog.api_tokens.create(session, name, scope, expires_at=end, created_by_id=by)
        session.commit()
    if as_json:
        emit_json({"name": name, "scope": scope, "expires_at": end, "token": token})
    else:
        until = f", until {iso(end)}" if end else ""
        note(f"keep it safe: it is not shown again. {name} may {scope}{until}")
        say(token)


@tokens_app.command("list")
def list_all(as_json: JsonOption = False) -> None:
    """List the tokens, including revoked and expired ones."""
    with catalog.database.open_catalog() as database, database.session() as session:
        found = catalog.api_tokens.list_tokens(session)
    if as_json:
        emit_json([asdict(each) for each in found])
        return
    now = datetime.now(UTC)
    columns = ("id", "name", "scope", "state", "made", "by", "expires", "last used")
    rows = (
        (
            *(each.id, each.name, each.scope, _state(each, now), iso(each.created_at), each.created_by_id),
            iso(each.expires_at),
            iso(each.last_used_at),
        )
        for each in found
    )
    drawn = table("tokens", columns, rows, right=("id", "by"))
    draw_list(drawn, empty="there are no tokens yet; next: provider-pipeline tokens create NAME")


@tokens_app.command()
def revoke(name: Annotated[str, typer.Argument(help="The token's name, as `tokens list` shows it.")]) -> None:
    """Stop accepting a token, at once."""
    with catalog.database.open_catalog() as database, database.session() as session:
        catalog.api_tokens.revoke(session, name)
        session.commit()
    say(f"{name}: revoked")


def _state(token: catalog.api_tokens.ApiToken, now: datetime) -> str:
    if token.revoked_at is not None:
        return "revoked"
    return "expired" if token.expires_at is not None and token.expires_at <= now else "in use"
