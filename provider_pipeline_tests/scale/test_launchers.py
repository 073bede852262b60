"""Dagster reads the instance settings for runs in containers, and its launchers accept them: `make test-scale`."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster_docker import DockerRunLauncher
from dagster_k8s import K8sRunLauncher

from provider_pipeline.catalog.database import adapted_url
from provider_pipeline.catalog.embedded import EmbeddedPostgres
from provider_pipeline_tests.databases import new_database
from provider_pipeline_tests.locked import ROOT

DEPLOY = ROOT / "deploy"
BASE = yaml.safe_load((ROOT / "provider_pipeline" / "deploy" / "dagster.yaml").read_text(encoding="utf-8"))
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
MORE = yaml.safe_load((DEPLOY / "docker" / "compose.yaml").read_text(encoding="utf-8"))
KUBECONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "here", "cluster": {"server": "http://127.0.0.1:1"}}],
    "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
    "users": [{"name": "me", "user": {}}],
    "current-context": "here",
}


def settings(launcher: str) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((DEPLOY / launcher / "dagster.yaml").read_text(encoding="utf-8"))
    return read


def loaded(given: dict[str, Any], folder: Path) -> dg.DagsterInstance:
    """Dagster's instance with these settings; they are validated as its storage is opened."""
    (folder / "dagster.yaml").write_text(yaml.safe_dump(given))
    return dg.DagsterInstance.from_config(str(folder))


@pytest.fixture(autouse=True)
def _storage(
    monkeypatch: pytest.MonkeyPatch, postgres_server: EmbeddedPostgres, dagster_template: str
) -> Iterator[None]:
    with new_database(postgres_server, dagster_template) as url:
        monkeypatch.setenv("DAGSTER_POSTGRES_URL", adapted_url(url, driver="psycopg2"))
        yield


def test_runs_can_be_containers(tmp_path: Path):
    given = settings("docker")
    with loaded(given, tmp_path) as instance:
        launcher = instance.run_launcher
        assert isinstance(launcher, DockerRunLauncher)
        assert (launcher.image, launcher.networks) == ("provider-pipeline", ["provider-pipeline_default"])
        assert launcher.supports_check_run_worker_health
        check_monitoring(instance, given)


def test_runs_can_be_kubernetes_jobs(tmp_path: Path):
    given = settings("kubernetes")
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(KUBECONFIG))
    # This is no pod: the API server's address comes from a file.
    outside = {"load_incluster_config": False, "kubeconfig_file": str(tmp_path / "kubeconfig")}
    given["run_launcher"]["config"] |= outside
    with loaded(given, tmp_path) as instance:
        launcher = instance.run_launcher
        assert isinstance(launcher, K8sRunLauncher)
        assert (launcher.job_namespace, launcher.dagster_home) == ("provider-pipeline", "/opt/dagster")
        assert launcher.supports_check_run_worker_health
        check_monitoring(instance, given)


def check_monitoring(instance: dg.DagsterInstance, given: dict[str, Any]) -> None:
    """Times are stated, and are those that Dagster uses."""
    stated = given["run_monitoring"]
    assert instance.run_monitoring_enabled
    assert instance.run_monitoring_start_timeout_seconds == stated["start_timeout_seconds"]
    assert instance.run_monitoring_max_runtime_seconds == stated["max_runtime_seconds"]
    assert instance.run_monitoring_poll_interval_seconds == stated["poll_interval_seconds"]
    # Found again at the hourly tick, at the latest.
    assert stated["max_runtime_seconds"] + stated["cancel_timeout_seconds"] + stated["poll_interval_seconds"] < 3600


@pytest.mark.parametrize("launcher", ["docker", "kubernetes"])
def test_a_setting_that_dagster_does_not_know_is_refused(launcher: str, tmp_path: Path):
    given = settings(launcher)
    given["run_launcher"]["config"]["imagine"] = "a misspelt name"
    with pytest.raises(dg.DagsterInvalidConfigError, match="imagine"), loaded(given, tmp_path) as instance:
        assert instance.run_launcher


@pytest.mark.parametrize("launcher", ["docker", "kubernetes"])
def test_the_rest_is_as_on_one_machine(launcher: str):
    given = settings(launcher)
    own = {"run_launcher", "run_monitoring", "concurrency"}
    assert {name: each for name, each in given.items() if name not in own} == {
        name: each for name, each in BASE.items() if name not in own
    }
    # More runs at once, limited by the same tags.
    limits, base = (each["concurrency"]["runs"] for each in (given, BASE))
    assert limits["max_concurrent_runs"] > base["max_concurrent_runs"]
    ours, theirs = ([{**each, "limit": None} for each in runs["tag_concurrency_limits"]] for runs in (limits, base))
    assert ours == theirs


def test_the_table_states_the_times_of_both():
    page = (DEPLOY / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+_seconds)` \| (\d+) \| (\d+) \|", page, re.MULTILINE)
    assert {name for name, *_ in rows} == {"start_timeout_seconds", "poll_interval_seconds", "max_runtime_seconds"}
    for name, *times in rows:
        assert [settings(each)["run_monitoring"][name] for each in ("docker", "kubernetes")] == [
            int(each) for each in times
        ]


def test_containers_get_what_the_services_have():
    config = settings("docker")["run_launcher"]["config"]
    daemon = COMPOSE["services"]["daemon"]
    assert config["image"] == daemon["image"]
    assert config["network"] == f"{COMPOSE['name']}_default"
    assert set(config["env_vars"]) == set(daemon["environment"])
    mounted = [volume.split(":", 1)[1] for volume in config["container_kwargs"]["volumes"]]
    assert mounted == ["/run/secrets/postgres_password:ro", "/run/secrets/keys:ro"]
    for name in ("cap_drop", "security_opt", "init"):
        assert config["container_kwargs"][name] == daemon[name]


def test_the_further_compose_file_changes_services_that_exist():
    assert MORE["services"].keys() < COMPOSE["services"].keys()
    for service in MORE["services"].values():
        assert "./docker/dagster.yaml:/opt/dagster/dagster.yaml:ro" in service["volumes"]
    with_socket = {name for name, service in MORE["services"].items() if "docker.sock" in str(service["volumes"])}
    assert with_socket == {"daemon", "webserver"}
