"""The component in projects of other teams, with Dagster's own commands."""

import os
import re
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster.components.resolved.errors import ResolutionException
from pydantic import ValidationError

from provider_pipeline.components import Exports, ProviderCatalog
from provider_pipeline.definitions import build_defs
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet

# Dagster reads YAML with it.
pytestmark = pytest.mark.filterwarnings("ignore:`parse_obj_as` is deprecated:DeprecationWarning")

BIN = Path(sys.executable).parent
PAGE = (Path(__file__).parents[1] / "docs" / "dagster-component.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.M | re.S)
(SCAFFOLD,), COMMANDS = [[shlex.split(line) for line in block.splitlines()] for kind, block in BLOCKS if not kind]
(EXAMPLE,) = [block for kind, block in BLOCKS if kind == "yaml"]

OWN = """
import dagster as dg


@dg.asset(deps=["provider_model", "catalog_export"])
def own_table() -> None: ...


defs = dg.Definitions(assets=[own_table], executor=dg.multiprocess_executor)
"""


class Project:
    """A Dagster project in a folder of its own; nothing of this checkout is in its environment but the packages."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.root = folder / "acme"
        self.environment = {
            "PATH": f"{BIN}{os.pathsep}{os.defpath}",
            "HOME": str(folder),
            "PYTHONPATH": str(self.root / "src"),  # as if the project were installed
            "DAGSTER_DG_UPDATE_CHECK_ENABLED": "0",
            "PROVIDER_PIPELINE_HOME": str(folder / "home"),
            **settings,
        }
        self._ended(["create-dagster", "project", str(self.root), "--no-uv-sync"], folder)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """A command in the project's folder."""
        return self._ended(list(command), self.root)

    def write(self, name: str, content: str) -> None:
        """Writes a file of the project's definitions."""
        path = self.root / "src" / "acme" / "defs" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)

    def _ended(self, command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [BIN / command[0], *command[1:]],
            cwd=folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=240,
            check=False,
        )


@pytest.mark.timeout(900)  # seven commands, each of which starts Dagster
def test_an_empty_project_with_our_defs_yaml_loads_and_syncs_with_the_commands_of_the_page(
    fleet: Fleet, tmp_path: Path
):
    fleet.add("acme")
    project = Project(tmp_path, PROVIDER_PIPELINE_DATABASE_URL=fleet.database.url)
    scaffolded = project.run(*SCAFFOLD)
    assert scaffolded.returncode == 0, scaffolded.stdout
    (defs_yaml,) = project.root.rglob("defs.yaml")
    assert yaml.safe_load(defs_yaml.read_text())["type"] == "provider_pipeline.components.ProviderCatalog"
    defs_yaml.write_text(EXAMPLE)
    project.write("own.py", OWN)
    said = {}
    for command in COMMANDS:
        ended = project.run(*command)
        assert ended.returncode == 0, f"{command}: {ended.stdout}"
        said[" ".join(command[:3])] = ended.stdout
    assert "All component YAML validated successfully" in said["dg check yaml"]
    assert "All definitions loaded successfully" in said["dg check defs"]
    assert "own_table" in said["dg list defs"]
    assert "5 * * * *" in said["dg list defs"]
    assert "change_digest" not in said["dg list defs"]
    assert set(fleet.rows("acme")) == set(CHAT_MODELS)


def test_a_wrong_attribute_fails_the_commands_with_its_place(tmp_path: Path):
    project = Project(tmp_path)
    project.write("models/defs.yaml", EXAMPLE.replace("csv", "cvs").replace("digest:", "digets:"))
    ended = project.run("dg", "check", "yaml")
    assert ended.returncode == 1
    assert re.search(r"models/defs\.yaml:11 .* attributes\.digets Additional properties are not allowed", ended.stdout)
    assert re.search(r"models/defs\.yaml:8 .* attributes\.exports", ended.stdout)
    project.write("models/defs.yaml", EXAMPLE.replace("5 * * * *", "hourly"))
    ended = project.run("dg", "check", "defs")
    assert ended.returncode == 1
    assert re.search(r"models/defs\.yaml:4 - attributes\.schedule", ended.stdout)
    assert "invalid cron schedule 'hourly'" in ended.stdout


def loaded(attributes: str) -> dg.Definitions:
    """The definitions of these attributes, as they are in a defs.yaml."""
    return ProviderCatalog.resolve_from_yaml(attributes).build_defs(dg.ComponentTree.for_test().load_context)


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ("schedule: often", r"schedule\n.*invalid cron schedule 'often'"),
        ("timezone: Europe/Nowhere", r"timezone\n.*Invalid execution timezone Europe/Nowhere"),
        ("concurrency: 0", r"concurrency\n.*greater than or equal to 1"),
        ("concurrency: many", r"concurrency\n.*valid integer"),
        ("shards: 0", r"shards\n.*expected 1 to 256 shards, got 0"),
        ("exports: {forms: [csv, odd]}", r"exports\.forms\n.*no form 'odd' \(there are litellm, "),
        ("exports: {forms: []}", r"exports.*at least 1 item"),
        ("owners: [me]", r"owners\n.*Invalid owner 'me'"),
        ("owners: []", r"owners.*at least 1 item"),
        ("digest: maybe", r"digest\n.*valid boolean"),
        ("digets: false", r"digets at .*Extra inputs are not permitted"),
        ("schedule: '{{ env.NO_SUCH_VARIABLE }}'", r"schedule\n.*valid string"),
    ],
)
def test_an_attribute_that_cannot_be_used_is_an_error_with_its_line_and_what_is_expected(attributes: str, said: str):
    with pytest.raises((ResolutionException, ValidationError)) as caught:
        loaded(f"# a comment\n{attributes}")
    assert re.search(said, str(caught.value), flags=re.DOTALL), caught.value
    assert "<string>:2" in str(caught.value)


def test_the_attributes_reach_the_definitions(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TEAM_CONCURRENCY", "12")
    defs = loaded(
        "schedule: 5 * * * *\ntimezone: Europe/Berlin\nconcurrency: '{{ env.TEAM_CONCURRENCY }}'\ndigest: false\n"
        "shards: 3\n"
        "exports: {forms: [csv], folder: /srv/exports}\nowners: ['team:gateway']"
    )
    (schedule,) = defs.schedules
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("5 * * * *", "Europe/Berlin")
    context = dg.build_schedule_context(instance, scheduled_execution_time=datetime.now(UTC))
    assert len(schedule.evaluate_tick(context).run_requests) == 3
    assert defs.resources["listings"].max_concurrency == 12
    settings = defs.resources["export_settings"]
    assert (settings.forms, settings.folder) == (["csv"], "/srv/exports")
    assert {tuple(spec.owners) for spec in defs.resolve_all_asset_specs()} == {("team:gateway",)}


@pytest.mark.usefixtures("instance")  # Dagster resolves definitions beside the last instance, which must be open
def test_without_attributes_the_definitions_are_those_of_build_defs():
    ours, theirs = build_defs(), loaded("")
    for kind in ("jobs", "schedules", "sensors"):
        assert {each.name for each in getattr(theirs, kind)} == {each.name for each in getattr(ours, kind)}
    assert theirs.resolve_asset_graph().get_all_asset_keys() == ours.resolve_asset_graph().get_all_asset_keys()
    for name, resource in ours.resources.items():
        assert theirs.resources[name].model_dump() == resource.model_dump()
    dg.Definitions.validate_loadable(theirs)


def test_the_page_names_every_attribute_and_its_default():
    table = dict(re.findall(r"^\| `(\w+)` \| .* \| (.+) \|$", PAGE, re.M))
    fields = ProviderCatalog.model_fields
    assert set(table) == set(fields) == set(yaml.safe_load(EXAMPLE)["attributes"])
    for name in ("schedule", "timezone", "concurrency", "digest"):
        assert yaml.safe_load(table[name].strip("`")) == fields[name].default
    assert re.findall(r"`([\w-]+)`", table["exports"].partition("into")[0]) == Exports().forms
    assert table["owners"] == "`team:data-platform`"
