"""Worker processes: two at once answer a task once, and a killed one leaves nothing half done."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from provider_pipeline import ModelSyncer, RuleValidationError, catalog
from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.sync.plan import store_rule
from provider_pipeline.sync.repair.worker import LEASE, answer_tasks
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, moved
from provider_pipeline_tests.simulation.time_travel import let_a_day_pass
from provider_pipeline_tests.sync.repair.sandbox_processes import judges

ROOT = Path(__file__).parents[3]
GATE = 4711
DEADLINE_SECONDS = 60


@pytest.fixture
def blocked(fleet: Fleet) -> Fleet:
    """`acme` was synced and has moved its list since, so that there is a task."""
    fleet.add("acme")
    with fleet.database.session() as session:
        ModelSyncer(session).sync_provider_models("acme")
    fleet.serve("acme", moved(*CHAT_MODELS))
    with fleet.database.session() as session, pytest.raises(RuleValidationError):
        ModelSyncer(session).sync_provider_models("acme")
    return fleet


@contextmanager
def worker(fleet: Fleet) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "provider_pipeline_tests.sync.repair.worker_process",
            fleet.database.url,
            "acme",
            str(GATE),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def held(fleet: Fleet, statement: str, **parameters: object) -> Iterator[Connection]:
    """Holds the locks of a statement until the block ends."""
    with fleet.database.engine.connect() as connection:
        connection.execute(text(statement), parameters)
        yield connection
        connection.rollback()


def eventually(fleet: Fleet, question: str, answer: object) -> None:
    """Waits until a query is true."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        with fleet.database.session() as session:
            found = session.scalar(text(question))
        if found == answer:
            return
        assert time.monotonic() < deadline, f"{question} is {found} and not {answer}"
        time.sleep(0.05)


WAITING_AT_THE_GATE = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted"
WAITING_FOR_ANOTHER = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' "
    "AND wait_event <> 'advisory'"
)
WAITING_TO_ANSWER = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' "
    "AND query LIKE 'UPDATE agent_task%'"
)
AT_WORK = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle' "
    "AND pid <> pg_backend_pid()"
)


def versions(fleet: Fleet) -> dict[int, str]:
    with fleet.database.session() as session:
        found = catalog.rule_versions.list_rule_versions(session, catalog.providers.get(session, "acme").id)
        return {each.version: each.status for each in found}


def events(fleet: Fleet) -> list[tuple[int, str]]:
    with fleet.database.session() as session:
        found = catalog.rule_versions.events(session, catalog.providers.get(session, "acme").id)
        return [(each.version, each.status) for each in found]


FIRST = [(1, "candidate"), (1, "active")]
REPAIRED = [*FIRST, (2, "candidate"), (1, "retired"), (2, "active")]


def test_exactly_one_of_two_concurrent_workers_answers(blocked: Fleet):
    with ExitStack() as stack:
        with held(blocked, "SELECT pg_advisory_xact_lock(:gate)", gate=GATE):
            workers = [stack.enter_context(worker(blocked)) for _ in range(2)]
            eventually(blocked, WAITING_AT_THE_GATE, 2)
        answers = sorted(json.loads(each.communicate(timeout=DEADLINE_SECONDS)[0]) for each in workers)
        assert [each.returncode for each in workers] == [0, 0]
    assert answers == [[], ["activated"]]
    (task,) = blocked.tasks("acme")
    assert (task.status, task.attempts) == ("SUCCEEDED", 1)
    assert events(blocked) == REPAIRED


SPOTS = {
    "before it stores the rule": ("LOCK TABLE rule_version_event IN EXCLUSIVE MODE", None),
    "with everything written but the answer": (
        "LOCK TABLE rule_version_event IN EXCLUSIVE MODE",
        "SELECT id FROM agent_task FOR NO KEY UPDATE",
    ),
}


@pytest.mark.parametrize("spot", SPOTS)
def test_a_worker_that_is_killed_leaves_nothing_half_written_and_another_takes_over(blocked: Fleet, spot: str):
    first, then = SPOTS[spot]
    rows = blocked.rows("acme")
    with ExitStack() as stack:
        killed = stack.enter_context(worker(blocked))
        with ExitStack() as obstacles:
            obstacle = obstacles.enter_context(held(blocked, first))
            eventually(blocked, WAITING_FOR_ANOTHER, 1)
            if then is not None:
                obstacles.enter_context(held(blocked, then))
                obstacle.rollback()
                eventually(blocked, WAITING_TO_ANSWER, 1)
            killed.kill()
            killed.wait()
        eventually(blocked, AT_WORK, 0)

    (task,) = blocked.tasks("acme")
    assert (task.status, task.attempts) == ("RUNNING", 1)
    assert versions(blocked) == {1: "active"}
    assert events(blocked) == FIRST
    assert blocked.rows("acme") == rows
    with blocked.database.session() as session:
        assert answer_tasks(session, "acme") == []  # it might be alive

    let_a_day_pass(blocked.database)
    with blocked.database.session() as session:
        assert [repair.status for repair in answer_tasks(session, "acme")] == ["activated"]
    (task,) = blocked.tasks("acme")
    assert (task.status, task.attempts, task.claimed_by) == ("SUCCEEDED", 2, None)
    assert events(blocked) == REPAIRED


def propose(fleet: Fleet) -> int:
    """Proposes a rule for the open task; its version."""
    (task,) = fleet.tasks("acme")
    with fleet.database.session() as session:
        proposal = {"jmespath_rule": "result.models[*]", "fields": {"id": "model"}, "capability_rules": []}
        version = store_rule(session, task.provider_id, ExtractionRule.parse(proposal), origin="proposed")
        catalog.task_claims.propose(session, task.id, version)
        session.commit()
    return version


def test_workers_killed_while_judging_leave_no_sandbox_and_spare_a_third_worker(blocked: Fleet):
    propose(blocked)
    for _ in range(2):
        with held(blocked, "LOCK TABLE provider_model IN ACCESS EXCLUSIVE MODE"), worker(blocked) as killed:
            eventually(blocked, WAITING_FOR_ANOTHER, 1)
            (judge,) = judges(killed.pid)
            killed.kill()
            killed.wait()
            judge.wait(DEADLINE_SECONDS)
        let_a_day_pass(blocked.database)
    after_the_lease = datetime.now(UTC) + LEASE
    with blocked.database.session() as session:
        (repair,) = answer_tasks(session, "acme", clock=lambda: after_the_lease)
    assert (repair.status, repair.version) == ("activated", 3)
    assert "version 2 is rejected: two earlier workers vanished while it was judged" in repair.reason
    assert events(blocked)[-4:] == [(2, "rejected"), (3, "candidate"), (1, "retired"), (3, "active")]


def test_an_interrupted_worker_releases_the_task_with_its_proposal(blocked: Fleet):
    version = propose(blocked)
    with held(blocked, "LOCK TABLE provider_model IN ACCESS EXCLUSIVE MODE"), worker(blocked) as interrupted:
        eventually(blocked, WAITING_FOR_ANOTHER, 1)
        (judge,) = judges(interrupted.pid)
        interrupted.send_signal(signal.SIGINT)
        judge.wait(DEADLINE_SECONDS)
        assert interrupted.wait(DEADLINE_SECONDS) != 0
    (task,) = blocked.tasks("acme")
    assert (task.status, task.claimed_by, task.proposed_version) == ("PENDING", None, version)
    assert task.times_judged == 0
    assert versions(blocked)[version] == "candidate"
