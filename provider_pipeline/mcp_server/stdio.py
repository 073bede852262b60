"""Serves one agent over standard input and output: the operator's own, so without a token."""

import os
import signal
from typing import Any, Final, cast

import anyio
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

from provider_pipeline import catalog
from provider_pipeline.api.access import Caller, Service
from provider_pipeline.api.settings import ApiSettings
from provider_pipeline.mcp_server.lines import read_lines
from provider_pipeline.mcp_server.server import create_server

_ENDING: Final = (signal.SIGINT, signal.SIGTERM)


def serve(database: catalog.database.Database, *, with_tasks: bool) -> int:
    """Serves until the input ends or the process is told to end; returns the exit code.

    Args:
        with_tasks: Whether the agent may answer RULE_GEN tasks.
    """
    return anyio.run(_serve, server_for_operator(database, with_tasks=with_tasks))


def server_for_operator(database: catalog.database.Database, *, with_tasks: bool) -> Server[Any]:
    """The server whose only caller is the operator's own agent."""
    caller = Caller(None, "standard input", "sync" if with_tasks else "read")
    return create_server(
        Service(database, ApiSettings()),
        lambda _context: caller,
        scope_hint="start it as: provider-pipeline mcp --allow-tasks",
    )


async def _serve(server: Server[Any]) -> int:
    # Processes that a call starts must not read what the agent sends.
    wire = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    code = 0
    async with anyio.create_task_group() as group:

        async def end_when_told() -> None:
            nonlocal code
            with anyio.open_signal_receiver(*_ENDING) as signals:
                async for number in signals:
                    code = 128 + number
                    break
            group.cancel_scope.cancel()

        group.start_soon(end_when_told)
        lines = cast("anyio.AsyncFile[str]", read_lines(wire, max_bytes=ApiSettings.most_bytes))
        async with stdio_server(stdin=lines) as (received, sent):
            await server.run(received, sent, server.create_initialization_options())
        group.cancel_scope.cancel()
    return code
