"""`provider-pipeline mcp`: the table for agents, over the Model Context Protocol."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from provider_pipeline import catalog, mcp_server
from provider_pipeline.cli.console import note
from provider_pipeline.extras import require_extras


def serve(
    http: Annotated[bool, typer.Option("--http", help="Serve over HTTP at /mcp, with the tokens of the API.")] = False,
    host: Annotated[str | None, typer.Option(help="Address to listen on; default: 127.0.0.1.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port to listen on, 0 for any; default: 8401.")
    ] = None,
    allow_tasks: Annotated[
        bool, typer.Option("--allow-tasks", help="Let the agent at standard input answer RULE_GEN tasks too.")
    ] = False,
) -> None:
    """Serve agents over the Model Context Protocol: on standard input and output, or over HTTP."""
    require_extras("api", "mcp", purpose="the server for agents")
    if http and allow_tasks:
        raise typer.BadParameter("over HTTP, a token with the scope sync allows it", param_hint="--allow-tasks")
    if not http and (host is not None or port is not None):
        raise typer.BadParameter("they need --http", param_hint="--host and --port")
    with catalog.database.open_catalog(client_name="the MCP server") as database:
        if http:
            note("requests need a token: provider-pipeline tokens create NAME --scope read")
            mcp_server.http.serve(database, host=host or "127.0.0.1", port=8401 if port is None else port)
            return
        if sys.stdin.isatty():
            note("an agent's client is expected at standard input; see docs/mcp.md. Ctrl-D ends it")
        code = mcp_server.stdio.serve(database, with_tasks=allow_tasks)
    raise typer.Exit(code)
