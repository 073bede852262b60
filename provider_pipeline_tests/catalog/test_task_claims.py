import os
import signal
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from hypothesis import given, strategies as st

from provider_pipeline.catalog import api_tokens, rule_versions, task_claims
from provider_pipeline.catalog.api_tokens import list_tokens
from provider_pipeline.catalog.rule_versions import activate_rule, previous_active_version
from provider_pipeline.catalog.task_claims import Retries, propose
from provider_pipeline.catalog.tasks import (
    cancel_open as cancel_open_tasks,
    get as get_task,
    open_rule_gen_task,
    retry as retry_task,
    set_status as set_task_status,
)
from provider_pipeline.errors import CatalogError, NoSuchEntryError, TaskClaimLostError
from provider_pipeline_tests.catalog.builders import NOON, add_rule, hours_later, register

MINUTE = timedelta(minutes=1)
LEASE = 10 * MINUTE


def _open(session, provider, kind: str = "extraction_failed") -> int:
    issue = {"type": kind, "severity": "error", "message": kind}
    task_id = open_rule_gen_task(session, provider.id, raw_response_id=None, issues=[issue]).id
    session.commit()
    return task_id


def _claim(session, worker: str = "one", now=NOON, **options):
    task = task_claims.claim(session, worker=worker, now=now, lease=LEASE, **options)
    session.commit()
    return task


def test_a_claimed_task_runs_for_its_worker_until_its_lease_ends(session, provider):
    task_id = _open(session, provider)
    task = _claim(session)
    assert (task.id, task.status, task.attempts) == (task_id, "RUNNING", 1)
    assert (task.claimed_by, task.claimed_until) == ("one", NOON + LEASE)
    assert task.started_at is not None
    assert _claim(session, "two", NOON + LEASE - MINUTE) is None


def test_the_oldest_task_is_taken_first_unless_one_is_asked_for(session, provider):
    other = register(session, "anthropic")
    tasks = [_open(session, owner, kind) for owner, kind in ((provider, "a"), (provider, "b"), (other, "c"))]
    session.commit()
    assert _claim(session, slug="anthropic").id == tasks[2]
    assert _claim(session, slug="anthropic") is None
    assert _claim(session, task_id=tasks[1]).id == tasks[1]
    assert _claim(session, task_id=tasks[1]) is None
    assert _claim(session).id == tasks[0]
    assert _claim(session) is None


def test_a_task_whose_worker_vanished_is_taken_over_and_its_late_answer_changes_nothing(session, provider):
    task_id = _open(session, provider)
    _claim(session, "gone")
    taken = _claim(session, "two", NOON + LEASE)
    assert (taken.id, taken.claimed_by, taken.attempts) == (task_id, "two", 2)
    late = [
        lambda: task_claims.finish(session, task_id, worker="gone", status="SUCCEEDED", result={"version": 9}),
        lambda: task_claims.extend(session, task_id, worker="gone", now=NOON, lease=LEASE),
        lambda: task_claims.release(session, task_id, worker="gone", now=NOON, reason="x"),
        lambda: propose(session, task_id, 1, worker="gone"),
        lambda: propose(session, task_id, 1),
    ]
    for call in late:
        with pytest.raises(TaskClaimLostError, match=f"task {task_id} is with two"):
            call()
    session.commit()
    assert get_task(session, task_id) == taken


def test_a_late_worker_activates_nothing(database, session, provider):
    task_id = _open(session, provider)
    add_rule(session, provider, "2", activate=False)
    _claim(session, "gone")
    _claim(session, "two", NOON + LEASE)
    with database.session() as late, pytest.raises(TaskClaimLostError), late.begin():
        activate_rule(late, provider.id, 2, reason="good scores", task_id=task_id)
        task_claims.finish(late, task_id, worker="gone", status="SUCCEEDED", result={})
    assert rule_versions.active(session, provider.id).version == 1
    assert previous_active_version(session, provider.id) is None


def test_an_answer_after_the_lease_counts_unless_another_worker_took_over(session, provider):
    task_id = _open(session, provider)
    _claim(session)
    task_claims.finish(session, task_id, worker="one", status="SUCCEEDED", result={"version": 2})
    assert _claim(session, "two", NOON + 2 * LEASE) is None
    assert get_task(session, task_id).status == "SUCCEEDED"


def test_a_worker_that_says_it_is_alive_keeps_its_task(session, provider):
    task_id = _open(session, provider)
    _claim(session)
    task_claims.extend(session, task_id, worker="one", now=NOON + 9 * MINUTE, lease=LEASE)
    assert _claim(session, "two", NOON + 18 * MINUTE) is None
    assert _claim(session, "two", NOON + 19 * MINUTE).id == task_id


@pytest.fixture
def tokens(session) -> list[int]:
    """The numbers of two API tokens."""
    for name in ("mine", "other"):
        api_tokens.create(session, name, "sync")
    session.commit()
    return [token.id for token in list_tokens(session)]


def test_a_claim_made_with_a_token_is_used_with_that_token_only_whatever_the_name(session, provider, tokens):
    task_id = _open(session, provider)
    mine, other = tokens
    taken = _claim(session, "alice", token_id=mine)
    assert (taken.claimed_by, taken.claimed_token_id) == ("alice", mine)
    claim = {"worker": "alice", "token_id": other}
    for act in (
        lambda: task_claims.extend(session, task_id, now=NOON, lease=LEASE, **claim),
        lambda: task_claims.release(session, task_id, now=NOON, reason="x", **claim),
        lambda: propose(session, task_id, 1, **claim),
    ):
        with pytest.raises(TaskClaimLostError, match="is with alice, but was not claimed with this token"):
            act()
    session.commit()
    assert get_task(session, task_id) == taken
    task_claims.extend(session, task_id, now=NOON + MINUTE, lease=LEASE, worker="alice", token_id=mine)
    assert get_task(session, task_id).claimed_until == NOON + MINUTE + LEASE
    propose(session, task_id, 1, worker="alice", token_id=mine)
    assert get_task(session, task_id).claimed_token_id is None


def test_a_task_that_nobody_has_claimed_cannot_be_released(session, provider):
    task_id = _open(session, provider)
    with pytest.raises(TaskClaimLostError, match="is PENDING, and not with alice"):
        task_claims.release(session, task_id, worker="alice", now=NOON, reason="x")


def test_a_claim_made_without_a_token_is_used_by_none(session, provider, tokens):
    task_id = _open(session, provider)
    _claim(session, "built-in")
    with pytest.raises(TaskClaimLostError):
        propose(session, task_id, 1, worker="built-in", token_id=tokens[0])
    task_claims.finish(session, task_id, worker="built-in", status="SUCCEEDED", result={})


def test_the_operator_may_act_for_the_worker_of_a_token(session, provider, tokens):
    task_id = _open(session, provider)
    _claim(session, "alice", token_id=tokens[0])
    assert task_claims.release(session, task_id, worker="alice", now=NOON, reason="she is on leave").status == "PENDING"


def test_a_token_takes_a_task_over_when_the_claim_of_another_ends(session, provider, tokens):
    _open(session, provider)
    _claim(session, "alice", token_id=tokens[0])
    assert _claim(session, "alice", NOON + LEASE, token_id=tokens[1]).claimed_token_id == tokens[1]
    assert _claim(session, "one", NOON + 2 * LEASE).claimed_token_id is None


@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED", "CANCELLED", "NEEDS_REVIEW"])
def test_a_task_is_answered_with_a_result_a_report_and_a_version(session, provider, status):
    task_id = _open(session, provider)
    _claim(session)
    add_rule(session, provider, "2", activate=False)
    answer = {"result": {"ids_kept": 0.4}, "report": "# Two rules\n", "proposed_version": 2}
    task_claims.finish(session, task_id, worker="one", status=status, **answer)
    session.commit()
    task = get_task(session, task_id)
    assert {name: getattr(task, name) for name in answer} == answer
    assert (task.status, task.claimed_by, task.claimed_until) == (status, None, None)
    assert (task.finished_at is None) == (status == "NEEDS_REVIEW")
    assert _claim(session, "two", hours_later(100)) is None


def test_a_task_does_not_end_as_something_unheard_of(session, provider):
    task_id = _open(session, provider)
    _claim(session)
    with pytest.raises(CatalogError, match="cannot end as 'PENDING'"):
        task_claims.finish(session, task_id, worker="one", status="PENDING", result={})


def test_a_task_that_was_closed_meanwhile_is_not_answered(session, provider):
    task_id = _open(session, provider)
    _claim(session)
    cancel_open_tasks(session, provider.id, "rule version 1 fits again")
    session.commit()
    with pytest.raises(TaskClaimLostError, match=f"task {task_id} is CANCELLED, and not with one any more"):
        task_claims.finish(session, task_id, worker="one", status="SUCCEEDED", result={})


def test_a_task_given_back_waits_longer_each_time_and_fails_after_its_last_attempt(session, provider):
    task_id = _open(session, provider)
    retries = Retries(base=MINUTE, cap=3 * MINUTE, attempts=4)
    now, pauses = NOON, []
    for attempt in range(1, 5):
        assert _claim(session, now=now, retries=retries).attempts == attempt
        task = task_claims.release(session, task_id, worker="one", now=now, reason="no network", retries=retries)
        session.commit()
        assert task.result == {"reason": "no network", "attempts": attempt}
        if task.status == "PENDING":
            pauses.append(task.next_attempt_at - now)
            assert _claim(session, now=task.next_attempt_at - timedelta(seconds=1), retries=retries) is None
            now = task.next_attempt_at
    assert pauses == [MINUTE, 2 * MINUTE, 3 * MINUTE]
    assert (task.status, task.claimed_by) == ("FAILED", None)
    retry_task(session, task_id, reason="the network is back")
    assert _claim(session, now=now, retries=retries).attempts == 1


def test_a_task_that_kills_every_worker_fails_in_the_end_and_the_next_one_is_taken(session, provider):
    deadly, harmless = _open(session, provider, "a"), _open(session, provider, "b")
    retries = Retries(attempts=2)
    now = NOON
    for _ in range(2):
        assert _claim(session, now=now, retries=retries).id == deadly
        now += LEASE
    assert _claim(session, now=now, retries=retries).id == harmless
    task = get_task(session, deadly)
    assert task.status == "FAILED"
    assert "2 attempts ended without a word" in task.result["reason"]


@given(st.integers(1, 10_000), st.integers(1, 10_000))
def test_pauses_never_shrink_and_never_exceed_their_cap(fewer, more):
    retries = Retries()
    fewer, more = sorted((fewer, more))
    assert retries.base <= retries.pause(fewer) <= retries.pause(more) <= retries.cap


@pytest.mark.parametrize("status", ["PENDING", "NEEDS_REVIEW"])
def test_an_unclaimed_task_can_be_answered_without_a_claim(session, provider, status):
    task_id = _open(session, provider)
    set_task_status(session, task_id, status)
    add_rule(session, provider, "2", activate=False, author="agent")
    propose(session, task_id, 2, report="`data` became `models`")
    session.commit()
    task = _claim(session)
    assert (task.id, task.proposed_version, task.report) == (task_id, 2, "`data` became `models`")


def test_a_worker_from_outside_claims_a_task_and_its_proposal_is_due_at_once(session, provider):
    task_id = _open(session, provider)
    _claim(session, "agent")
    propose(session, task_id, 1, worker="agent")
    task = get_task(session, task_id)
    assert (task.status, task.proposed_version, task.claimed_by, task.attempts) == ("PENDING", 1, None, 0)


def test_a_proposal_that_is_not_stored_or_comes_too_late_is_refused(session, provider):
    task_id = _open(session, provider)
    with pytest.raises(NoSuchEntryError, match="no rule version 9"):
        propose(session, task_id, 9)
    set_task_status(session, task_id, "SUCCEEDED")
    with pytest.raises(TaskClaimLostError, match=f"task {task_id} is SUCCEEDED"):
        propose(session, task_id, 1)


def test_many_workers_share_the_tasks_without_taking_one_twice(database, session, provider):
    tasks = [_open(session, provider, f"kind {number}") for number in range(40)]

    def work(worker: int) -> list[int]:
        taken = []
        while True:
            with database.session() as own, own.begin():
                task = task_claims.claim(own, worker=f"worker {worker}", now=NOON, lease=LEASE)
            if task is None:
                return taken
            taken.append(task.id)

    with ThreadPoolExecutor(8) as threads:
        shares = list(threads.map(work, range(8)))
    assert Counter(task_id for share in shares for task_id in share) == Counter(tasks)


def test_a_task_that_is_being_claimed_is_skipped_without_waiting(database, session, provider):
    first, second = _open(session, provider, "a"), _open(session, provider, "b")
    with database.session() as other:
        assert task_claims.claim(other, worker="other", now=NOON, lease=LEASE).id == first
        assert _claim(session).id == second
        other.rollback()
    assert _claim(session).id == first


WORKER = """
import os, sys, time
from provider_pipeline.catalog.task_claims import claim
from provider_pipeline.catalog.database import open_database
from provider_pipeline_tests.catalog.builders import NOON
from provider_pipeline_tests.catalog.test_task_claims import LEASE

with open_database(sys.argv[1]) as database, database.session() as session:
    task = claim(session, worker=f"process {os.getpid()}", now=NOON, lease=LEASE)
    if sys.argv[2] == "after its claim":
        session.commit()
    print(task.id, flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize(("when", "attempt"), [("within its claim", 1), ("after its claim", 2)])
def test_the_task_of_a_killed_worker_is_taken_over(database, session, provider, when, attempt):
    task_id = _open(session, provider)
    process = subprocess.Popen([sys.executable, "-c", WORKER, database.url, when], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == f"{task_id}\n"
    assert _claim(session, "next", NOON) is None
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    task = None
    while task is None:  # the server notices the closed connection in its own time
        task = _claim(session, "next", NOON + LEASE)
    assert (task.id, task.claimed_by, task.attempts) == (task_id, "next", attempt)
    with pytest.raises(TaskClaimLostError, match="is with next"):
        task_claims.finish(session, task_id, worker=f"process {process.pid}", status="SUCCEEDED", result={})
