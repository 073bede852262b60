"""The files in `deploy/`: what they name exists, and their commands, started here as written, become healthy."""

import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from provider_pipeline.catalog.database import adapted_url
from provider_pipeline.catalog.embedded import EmbeddedPostgres
from provider_pipeline.cli.workbench import running
from provider_pipeline_tests.databases import new_database
from provider_pipeline_tests.dev_stack import environment, eventually, free_port
from provider_pipeline_tests.locked import ROOT

DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", "")
OURS = {name: service for name, service in COMPOSE["services"].items() if service["image"] == "provider-pipeline"}
LASTING = {name: service for name, service in OURS.items() if name != "migrate"}
# Of the Compose specification, as far as it is used; `check-jsonschema --builtin-schema vendor.compose-spec` agrees.
SERVICE_KEYS = {
    *("build", "cap_drop", "command", "depends_on", "environment", "healthcheck", "image", "init", "ports", "restart"),
    *("secrets", "security_opt", "shm_size", "volumes"),
}
HEALTH_KEYS = {"test", "interval", "timeout", "retries", "start_period"}


def test_every_key_is_one_that_compose_knows():
    assert {key for key in COMPOSE if not key.startswith("x-")} == {"name", "services", "secrets", "volumes"}
    for service in COMPOSE["services"].values():
        assert service.keys() <= SERVICE_KEYS
        assert service.get("healthcheck", {}).keys() <= HEALTH_KEYS
        assert all(each.keys() == {"condition"} for each in service.get("depends_on", {}).values())


def test_every_name_refers_to_something():
    services = COMPOSE["services"]
    for service in services.values():
        for name, wanted in service.get("depends_on", {}).items():
            assert (wanted["condition"] == "service_healthy") <= ("healthcheck" in services[name])
        assert set(service["secrets"]) <= COMPOSE["secrets"].keys()
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            there = source in COMPOSE["volumes"] or (DEPLOY / source).exists() or source.startswith("./secrets")
            assert there, volume
    hosts = set(re.findall(r"(?:@|//)(\w+):\d+", str([service["environment"] for service in services.values()])))
    assert hosts == {"postgres", "webserver"} <= services.keys()


def test_services_have_no_more_rights_than_they_need_and_report_their_health():
    assert {"postgres", "migrate", "code", "webserver", "daemon", "api"} == COMPOSE["services"].keys()
    assert all("healthcheck" in service for name, service in COMPOSE["services"].items() if name != "migrate")
    for service in OURS.values():
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
    published = [port for service in COMPOSE["services"].values() for port in service.get("ports", ())]
    assert len(published) == 2
    assert all(port.startswith("127.0.0.1:") for port in published)
    for service in COMPOSE["services"].values():
        for name, value in service["environment"].items():
            assert ("PASSWORD" in name or "SECRET" in name) <= name.endswith("_FILE")
            assert not re.search(r"//[^/@]*:[^/@]*@", value), name


def test_the_image_runs_as_an_ordinary_user_and_copies_what_exists():
    users = re.findall(r"^USER (\S+)$", DOCKERFILE, re.MULTILINE)
    assert users == ["10001"]
    assert DOCKERFILE.index("USER 10001") > DOCKERFILE.rindex("\nRUN ")
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    kept = {line[1:] for line in ignored if line.startswith("!")}
    for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE):
        sources = [each for each in line.split() if not each.startswith("--")][:-1]
        assert all((ROOT / each).exists() for each in sources), line
        assert all(any(Path(each).is_relative_to(there) for there in kept) for each in sources), line
    assert (DEPLOY / "entrypoint.sh").stat().st_mode & stat.S_IXUSR


def entrypoint(*command: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [DEPLOY / "entrypoint.sh", *command],
        env={"PATH": os.environ["PATH"], **env},
        capture_output=True,
        text=True,
        check=False,
    )


def test_secrets_come_from_files_and_a_missing_file_is_one_clear_error(tmp_path: Path):
    (tmp_path / "password").write_text("p$(id)'\"w\n")
    told = entrypoint("sh", "-c", 'printf %s "$PGPASSWORD"', env={"PGPASSWORD_FILE": str(tmp_path / "password")})
    assert (told.returncode, told.stdout) == (0, "p$(id)'\"w")
    assert entrypoint("sh", "-c", "echo ${PGPASSWORD-unset}", env={}).stdout == "unset\n"
    refused = entrypoint("true", env={"PGPASSWORD_FILE": str(tmp_path / "absent")})
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"error: PGPASSWORD_FILE is {tmp_path / 'absent'}, which user")


@pytest.fixture
def here(postgres_server: EmbeddedPostgres, tmp_path: Path, working_folder: Path) -> Any:
    """What stands here for the names and places of the containers, and the environment of each service."""
    home = working_folder / "home"
    dagster_home = tmp_path / "dagster"
    ports = {"4000": str(free_port()), "3000": str(free_port()), "8400": str(free_port())}
    (dagster_home / "storage").mkdir(parents=True)
    home.mkdir()
    settings = (ROOT / "provider_pipeline" / "deploy" / "dagster.yaml").read_text(encoding="utf-8")
    (dagster_home / "dagster.yaml").write_text(settings)
    workspace = (DEPLOY / "workspace.yaml").read_text(encoding="utf-8")
    assert "host: code\n" in workspace
    (dagster_home / "workspace.yaml").write_text(
        workspace.replace("host: code", "host: 127.0.0.1").replace("4000", ports["4000"])
    )
    (tmp_path / "password").write_text("unused: the test's server trusts its socket")
    with new_database(postgres_server, "template1") as catalogue, new_database(postgres_server, "template1") as storage:
        places = {
            "0.0.0.0": "127.0.0.1",
            "/opt/dagster": str(dagster_home),
            "/run/secrets/postgres_password": str(tmp_path / "password"),
            "webserver:": "127.0.0.1:",
            COMPOSE["x-service"]["environment"]["PROVIDER_PIPELINE_DATABASE_URL"]: catalogue,
            COMPOSE["x-service"]["environment"]["DAGSTER_POSTGRES_URL"]: adapted_url(storage, driver="psycopg2"),
            **ports,
        }

        def placed(text: str) -> str:
            for there, one in places.items():
                text = text.replace(there, one) if not there.isdigit() else re.sub(rf"\b{there}\b", one, text)
            return text

        image = {"DAGSTER_HOME": str(dagster_home), "PROVIDER_PIPELINE_HOME": str(home)}
        assert all(f"{name}=" in DOCKERFILE for name in image)
        path = os.pathsep.join([str(Path(sys.executable).parent), str(DEPLOY), os.environ["PATH"]])

        def command(name: str, words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
            own = {key: placed(value) for key, value in OURS[name]["environment"].items()}
            return list(map(placed, words)), {**environment(), **image, **own, "PATH": path}

        yield command


@pytest.mark.timeout(600)  # four services, perhaps on a busy machine
def test_the_services_commands_become_healthy_and_the_doctor_agrees(here: Any, tmp_path: Path):
    entry = "entrypoint.sh"

    def finishes(name: str, *words: str) -> subprocess.CompletedProcess[str]:
        command, env = here(name, words)
        command[0] = shutil.which(command[0], path=env["PATH"]) or command[0]
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)

    migrated = finishes("migrate", entry, *OURS["migrate"]["command"])
    assert migrated.returncode == 0, migrated.stderr
    with ExitStack() as stack:
        for name, service in LASTING.items():  # in the file's order, in which they depend on each other
            command, env = here(name, service["command"])
            log = stack.enter_context((tmp_path / f"{name}.log").open("wb"))
            stack.enter_context(running([str(DEPLOY / entry), *command], environment=env, output=log.fileno()))
            kind, *test = service["healthcheck"]["test"]
            assert kind == "CMD"
            assert eventually(lambda name=name, test=test: finishes(name, *test).returncode == 0), name

        def settled() -> bool:
            nonlocal checked
            checked = finishes("daemon", entry, "provider-pipeline", "doctor", "--json")
            return checked.returncode == 0

        checked = None
        assert eventually(settled, seconds=120), checked
    assert '"sensors and schedules"' in checked.stdout
