"""The README's commands, run as they stand there."""

import re
import shlex
from pathlib import Path

from provider_pipeline_tests.cli.conftest import CommandLine
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def test_the_commands_for_a_provider_of_ones_own_work_in_order(run: CommandLine, fleet: Fleet):
    fleet.server.expect_request("/v1/models", headers={"Authorization": "Bearer sk-demo"}).respond_with_json(
        listing(*CHAT_MODELS)
    )
    (block,) = [block for block in BLOCKS if "providers add" in block]
    # The test's server is on this machine, where no provider is asked without being told.
    here = f"--base-url {fleet.server.url_for('')} --allow-private"
    assert "--base-url https://api.openai.com" in block
    commands = block.replace("--base-url https://api.openai.com", here).splitlines()
    assert len(commands) == 5
    for command in commands:
        name, *arguments = shlex.split(command)
        assert name == "provider-pipeline"
        finished = run(*arguments, OPENAI_API_KEY="sk-demo")
        assert finished.code == 0, f"{command}: {finished.err}"
    assert "gpt-4o" in finished.out


def test_every_make_target_it_names_is_there():
    makefile = (Path(__file__).parents[2] / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"\bmake (\w+)", README))
    assert {"demo", "test", "dev"} <= named
    assert named <= set(re.findall(r"^(\w+):", makefile, flags=re.MULTILINE))


def test_every_file_it_links_to_is_there():
    for target in re.findall(r"\]\((?!http)([^)]+)\)", README):
        assert (Path(__file__).parents[2] / target).exists(), target
