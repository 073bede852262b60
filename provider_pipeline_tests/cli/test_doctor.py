"""The doctor names what is wrong and what to do, tells no secret, and changes nothing."""

import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import jmespath
import psycopg
import pytest
from dagster._core.remote_origin import InProcessCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._daemon.types import DaemonHeartbeat
from dagster._utils.error import SerializableErrorInfo
from sqlalchemy import text

from provider_pipeline import catalog
from provider_pipeline.catalog.database import open_database
from provider_pipeline.catalog.embedded import EmbeddedPostgres
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.sync.provider import attempt_sync
from provider_pipeline_tests.catalog.builders import upgrade_to
from provider_pipeline_tests.cli.conftest import CommandLine, Finished, at_a_terminal
from provider_pipeline_tests.dagster_instance import definitions, write_settings
from provider_pipeline_tests.database_contents import contents
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, moved

MONITORING = "run_monitoring:\n  enabled: true\n"


def checked(finished: Finished) -> dict[str, dict]:
    """The checks of a run with --json, by name."""
    assert finished.code == (0 if finished.json["healthy"] else 1)
    return {check["name"]: check for check in finished.json["checks"]}


def beat(instance: dg.DagsterInstance, *, seconds_ago: float = 0) -> None:
    """Heartbeats of every daemon that the instance needs."""
    for kind in instance.get_required_daemon_types():
        instance.add_daemon_heartbeat(DaemonHeartbeat(time.time() - seconds_ago, kind, "test", None))


@pytest.fixture
def without_dagster(run: CommandLine) -> CommandLine:
    """The command line where no Dagster is configured, which saves its start."""
    run.environment.pop("DAGSTER_HOME", None)
    return run


def test_all_is_well_with_a_synced_provider_and_a_daemon_that_reports(
    run: CommandLine, acme: Fleet, instance: dg.DagsterInstance, tmp_path: Path
):
    settings = tmp_path / "dagster.yaml"
    settings.write_text(settings.read_text() + MONITORING)
    with dg.DagsterInstance.from_config(str(tmp_path)) as monitored:
        beat(monitored)
    before = contents(acme.database.url)
    finished = run("doctor", DAGSTER_HOME=str(tmp_path))
    assert finished.code == 0, finished.out
    lines = finished.out.splitlines()
    assert all(line.startswith("ok      ") for line in lines), finished.out
    for name in ("database", "clock", "encoding", "schema", "keys", "providers", "tasks", "Dagster", "Dagster daemon"):
        assert sum(line.startswith(f"ok      {name}: ") for line in lines) == 1, name
    assert "sensors and schedules: 7 are on" in finished.out
    assert contents(acme.database.url) == before


def test_a_silent_daemon_a_stopped_sensor_and_a_failed_tick_are_named(
    run: CommandLine, instance: dg.DagsterInstance, tmp_path: Path, database_url: str
):
    beat(instance, seconds_ago=1000)
    found = checked(run("doctor", "--json", DAGSTER_HOME=str(tmp_path)))
    assert found["Dagster"]["status"] == "ok"
    assert found["Dagster daemon"]["status"] == "failed"
    assert "SENSOR reported 10" in found["Dagster daemon"]["detail"]
    assert "dagster-daemon run" in found["Dagster daemon"]["hint"]
    assert found["run monitoring"]["status"] == "failed"

    repository = definitions(database_url).get_repository_def()
    sensor = repository.get_sensor_def("webhook_sensor")
    with dg.DagsterInstance.from_config(str(tmp_path)) as opened:
        stop_after_a_failed_tick(opened, sensor)
    found = checked(run("doctor", "--json", DAGSTER_HOME=str(tmp_path)))
    assert (found["sensors and schedules"]["status"], found["sensors and schedules"]["detail"]) == (
        "failed",
        "off: webhook_sensor; last tick failed: webhook_sensor: the receiver is unknown",
    )


def stop_after_a_failed_tick(instance: dg.DagsterInstance, sensor: dg.SensorDefinition) -> None:
    """Stores what the daemon and the UI store of a sensor that failed and was switched off."""
    target = LoadableTargetOrigin(module_name="provider_pipeline.definitions")
    location = InProcessCodeLocationOrigin(target, location_name="provider_pipeline")
    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "__repository__"), sensor.name)
    stopped = InstigatorState(
        origin, InstigatorType.SENSOR, InstigatorStatus.STOPPED, SensorInstigatorData(min_interval=30)
    )
    instance.add_instigator_state(stopped)
    instance.create_tick(
        TickData(
            stopped.instigator_origin_id,
            sensor.name,
            InstigatorType.SENSOR,
            TickStatus.FAILURE,
            time.time(),
            selector_id=stopped.selector_id,
            error=SerializableErrorInfo("the receiver\nis unknown", [], None),
        )
    )


def test_a_dagster_storage_without_tables_is_reported_and_gets_none(
    run: CommandLine, empty_database_url: str, tmp_path: Path
):
    write_settings(tmp_path, empty_database_url)
    found = checked(run("doctor", "--json", DAGSTER_HOME=str(tmp_path)))
    assert found["Dagster"]["status"] == "failed"
    assert "no tables yet" in found["Dagster"]["detail"]
    assert contents(empty_database_url) == {}


def test_a_dagster_home_without_settings_is_reported_and_stays_empty(run: CommandLine, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    found = checked(run("doctor", "--json", DAGSTER_HOME=str(tmp_path / "empty")))
    assert found["Dagster"]["status"] == "failed"
    assert "dagster.yaml" in found["Dagster"]["detail"]
    assert list((tmp_path / "empty").iterdir()) == []


def test_missing_keys_are_named_and_no_key_is_shown(without_dagster: CommandLine, fleet: Fleet):
    for slug, variable in (("one", "ONE_KEY"), ("two", "TWO_KEY")):
        fleet.add(slug, auth={"type": "bearer", "env": variable})
    finished = without_dagster("doctor", "--json", ONE_KEY="sk-very-secret-text")
    keys = checked(finished)["keys"]
    assert keys["status"] == "failed"
    assert "TWO_KEY, which is not set" in keys["detail"]
    assert "ONE_KEY" not in keys["detail"]
    assert "very-secret" not in finished.out + finished.err


def test_a_blocked_and_a_stale_provider_fail_and_a_single_failure_warns(without_dagster: CommandLine, acme: Fleet):
    acme.add("once")
    with acme.database.session() as session:
        assert attempt_sync(session, "once", client=ListingClient()).status == "synced"
    acme.answer("once", "down", status=500)
    with acme.database.session() as session:
        attempt_sync(session, "once", client=ListingClient())
    found = checked(without_dagster("doctor", "--json"))["providers"]
    assert (found["status"], found["detail"]) == ("warning", "1 of 2: once failed once")

    acme.serve("acme", moved(*CHAT_MODELS))
    with acme.database.session() as session:
        attempt_sync(session, "acme", client=ListingClient())
        session.execute(
            text("UPDATE provider_sync SET last_success_at = now() - interval '3 days' WHERE consecutive_failures = 1")
        )
        session.commit()
    found = checked(without_dagster("doctor", "--json"))["providers"]
    assert found["status"] == "failed"
    assert "has had no success since" in found["detail"]


def test_a_task_that_waits_for_a_person_is_named(without_dagster: CommandLine, acme: Fleet):
    with acme.database.session() as session:
        task = catalog.tasks.open_rule_gen_task(
            session,
            catalog.providers.get(session, "acme").id,
            raw_response_id=None,
            issues=[{"type": "x", "message": "m"}],
        )
        catalog.tasks.set_status(session, task.id, "NEEDS_REVIEW")
        session.commit()
    found = checked(without_dagster("doctor", "--json"))["tasks"]
    assert (found["status"], f"{task.id} (acme)" in found["detail"]) == ("warning", True)


def test_an_unreachable_database_is_one_failed_check_and_the_others_still_run(without_dagster: CommandLine):
    finished = without_dagster(
        "doctor", "--json", PROVIDER_PIPELINE_DATABASE_URL="postgresql://me:hidden@127.0.0.1:9/catalogue"
    )
    found = checked(finished)
    assert found["database"]["status"] == "failed"
    assert found["database"]["hint"]
    assert {"webhook", "disk of the home", "packages"} <= found.keys()
    assert "hidden" not in finished.out + finished.err


def test_an_older_schema_is_reported_and_not_upgraded(without_dagster: CommandLine, empty_database_url: str):
    with open_database(empty_database_url) as database:
        upgrade_to(database.engine, "0020")
    before = contents(empty_database_url)
    found = checked(without_dagster("doctor", "--json", PROVIDER_PIPELINE_DATABASE_URL=empty_database_url))
    assert found["schema"]["status"] == "failed"
    assert found["schema"]["hint"] == "run: provider-pipeline db upgrade"
    assert contents(empty_database_url) == before


def test_a_database_whose_clock_is_wrong_is_reported(without_dagster: CommandLine, empty_database_url: str):
    with psycopg.connect(empty_database_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(
            "CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql"
            " AS 'SELECT pg_catalog.clock_timestamp() - interval ''90 seconds'''"
        )
        (name,) = connection.execute("SELECT current_database()").fetchone()
        connection.execute(f"ALTER DATABASE {name} SET search_path = public, pg_catalog")
    found = checked(without_dagster("doctor", "--json", PROVIDER_PIPELINE_DATABASE_URL=empty_database_url))
    assert found["clock"]["status"] == "failed"
    assert "-90." in found["clock"]["detail"] or "-89." in found["clock"]["detail"]


def test_a_database_in_another_encoding_is_reported(without_dagster: CommandLine, postgres_server: EmbeddedPostgres):
    admin = postgres_server.url("postgres").replace("+psycopg", "")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    try:
        found = checked(
            without_dagster("doctor", "--json", PROVIDER_PIPELINE_DATABASE_URL=postgres_server.url("latin"))
        )
        assert (found["encoding"]["status"], "LATIN1" in found["encoding"]["detail"]) == ("failed", True)
    finally:
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute("DROP DATABASE latin")


def test_a_full_disk_and_an_unusable_webhook_are_reported(
    without_dagster: CommandLine, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("provider_pipeline.cli.doctor._MIN_FREE_BYTES", 2**60)
    found = checked(without_dagster("doctor", "--json", PROVIDER_PIPELINE_WEBHOOK_URL="ftp://host/hook"))
    assert found["disk of the home"]["status"] == "failed"
    assert found["webhook"]["status"] == "failed"


def test_another_package_in_the_place_of_jmespath_is_reported(without_dagster: CommandLine, tmp_path: Path):
    folder = tmp_path / "jmespath"
    shutil.copytree(Path(jmespath.__file__).parent, folder)
    with (folder / "__init__.py").open("a") as file:
        file.write("# of another package\n")
    finished = subprocess.run(
        [Path(sys.executable).with_name("provider-pipeline"), "doctor", "--json"],
        env={**without_dagster.environment, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    (found,) = (check for check in json.loads(finished.stdout)["checks"] if check["status"] == "failed")
    assert (finished.returncode, found["name"]) == (1, "packages")
    assert "pip install --force-reinstall" in found["hint"]


def test_a_narrow_window_breaks_lines_between_words(without_dagster: CommandLine):
    narrow = at_a_terminal(without_dagster, "doctor", types="", columns=80)
    wide = at_a_terminal(without_dagster, "doctor", types="", columns=1000)
    assert max(map(len, narrow.splitlines())) <= 80
    # The disk's free space differs between the two when others write to it.
    narrow_words, wide_words = ({*re.sub(r"[\d.]+\s+GiB", "GiB", text).split()} for text in (narrow, wide))
    assert narrow_words == wide_words


def test_the_embedded_server_is_neither_made_nor_left_running(without_dagster: CommandLine, working_folder: Path):
    without_dagster.environment.pop("PROVIDER_PIPELINE_DATABASE_URL")
    home = working_folder / "home"
    without_dagster.environment["PROVIDER_PIPELINE_HOME"] = str(home)
    for arguments in (["doctor", "--json"], ["doctor", "--json", "--start"]):
        found = checked(without_dagster(*arguments))
        assert found["database"]["status"] == "failed"
        assert not home.exists()

    assert without_dagster("db", "upgrade").code == 0
    found = checked(without_dagster("doctor", "--json"))
    assert (found["database"]["status"], "schema" in found) == ("skipped", False)
    found = checked(without_dagster("doctor", "--json", "--start"))
    assert (found["database"]["status"], found["schema"]["status"]) == ("ok", "ok")
    assert not (home / "postgres" / "postmaster.pid").exists()
    with EmbeddedPostgres(home):
        assert checked(without_dagster("doctor", "--json"))["schema"]["status"] == "ok"
        assert (home / "postgres" / "postmaster.pid").exists()
    assert not (home / "postgres" / "postmaster.pid").exists()
