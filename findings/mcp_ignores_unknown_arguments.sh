#!/usr/bin/env bash
# mcp 2.3.0, the official SDK of the Model Context Protocol: a tool of MCPServer takes arguments that it does not declare,
# and drops them without a word. An agent that misnames an optional filter gets the unfiltered answer as a success; only
# a missing required argument is an error, and to that text the name of the tool is put in front.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check mcp==2.3.0
"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
from importlib.metadata import version

from mcp import Client
from mcp.server import MCPServer

server = MCPServer("models")


@server.tool()
def search(words: str, capability: str | None = None) -> str:
    """Search models."""
    return f"words={words} capability={capability}"


async def main() -> None:
    async with Client(server) as client:
        (tool,) = (await client.list_tools()).tools
        print("mcp", version("mcp"), "additionalProperties:", tool.input_schema.get("additionalProperties", "not stated"))
        misnamed = await client.call_tool("search", {"words": "gpt", "capabilities": "vision"})
        print("misnamed filter:", misnamed.is_error, misnamed.content[0].text)
        missing = await client.call_tool("search", {"capability": "vision"})
        print("missing words:", missing.is_error, missing.content[0].text.splitlines()[0])
    assert "additionalProperties" not in tool.input_schema
    assert (misnamed.is_error, misnamed.content[0].text) == (False, "words=gpt capability=None")
    assert missing.is_error


asyncio.run(main())
PYTHON
