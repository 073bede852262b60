"""Agents for tests: the SDK's own client, connected to a process of the command, or to its server in this process."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, Tool

from provider_pipeline import ModelSyncer, RuleValidationError
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.mcp_server.answers import NOTICE
from provider_pipeline.mcp_server.stdio import server_for_operator
from provider_pipeline.sync.provider import attempt_sync
from provider_pipeline_tests.api.server import Running, running_command
from provider_pipeline_tests.fleet import Fleet

COMMAND = str(Path(sys.executable).with_name("provider-pipeline"))


@dataclass(frozen=True)
class Called:
    """What a call of a tool gave."""

    result: CallToolResult

    @property
    def text(self) -> str:
        """The text that a model reads."""
        (content,) = self.result.content
        return content.text

    @property
    def document(self) -> dict[str, Any]:
        """The whole structured result, which the text repeats."""
        assert not self.result.is_error, self.text
        assert json.loads(self.text) == self.result.structured_content
        assert self.result.structured_content["notice"] == NOTICE
        return self.result.structured_content

    @property
    def data(self) -> Any:
        """What the tool found."""
        return self.document["foreign_data"]

    @property
    def error(self) -> str:
        """The text of an error."""
        assert self.result.is_error, self.text
        return self.text


@dataclass(frozen=True)
class Agent:
    """An agent; each of its sessions connects anew."""

    connect: Callable[[AsyncExitStack, str], Awaitable[Client]]
    mode: str = field(default="auto")

    def do(self, work: Callable[[Client], Awaitable[Any]]) -> Any:
        """The result of some work with a connected client."""

        async def done() -> Any:
            async with AsyncExitStack() as stack:
                return await work(await self.connect(stack, self.mode))

        return asyncio.run(done())

    def calls(self, *calls: tuple[str, dict[str, Any]]) -> list[Called]:
        """Calls of tools in one session."""

        async def work(client: Client) -> list[Called]:
            return [Called(await client.call_tool(name, arguments)) for name, arguments in calls]

        return self.do(work)

    def __call__(self, tool: str, **arguments: Any) -> Called:
        """One call of a tool."""
        (called,) = self.calls((tool, arguments))
        return called

    def tools(self) -> dict[str, Tool]:
        """The tools that it sees, by name."""

        async def work(client: Client) -> list[Tool]:
            return (await client.list_tools()).tools

        return {each.name: each for each in self.do(work)}


def in_process(fleet: Fleet, *, with_tasks: bool = False) -> Agent:
    """An agent of the server that `provider-pipeline mcp` runs, without a process."""
    server = server_for_operator(fleet.database, with_tasks=with_tasks)

    async def connect(stack: AsyncExitStack, mode: str) -> Client:
        return await stack.enter_async_context(Client(server, mode=mode))

    return Agent(connect)


def at_stdio(fleet: Fleet, *options: str, mode: str = "auto") -> Agent:
    """An agent that starts `provider-pipeline mcp` itself."""
    environment = {"PROVIDER_PIPELINE_DATABASE_URL": fleet.database.url}
    return started_by_client(StdioServerParameters(command=COMMAND, args=["mcp", *options], env=environment), mode=mode)


def started_by_client(parameters: StdioServerParameters, *, mode: str = "auto") -> Agent:
    """An agent whose client starts this command."""

    async def connect(stack: AsyncExitStack, mode: str) -> Client:
        return await stack.enter_async_context(Client(stdio_client(parameters, sys.__stderr__), mode=mode))

    return Agent(connect, mode)


def at_http(url: str, token: str | None, *, mode: str = "auto") -> Agent:
    """An agent that calls a running server with a token."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}

    async def connect(stack: AsyncExitStack, mode: str) -> Client:
        http = await stack.enter_async_context(httpx2.AsyncClient(headers=headers, timeout=60))
        return await stack.enter_async_context(Client(streamable_http_client(url, http_client=http), mode=mode))

    return Agent(connect, mode)


@contextmanager
def serving(fleet: Fleet) -> Iterator[Running]:
    """Runs `provider-pipeline mcp --http` on a free port until the end of the block."""
    with running_command(fleet.database, "mcp", "--http", "--port", "0") as running:
        yield running


def sync(fleet: Fleet, slug: str) -> str:
    """Syncs a provider; how it ended."""
    with fleet.database.session() as session:
        return attempt_sync(session, slug, client=ListingClient()).status


def block(fleet: Fleet, document: object) -> None:
    """Syncs a listing of acme's that the rule does not fit, which opens a task."""
    fleet.serve("acme", document)
    with fleet.database.session() as session, pytest.raises(RuleValidationError):
        ModelSyncer(session).sync_provider_models("acme")


@pytest.fixture
def acme(fleet: Fleet) -> Fleet:
    """A provider that was synced."""
    fleet.add("acme")
    assert sync(fleet, "acme") == "synced"
    return fleet


@pytest.fixture
def agent(acme: Fleet) -> Agent:
    """An agent that may read a provider's table."""
    return in_process(acme)
