"""Two weeks of four providers under a real daemon: the table is right, or the last good one, whatever they do."""

from collections import Counter
from datetime import datetime
from pathlib import Path

import dagster as dg
import pytest

from provider_pipeline_tests.fleet import Fleet
from provider_pipeline_tests.simulation.daemon import Daemon, running_daemon
from provider_pipeline_tests.simulation.provider_run import ProviderRun
from provider_pipeline_tests.simulation.recorded import TIMES, Past, Record
from provider_pipeline_tests.simulation.scenario import DAYS, SCENARIO
from provider_pipeline_tests.simulation.time_travel import DAY, let_a_day_pass


@pytest.mark.timeout(1500)
def test_two_weeks_of_drift_outages_and_people_leave_a_table_that_was_right_on_every_day(
    fleet: Fleet, instance: dg.DagsterInstance, tmp_path: Path
):
    record = Record(fleet.database)
    for slug, scenes in SCENARIO.items():
        fleet.add(slug, scenes[0].answer)
    lives = [ProviderRun(slug, scenes, fleet, record) for slug, scenes in SCENARIO.items()]
    with running_daemon(instance, tmp_path, fleet.database.url) as daemon:
        evenings = [_live(day, lives, daemon, record) for day in range(len(DAYS))]

    for day, (moment, evening) in enumerate(evenings):
        since = DAYS[-1] - DAYS[day]
        assert _plain(record.as_of(moment - since * DAY)) == _earlier(evening, since), f"day {DAYS[day]}"
    before, after = (_of("aurora", evenings[day][1], since) for day, since in ((-3, 2), (-1, 0)))
    assert before == after, "rolling back restores the very same rows"
    _judge_rules(record)
    _judge_runs(daemon)


def _live(day: int, lives: list[ProviderRun], daemon: Daemon, record: Record) -> tuple[datetime, Past]:
    """One day, with the nights before it; returns the evening's table, and when that was."""

    def watch() -> None:
        for life in lives:
            life.watch()

    for _ in range(DAYS[day] - DAYS[day - 1] if day else 0):
        let_a_day_pass(record.database)
    for life in lives:
        life.rise(day)
    daemon.tick(watch)
    for life in lives:
        life.judge(day)
    return record.now()


def _plain(past: Past) -> Past:
    return {key: dict(row) for key, row in past.items()}


def _earlier(past: Past, days: int) -> Past:
    """The same rows as they look so many days later, when everything that happened lies further back."""
    return {key: {**row, **{name: row[name] and row[name] - days * DAY for name in TIMES}} for key, row in past.items()}


def _of(slug: str, evening: Past, days: int) -> Past:
    """One provider's rows, without which rule wrote them."""
    return {
        key: {name: value for name, value in row.items() if name != "rule_version"}
        for key, row in _earlier(evening, days).items()
        if key[0] == slug
    }


def _judge_rules(record: Record) -> None:
    """Every version that was in use is known with what became of it, in order; a held one never was in use."""
    assert record.versions("aurora") == {1: "active", 2: "retired", 3: "retired", 4: "retired", 5: "retired"}
    assert [version for version, status in record.events("aurora") if status == "active"] == [1, 2, 3, 4, 1, 5, 1]
    assert [version for version, status in record.events("borealis") if status == "active"] == [1, 2, 3]
    held = {version for version, status in record.versions("borealis").items() if status == "needs_review"}
    assert held and held == set(record.versions("borealis")) - {1, 2, 3}
    assert record.versions("cirrus") == {1: "active"}
    assert [version for version, status in record.events("pendulum") if status == "active"] == [1, 2, 1, 2]


def _judge_runs(daemon: Daemon) -> None:
    """One fleet run each day, and one run for each task that was there to answer, never one for a failed fetch."""
    ended = daemon.runs()
    outputs = [status for job, _, status in ended if job == "catalog_outputs_job"]
    # The sensor for outputs sees a change when the clock says so: on a fast machine, perhaps never between two runs.
    assert set(outputs[:-1]) <= {"SUCCESS"}  # the daemon's end may have been the last one's
    runs = Counter((job, partition) for job, partition, _ in ended if job != "catalog_outputs_job")
    assert len(outputs) <= runs.total()
    assert runs == {
        ("sync_all_providers_job", None): len(DAYS),
        ("regenerate_provider_rules_job", "aurora"): 4,
        ("regenerate_provider_rules_job", "borealis"): 6,
        ("regenerate_provider_rules_job", "cirrus"): 1,
        ("regenerate_provider_rules_job", "pendulum"): 3,
    }
