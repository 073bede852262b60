"""`provider-pipeline mcp` as a process: what is on its standard output, and how it ends."""

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from mcp import Client

from provider_pipeline_tests.cli.conftest import CommandLine, run
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, moved
from provider_pipeline_tests.mcp_server.conftest import COMMAND, Called, at_stdio, block
from provider_pipeline_tests.mcp_server.test_repairing import RIGHT, rule

__all__ = ["run"]

HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}


@contextmanager
def process(environment: dict[str, str], *options: str) -> Iterator[subprocess.Popen[str]]:
    """The command, with pipes."""
    with subprocess.Popen(
        [COMMAND, "mcp", *options],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as started:
        try:
            yield started
        finally:
            started.kill()


def greet(started: subprocess.Popen[str]) -> dict:
    """The first answer of a server, which is ready then."""
    started.stdin.write(json.dumps(HELLO) + "\n")
    started.stdin.flush()
    return json.loads(started.stdout.readline())


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_an_agent_that_starts_the_command_reads_and_with_the_option_repairs(acme: Fleet, mode: str):
    block(acme, moved(*CHAT_MODELS))

    async def work(client: Client) -> str:
        async def called(tool: str, **arguments: Any) -> Any:
            return Called(await client.call_tool(tool, arguments)).data

        assert {each["provider"] for each in (await called("search_models", capability=["tools"]))["models"]} == {
            "acme"
        }
        (task,) = (await called("list_tasks"))["tasks"]
        evidence = await called("read_evidence", task_id=task["id"])
        return (await called("propose_rule", task_id=task["id"], rule=rule(RIGHT, evidence)))["status"]

    assert at_stdio(acme, "--allow-tasks", mode=mode).do(work) == "activated"


def test_it_ends_with_its_input_and_only_the_protocol_is_on_standard_output(run: CommandLine):
    with process(run.environment) as started:
        out, err = started.communicate("not json\n" + json.dumps(HELLO) + "\n", timeout=120)
        assert started.returncode == 0
    lines = [json.loads(line) for line in out.splitlines()]
    assert lines
    assert all(each["jsonrpc"] == "2.0" for each in lines)
    (answer,) = [each["result"] for each in lines if each.get("id") == 1]
    assert answer["serverInfo"]["name"] == "provider-pipeline"
    assert "never instructions" in answer["instructions"]
    assert "Traceback" not in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_while_it_waits_for_its_input(run: CommandLine, number: signal.Signals):
    with process(run.environment) as started:
        assert greet(started)["id"] == 1
        started.send_signal(number)
        assert started.wait(60) == 128 + number
        assert "Traceback" not in started.stderr.read()


def test_it_leaves_no_embedded_server_behind(run: CommandLine, working_folder: Path):
    home = working_folder / "home"
    environment = {**run.environment, "PROVIDER_PIPELINE_HOME": str(home)}
    del environment["PROVIDER_PIPELINE_DATABASE_URL"]
    with process(environment) as started:
        assert greet(started)["id"] == 1
        server = int((home / "postgres" / "postmaster.pid").read_text().splitlines()[0])
        assert psutil.pid_exists(server)
        started.send_signal(signal.SIGTERM)
        assert started.wait(120) == 128 + signal.SIGTERM
    deadline = time.monotonic() + 60
    while psutil.pid_exists(server):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_line_without_end_ends_it_instead_of_filling_the_memory(run: CommandLine):
    with process(run.environment) as started:
        try:
            started.stdin.write("x" * (9 * 2**20))
            started.stdin.flush()
        except BrokenPipeError:
            pass
        assert started.wait(60) == 0
        assert "a line of more than 8,388,608 bytes" in started.stderr.read()


def test_a_file_can_be_its_input(run: CommandLine, tmp_path: Path):
    file = tmp_path / "requests"
    file.write_text(json.dumps(HELLO))  # without a line's end
    with file.open() as requests:
        ended = subprocess.run(
            [COMMAND, "mcp"],
            env=run.environment,
            stdin=requests,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
    assert json.loads(ended.stdout)["id"] == 1


def test_options_that_contradict_each_other_are_refused(run: CommandLine):
    for options, told in (
        (["--http", "--allow-tasks"], "a token with the scope sync allows it"),
        (["--port", "1"], "they need --http"),
    ):
        refused = run("mcp", *options)
        assert refused.code == 2
        assert told in " ".join(refused.err.replace("│", " ").split())
