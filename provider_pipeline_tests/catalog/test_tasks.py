from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from hypothesis import given, strategies as st
from sqlalchemy.exc import IntegrityError

from provider_pipeline.catalog import raw_responses
from provider_pipeline.catalog.raw_responses import StoredPage
from provider_pipeline.catalog.tasks import (
    add_evidence as add_task_evidence,
    cancel_open as cancel_open_tasks,
    failure_signature,
    get as get_task,
    list_tasks,
    open_rule_gen_task,
    retry as retry_task,
    set_status as set_task_status,
)
from provider_pipeline.errors import CatalogError
from provider_pipeline_tests.catalog.builders import register

SHRINK = {"type": "listing_shrank", "severity": "error", "message": "3 of 100", "actual": 3}
EMPTY = {"type": "extraction_failed", "severity": "error", "message": "nothing found"}
NOTE = {"type": "unmapped_field", "severity": "info", "message": "x"}


def _open(session, provider, issue=EMPTY) -> int:
    return open_rule_gen_task(session, provider.id, raw_response_id=None, issues=[issue]).id


def test_a_failure_becomes_a_task_that_says_what_failed(session, provider):
    pages = [StoredPage(0, 1, "https://x.example", b"{}")]
    raw = raw_responses.store(session, provider.id, pages, complete=True)
    made = open_rule_gen_task(session, provider.id, raw_response_id=raw.id, issues=[EMPTY, NOTE], created_by_id=7)
    session.commit()
    assert made.created
    (task,) = list_tasks(session)
    assert (task.id, task.slug, task.type, task.status) == (made.id, "openai", "RULE_GEN", "PENDING")
    assert task.config == {"raw_response_id": raw.id, "issues": [EMPTY, NOTE]}
    assert (task.raw_response_id, task.created_by_id) == (raw.id, 7)
    assert task.signature == failure_signature([EMPTY])


def test_the_same_failure_again_finds_the_open_task_and_touches_no_row(session, provider, row_versions):
    first = open_rule_gen_task(session, provider.id, raw_response_id=None, issues=[SHRINK])
    session.commit()
    before = row_versions("agent_task")
    again = open_rule_gen_task(session, provider.id, raw_response_id=None, issues=[{**SHRINK, "actual": 2}])
    session.commit()
    assert (again.id, again.created) == (first.id, False)
    assert row_versions("agent_task") == before


def test_another_failure_or_another_provider_gets_its_own_task(session, provider):
    other = register(session, "anthropic")
    made = [
        open_rule_gen_task(session, owner.id, raw_response_id=None, issues=[issue])
        for owner in (provider, other)
        for issue in (SHRINK, EMPTY)
    ]
    assert all(task.created for task in made)
    assert [task.slug for task in list_tasks(session)] == ["openai", "openai", "anthropic", "anthropic"]
    assert len(list_tasks(session, slug="anthropic")) == 2


@pytest.mark.parametrize(("status", "created"), [("NEEDS_REVIEW", False), ("SUCCEEDED", True), ("CANCELLED", True)])
def test_a_failure_after_its_task_was_finished_opens_a_new_one(session, provider, status, created):
    first = open_rule_gen_task(session, provider.id, raw_response_id=None, issues=[EMPTY])
    set_task_status(session, first.id, status)
    assert open_rule_gen_task(session, provider.id, raw_response_id=None, issues=[EMPTY]).created is created


def test_many_processes_reporting_one_failure_at_once_open_one_task(database, session, provider):
    def report(_) -> bool:
        with database.session() as own, own.begin():
            return open_rule_gen_task(own, provider.id, raw_response_id=None, issues=[EMPTY]).created

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(report, range(16))) == [False] * 15 + [True]


def test_a_person_ends_a_task_with_a_result(session, provider):
    task_id = _open(session, provider)
    set_task_status(session, task_id, "NEEDS_REVIEW", result={"version": 2})
    assert get_task(session, task_id).finished_at is None
    set_task_status(session, task_id, "SUCCEEDED")
    (done,) = list_tasks(session, status="SUCCEEDED")
    assert done.result == {"version": 2}
    assert done.finished_at is not None


def test_an_impossible_move_is_refused_by_name(session, provider):
    task_id = _open(session, provider)
    for status in ("DONE", "RUNNING"):  # a task runs only for a worker that claimed it
        with pytest.raises(CatalogError, match=f"cannot be given the status '{status}'"):
            set_task_status(session, task_id, status)
    with pytest.raises(CatalogError, match="no task 4711"):
        set_task_status(session, 4711, "FAILED")
    set_task_status(session, task_id, "FAILED")
    with pytest.raises(CatalogError, match=f"task {task_id} is FAILED already"):
        set_task_status(session, task_id, "PENDING")


def test_evidence_is_added_to_an_open_task_key_by_key(session, provider):
    task_id = _open(session, provider)
    add_task_evidence(session, task_id, {"differences": ["`data` became `models`"], "items": 312})
    add_task_evidence(session, task_id, {"items": 313})
    assert get_task(session, task_id).config == {
        "raw_response_id": None,
        "issues": [EMPTY],
        "evidence": {"differences": ["`data` became `models`"], "items": 313},
    }
    set_task_status(session, task_id, "CANCELLED")
    with pytest.raises(CatalogError, match="is CANCELLED already"):
        add_task_evidence(session, task_id, {"items": 1})


def test_a_provider_that_is_well_again_has_no_open_task_left(session, provider):
    other = register(session, "anthropic")
    kept = _open(session, other)
    answered = _open(session, provider, SHRINK)
    set_task_status(session, answered, "SUCCEEDED", result={"version": 2})
    waiting = _open(session, provider)
    review = _open(session, provider, SHRINK)
    set_task_status(session, review, "NEEDS_REVIEW")
    assert cancel_open_tasks(session, provider.id, "rule version 1 fits again") == [waiting, review]
    assert {task.id: task.status for task in list_tasks(session)} == {
        kept: "PENDING",
        answered: "SUCCEEDED",
        waiting: "CANCELLED",
        review: "CANCELLED",
    }
    assert get_task(session, review).result == {"reason": "rule version 1 fits again"}
    assert get_task(session, answered).result == {"version": 2}


@pytest.mark.parametrize("status", ["PENDING", "NEEDS_REVIEW", "FAILED", "CANCELLED"])
def test_a_person_has_a_task_tried_again_from_the_beginning(session, provider, status):
    task_id = _open(session, provider)
    set_task_status(session, task_id, status, result={"reason": "no rule fits"})
    retry_task(session, task_id, reason="the provider says it is repaired", created_by_id=7)
    task = get_task(session, task_id)
    assert (task.status, task.attempts, task.next_attempt_at, task.finished_at) == ("PENDING", 0, None, None)
    assert task.result == {
        "reason": "no rule fits",
        "retried": {"reason": "the provider says it is repaired", "created_by_id": 7},
    }


def test_a_task_that_succeeded_is_not_retried(session, provider):
    task_id = _open(session, provider)
    set_task_status(session, task_id, "SUCCEEDED")
    with pytest.raises(CatalogError, match="is SUCCEEDED already"):
        retry_task(session, task_id, reason="x")


def test_a_task_is_not_retried_beside_an_open_one_for_the_same_failure(session, provider):
    first = _open(session, provider)
    set_task_status(session, first, "FAILED")
    _open(session, provider)
    with pytest.raises(CatalogError, match="another task is open for the same failure"):
        retry_task(session, first, reason="x")
    assert get_task(session, first).status == "FAILED"


def test_the_newest_tasks_are_listed_oldest_first(session, provider):
    issues = [{"type": kind, "severity": "error"} for kind in "abcd"]
    tasks = [_open(session, provider, issue) for issue in issues]
    set_task_status(session, tasks[2], "FAILED")
    assert [task.id for task in list_tasks(session, limit=3)] == tasks[1:]
    assert [task.id for task in list_tasks(session, status=("PENDING", "FAILED"), limit=2)] == tasks[2:]
    assert [task.id for task in list_tasks(session, status="PENDING")] == [*tasks[:2], tasks[3]]


def test_what_ended_before_a_time_is_left_out_and_what_is_open_is_not(session, provider):
    done, waiting = _open(session, provider), _open(session, provider, SHRINK)
    set_task_status(session, done, "SUCCEEDED")
    session.commit()
    finished_at = get_task(session, done).finished_at
    assert [task.id for task in list_tasks(session, since=finished_at)] == [done, waiting]
    assert [task.id for task in list_tasks(session, since=finished_at + timedelta(seconds=1))] == [waiting]


def test_a_task_cannot_name_a_listing_that_is_not_stored(session, provider):
    with pytest.raises(IntegrityError, match="raw_response"):
        open_rule_gen_task(session, provider.id, raw_response_id=4711, issues=[EMPTY])


ISSUES = st.lists(
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(["a", "b", "c"]),
            "severity": st.sampled_from(["error", "warning"]),
            "message": st.text(max_size=5),
        },
        optional={"field": st.sampled_from(["input_price", "context_length"])},
    ),
    max_size=6,
)


@given(issues=ISSUES, data=st.data())
def test_a_signature_depends_only_on_which_errors_there_are(issues, data):
    shuffled = data.draw(st.permutations(issues))
    repeated = [{**issue, "message": "another"} for issue in shuffled] + shuffled
    assert failure_signature(repeated) == failure_signature(issues)
    errors = {(issue["type"], issue.get("field")) for issue in issues if issue["severity"] == "error"}
    other = {"type": "d", "severity": "error"}
    assert failure_signature([*issues, other]) != failure_signature(issues)
    if errors:
        assert failure_signature([*issues, NOTE]) == failure_signature(issues)
