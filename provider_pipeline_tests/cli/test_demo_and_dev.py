"""The README's commands, from a clean clone and an installed wheel: real installs, processes, daemon and UI."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import psutil
import pytest
from pytest_httpserver import HTTPServer

from provider_pipeline.catalog.embedded import EmbeddedPostgres
from provider_pipeline_tests.database_contents import contents
from provider_pipeline_tests.dev_stack import (
    LAUNCH,
    LOCATIONS,
    away_from_the_hour,
    dev,
    environment,
    eventually,
    finished_runs,
    free_port,
    graphql,
    partitions_of,
    processes_of,
    stop_schedule,
)
from provider_pipeline_tests.fleet import CHAT_MODELS, listing
from provider_pipeline_tests.locked import ROOT, entries, needed_by, requirement

CORE = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
BROKEN = {"http_500", "shape_changed"}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh checkout: no ignored files, but with what is not committed yet."""
    folder = tmp_path_factory.mktemp("clone") / "provider_pipeline"
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
    for command in (["git", "init", "-q"], ["git", "add", "-A"]):
        subprocess.run(command, cwd=folder, check=True)
    commit = ["git", "-c", "user.name=t", "-c", "user.email=t@example.invalid", "commit", "-q", "-m", "clone"]
    subprocess.run(commit, cwd=folder, check=True)
    return folder


@pytest.fixture(scope="module")
def wheel_environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with this package's wheel and the locked core dependencies, without any extra."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, ROOT]
    subprocess.run(build, check=True, capture_output=True, timeout=600)
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True, timeout=600)
    core = needed_by(CORE)
    (folder / "core.lock").write_text(
        "\n".join(each for each in entries("requirements.lock") if requirement(each).name in core)
    )
    install(folder / "venv", "--require-hashes", "-r", folder / "core.lock")
    install(folder / "venv", *folder.glob("*.whl"))
    return folder / "venv"


def install(venv: Path, *what: str | Path) -> None:
    """Installs into a virtual environment, without compiling what no test imports."""
    command = [venv / "bin" / "python", "-m", "pip", "install", "-q", "--no-deps", "--no-compile", *what]
    subprocess.run(command, check=True, capture_output=True, timeout=600)


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a make target to its end."""
    return subprocess.run(
        ["make", *arguments], cwd=folder, env=environment(), capture_output=True, text=True, timeout=600, check=False
    )


def untracked(folder: Path) -> str:
    """Changed and untracked files, as git reports them."""
    return subprocess.run(
        ["git", "status", "--porcelain"], cwd=folder, capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.timeout(900)  # real installations
def test_the_core_works_without_extras_and_commands_name_the_extra_they_need(
    wheel_environment: Path, tmp_path: Path, database_url: str
):
    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [wheel_environment / "bin" / arguments[0], *arguments[1:]]
        return subprocess.run(
            command,
            cwd=tmp_path,
            env=environment(**variables),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    assert list(wheel_environment.glob("lib/*/site-packages/provider_pipeline/py.typed"))
    assert re.fullmatch(r"provider-pipeline \d+\.\d+\.\d+\n", run("provider-pipeline", "--version").stdout)
    loaded = run(
        "python", "-c", "import provider_pipeline.definitions as d, provider_pipeline as p; p.ModelSyncer; d.defs"
    )
    assert loaded.returncode == 0, loaded.stderr
    absent = "from provider_pipeline.extras import EXTRAS, _is_installed as there\n"
    absent += "print(*(module for modules in EXTRAS.values() for module in modules if there(module)))"
    assert run("python", "-c", absent).stdout == "jinja2\n"  # Dagster brings it

    for command, extras in {
        "api": "api",
        "demo": "embedded,ui",
        "dev --port 0": "embedded,ui",
        "tasks": "embedded",
    }.items():
        refused = run("provider-pipeline", *command.split())
        assert refused.returncode == 1, command
        assert f'run: pip install "provider-pipeline[{extras}]"' in refused.stderr
        assert "Traceback" not in refused.stderr

    catalogue = {"PROVIDER_PIPELINE_DATABASE_URL": database_url, "KEY": "k" * 20, "ID": "i" * 20}
    aws = {"type": "aws_sigv4", "service": "bedrock", "region": "us-east-1"}
    aws |= {"access_key_id": {"env": "ID"}, "secret_access_key": {"env": "KEY"}}
    google = {"type": "google_service_account", "env": "GOOGLE_KEY", "scopes": ["models"]}
    for slug, auth in {"aws": aws, "google": google}.items():
        add = ("providers", "add", slug, "--base-url", "https://api.example.invalid", "--auth", json.dumps(auth))
        assert run("provider-pipeline", *add, **catalogue).returncode == 0
        refused = run("provider-pipeline", "rules", "generate", slug, GOOGLE_KEY="{}", **catalogue)
        assert refused.returncode == 1
        assert f'run: pip install "provider-pipeline[{slug}]"' in refused.stderr


@pytest.mark.timeout(900)  # real installations
def test_the_demo_runs_from_a_clean_clone_and_again_from_a_wheel_writing_nothing(
    clone: Path, wheel_environment: Path, tmp_path: Path
):
    first = make(clone, "demo")
    assert first.returncode == 0, first.stdout + first.stderr
    for printed in ("sync_all_providers_job", "RULE_GEN tasks", "make demo-ui", "broken on purpose"):
        assert printed in first.stdout
    assert not (clone / ".venv" / "bin" / "pytest").exists()

    install(wheel_environment, "--require-hashes", "-r", ROOT / "requirements.lock")
    command = [wheel_environment / "bin" / "provider-pipeline", "demo", "--json"]
    variables = environment(PROVIDER_PIPELINE_HOME=str(clone / ".home"))
    second = subprocess.run(
        command, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=600, check=False
    )
    assert second.returncode == 0, second.stdout + second.stderr
    assert list(tmp_path.iterdir()) == []
    result = json.loads(second.stdout)
    providers = result["providers"]
    assert len(providers) >= 12
    synced = [each for each in providers if each["status"] == "synced"]
    assert len(synced) == len(providers) - len(BROKEN)
    assert all(each["unchanged"] == each["models"] > 0 for each in synced)
    assert sum(each[kind] for each in providers for kind in ("created", "updated", "missing", "removed")) == 0
    assert [task["status"] for task in result["tasks"]] == ["PENDING"]
    assert result["tasks"][0]["config"]["raw_response_id"]

    assert untracked(clone) == ""
    assert processes_of(clone) == []


BACKFILL = """mutation($backfill: LaunchBackfillParams!) {
    launchPartitionBackfill(backfillParams: $backfill) {__typename ... on LaunchBackfillSuccess {backfillId}}
}"""
BACKFILLS = "{partitionBackfillsOrError {... on PartitionBackfills {results {status numPartitions}}}}"
ASSETS = [{"path": [name]} for name in ("raw_models_response", "validated_extraction", "provider_model")]


@pytest.mark.timeout(900)  # a whole stack, perhaps on a busy machine
def test_dev_from_a_wheel_repairs_the_changed_provider_takes_launches_and_ends_every_child(
    clone: Path, wheel_environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    install(wheel_environment, "--require-hashes", "-r", ROOT / "requirements.lock")
    if not (clone / ".venv").exists():
        assert make(clone, "demo").returncode == 0
    port = free_port()
    log = tmp_path / "dev.log"
    command = [wheel_environment / "bin" / "provider-pipeline", "dev", "--demo", "--port", str(port)]
    monkeypatch.chdir(tmp_path)  # not a checkout
    away_from_the_hour()
    with dev(command, home=clone, log=log, PROVIDER_PIPELINE_HOME=str(clone / ".home")) as process:
        (entry,) = eventually(lambda: graphql(port, LOCATIONS)["workspaceOrError"]["locationEntries"])
        assert entry["name"] == "provider_pipeline"
        assert entry["locationOrLoadError"]["__typename"] == "RepositoryLocation"
        eventually(lambda: stop_schedule(port, "hourly_sync_schedule"))  # its run would hold what is launched below
        assert eventually(lambda: finished_runs(port, "regenerate_provider_rules_job")) == ["SUCCESS"], log.read_text()

        selector = {
            "repositoryName": "__repository__",
            "repositoryLocationName": "provider_pipeline",
            "pipelineName": "__ASSET_JOB",
            "assetSelection": ASSETS,
        }
        tags = [{"key": "dagster/partition", "value": "openai"}]
        run = {"selector": selector, "mode": "default", "executionMetadata": {"tags": tags}}
        assert graphql(port, LAUNCH, run=run)["launchPipelineExecution"]["__typename"] == "LaunchRunSuccess"
        assert eventually(lambda: finished_runs(port, "__ASSET_JOB")) == ["SUCCESS"], log.read_text()

        backfill = {"assetSelection": ASSETS, "partitionNames": ["anthropic", "azure", "bedrock"]}
        launched = graphql(port, BACKFILL, backfill=backfill)["launchPartitionBackfill"]
        assert launched["__typename"] == "LaunchBackfillSuccess"
        backfills = eventually(
            lambda: [
                each
                for each in graphql(port, BACKFILLS)["partitionBackfillsOrError"]["results"]
                if each["status"].startswith(("COMPLETED", "FAILED"))
            ]
        )
        assert backfills == [{"status": "COMPLETED_SUCCESS", "numPartitions": 3}], log.read_text()
        assert finished_runs(port, "__ASSET_JOB") == ["SUCCESS", "SUCCESS"]

        taken = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert (taken.returncode, "--port" in taken.stderr) == (1, True)
        (holder,) = re.findall(r"Address already in use, by process (\d+): .*dagster", taken.stderr)
        assert psutil.Process(int(holder)).environ()["DAGSTER_HOME"] == str(clone / ".home" / "demo" / "dagster")

        process.send_signal(signal.SIGINT)
        assert process.wait(90) == 0, log.read_text()
    eventually(lambda: not processes_of(clone), seconds=20)
    assert untracked(clone) == ""
    assert "PreviewWarning" not in log.read_text()
    assert "Checking for new runs for sensor" not in log.read_text()

    repaired = make(clone, "demo", "ARGS=--json")
    assert repaired.returncode == 0, repaired.stdout + repaired.stderr
    assert [each["provider"] for each in json.loads(repaired.stdout)["providers"] if each["status"] != "synced"] == [
        "sambanova"
    ]


YOURS = ("provider", "provider_metadata", "rule_version", "provider_model", "provider_model_change")
"""Tables that stay the same when a sync finds nothing new or a provider is down."""
KEY = "sk-yours-0123456789abcdef"


def yours(clone: Path, *tables: str) -> dict[str, list[str]]:
    """Every row of the user's own catalogue."""
    with EmbeddedPostgres(clone / ".home") as server:
        return contents(server.url("provider_pipeline"), *tables)


@pytest.mark.timeout(900)
def test_demo_and_dev_leave_your_providers_alone_and_dev_survives_its_database_and_leaves_no_child(
    clone: Path, tmp_path: Path, httpserver: HTTPServer
):
    if not (clone / ".home" / "demo").exists():
        assert make(clone, "demo").returncode == 0
    program = clone / ".venv" / "bin" / "provider-pipeline"

    def run(*arguments: str) -> str:
        variables = environment(OPENAI_API_KEY=KEY, PROVIDER_PIPELINE_EMBEDDED_IDLE_SECONDS="0")
        return subprocess.run(
            [program, *arguments], env=variables, capture_output=True, text=True, timeout=120, check=True
        ).stdout

    httpserver.expect_request("/v1/models", headers={"Authorization": f"Bearer {KEY}"}).respond_with_json(
        listing(*CHAT_MODELS)
    )
    here = httpserver.url_for("").rstrip("/")
    run("providers", "add", "openai", "--base-url", here, "--key-env", "OPENAI_API_KEY", "--allow-private")
    run("rules", "generate", "openai")
    run("sync", "openai")
    run("providers", "add", "ollama", "--base-url", "http://127.0.0.1:11434", "--allow-private")
    listed = json.loads(run("providers", "list", "--json"))
    assert [(each["slug"], each["sample"], each["active_models"]) for each in listed] == [
        ("ollama", False, 0),
        ("openai", False, 5),
    ]
    before = yours(clone)
    assert len(before["public.provider_model"]) == 5

    again = make(clone, "demo", "ARGS=--json")
    assert again.returncode == 0, again.stdout + again.stderr
    assert {each["sample"] for each in json.loads(again.stdout)["providers"]} == {True}
    assert yours(clone) == before

    rows, port, log = yours(clone, *YOURS), free_port(), tmp_path / "dev.log"
    with dev([program, "dev", "--port", str(port)], home=clone, log=log, OPENAI_API_KEY=KEY) as process:
        assert eventually(lambda: partitions_of(port) == ["ollama", "openai"]), log.read_text()
        assert yours(clone, *YOURS) == rows

        postmaster = clone / ".home" / "postgres" / "postmaster.pid"
        killed = postmaster.read_text().split()[0]
        os.kill(int(killed), signal.SIGKILL)
        eventually(lambda: postmaster.read_text().split()[0] != killed, seconds=60)
        assert eventually(lambda: partitions_of(port) == ["ollama", "openai"]), log.read_text()

        process.kill()
        process.wait()
        eventually(lambda: not processes_of(clone), seconds=60)
    with socket.create_server(("127.0.0.1", port)):
        pass  # it is free
    assert yours(clone, *YOURS) == rows

    assert make(clone, "demo", "ARGS=--delete").returncode == 0
    assert not (clone / ".home" / "demo").exists()
    assert yours(clone, *YOURS) == rows
    assert untracked(clone) == ""
