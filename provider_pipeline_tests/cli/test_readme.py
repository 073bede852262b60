"""The README's commands, run as written."""

import re
import shlex
from pathlib import Path

from provider_pipeline import catalog
from provider_pipeline.presets.library import presets
from provider_pipeline_tests.cli.conftest import CommandLine
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def commands_with(text: str) -> list[list[str]]:
    """The arguments of each command of the one block that has this text."""
    (block,) = [block for block in BLOCKS if text in block]
    commands = [shlex.split(line) for line in block.splitlines()]
    assert {name for name, *_ in commands} == {"provider-pipeline"}
    return [arguments for _, *arguments in commands]


def test_the_commands_for_a_preset_work_in_order(run: CommandLine, fleet: Fleet):
    fleet.server.expect_request("/v1/models", headers={"Authorization": "Bearer sk-demo"}).respond_with_json(
        listing(*CHAT_MODELS)
    )
    first, *others = commands_with("providers add openai")
    assert run(*first, OPENAI_API_KEY="sk-demo").code == 0
    with fleet.database.session() as session:
        # The test's server is on this machine.
        openai = catalog.providers.get(session, "openai")
        catalog.providers.add(
            session,
            slug="openai",
            name=openai.name,
            base_url=fleet.server.url_for("").rstrip("/"),
            auth_config=openai.auth_config,
            request_config={"allow_private": True},
        )
        session.commit()
    assert len(others) == 4
    for command in others:
        finished = run(*command, OPENAI_API_KEY="sk-demo")
        assert finished.code == 0, f"{command}: {finished.err}"
    assert "gpt-4o" in finished.out


def test_the_commands_for_an_unknown_gateway_work_in_order(run: CommandLine, fleet: Fleet):
    key = {"Authorization": "Bearer sk-demo"}
    fleet.server.expect_request("/v1/models", headers=key).respond_with_json(listing(*CHAT_MODELS))
    detect, sync = commands_with("providers detect")
    assert "https://llm.acme.example" in detect
    here = [fleet.server.url_for("") if each == "https://llm.acme.example" else each for each in detect]
    # The name of this machine is not the provider's.
    assert run(*here, "--allow-private", "--as", "acme", ACME_API_KEY="sk-demo").code == 0
    assert run(*sync, ACME_API_KEY="sk-demo").code == 0


def test_the_commands_for_a_teams_folder_work_in_order(run: CommandLine, fleet: Fleet, tmp_path: Path):
    fleet.add("acme")
    file = f"slug: acme\nname: Acme\nbase_url: {fleet.server.url_for('/acme')}\nrequest: {{allow_private: true}}\n"
    (tmp_path / "acme.yaml").write_text(file + "endpoints: [{path: /v1/models}]\n")
    (name, verb, folder, *options), check = commands_with("providers apply")
    assert (name, verb, folder) == ("providers", "apply", "providers")
    assert run(name, verb, str(tmp_path), *options).code == 0
    checked = run(*check)
    assert checked.code == 0, checked.err


def test_the_commands_that_connect_work_in_order(run: CommandLine, acme: Fleet):
    try:
        for command in commands_with("db grant-read"):
            finished = run.process(*command)
            assert finished.code == 0, f"{command}: {finished.err}"
        assert "acme" in finished.out
    finally:
        with acme.database.engine.begin() as connection:
            connection.exec_driver_sql("DROP OWNED BY analyst")
            connection.exec_driver_sql("DROP ROLE analyst")


def test_it_counts_the_presets_right():
    assert f"lists the {len(presets())} there are" in README


def test_every_make_target_it_names_is_there():
    makefile = (Path(__file__).parents[2] / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"\bmake ([a-z][a-z-]*)", README))
    assert {"demo", "demo-ui", "test", "dev"} <= named
    assert named <= set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))


def test_every_file_it_links_to_is_there():
    for target in re.findall(r"\]\((?!http)([^)]+)\)", README):
        assert (Path(__file__).parents[2] / target).exists(), target
