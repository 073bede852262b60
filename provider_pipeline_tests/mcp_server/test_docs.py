"""The statements and examples of docs/mcp.md."""

import json
import re
from pathlib import Path

from mcp import StdioServerParameters

from provider_pipeline.mcp_server.answers import MAX_CHARACTERS
from provider_pipeline.mcp_server.http import MAX_BODY
from provider_pipeline.mcp_server.server import TOOLS
from provider_pipeline_tests.api.server import running_command
from provider_pipeline_tests.cli.conftest import CommandLine, run
from provider_pipeline_tests.fleet import Fleet
from provider_pipeline_tests.mcp_server.conftest import COMMAND, at_http, started_by_client

__all__ = ["run"]

PAGE = (Path(__file__).parents[2] / "docs" / "mcp.md").read_text(encoding="utf-8")
LOCAL, REMOTE = (
    json.loads(entry)["mcpServers"]["models"] for entry in re.findall(r"```json\n(.*?)```", PAGE, flags=re.DOTALL)
)
COMMANDS = [line.split() for line in re.findall(r"^provider-pipeline .*$", PAGE, flags=re.MULTILINE)]


def test_the_entry_of_a_local_agent_works(acme: Fleet):
    assert LOCAL["command"] == Path(COMMAND).name
    environment = {**LOCAL["env"], "PROVIDER_PIPELINE_DATABASE_URL": acme.database.url}
    agent = started_by_client(StdioServerParameters(command=COMMAND, args=LOCAL["args"], env=environment))
    assert agent("list_providers").data["providers"][0]["slug"] == "acme"


def test_the_commands_and_the_entry_of_an_agent_elsewhere_work(acme: Fleet, run: CommandLine):
    create, serve = COMMANDS
    token = run(*create[1:]).out.strip()
    assert serve[1:] == ["mcp", "--http"]
    with running_command(acme.database, *serve[1:], "--port", "0") as running:
        kind, _, value = REMOTE["headers"]["Authorization"].replace("TOKEN", token).partition(" ")
        assert kind == "Bearer"
        agent = at_http(REMOTE["url"].replace("http://127.0.0.1:8401", running.url), value)
        assert agent("list_providers").data["providers"][0]["slug"] == "acme"
    assert (REMOTE["type"], REMOTE["url"]) == ("http", "http://127.0.0.1:8401/mcp")


def test_every_tool_is_listed_with_its_scope():
    listed = re.findall(r"^\| `(\w+)` \| `(\w+)` \|", PAGE, flags=re.MULTILINE)
    assert listed == [(tool.name, tool.scope) for tool in TOOLS.values()]


def test_the_bounds_are_the_real_ones():
    assert f"about {MAX_CHARACTERS:,} characters" in PAGE
    assert f"A body may have {MAX_BODY // 2**20} MiB" in PAGE
