from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from provider_pipeline.catalog import raw_responses, trials
from provider_pipeline.catalog.raw_responses import StoredPage
from provider_pipeline.catalog.rule_versions import activate_rule
from provider_pipeline.catalog.trials import list_trials, trial_results
from provider_pipeline.errors import CatalogError, NoSuchEntryError
from provider_pipeline_tests.catalog.builders import NOON, add_rule, hours_later, register


@pytest.fixture
def candidate(session, provider) -> int:
    return add_rule(session, provider, "2", activate=False)


def _response(session, provider, content: bytes, fetched_at=NOON) -> int:
    pages = [StoredPage(0, 1, "https://x.example", content)]
    return raw_responses.store(session, provider.id, pages, complete=True, fetched_at=fetched_at).id


def _start(session, provider, version: int = 2, **options):
    values = {"now": NOON, "until_syncs": 3, "reason": "written by hand", **options}
    return trials.start(session, provider.id, version, **values)


def test_a_trial_runs_until_its_number_of_syncs_and_counts_the_same_listing_again(session, provider, candidate):
    trial = _start(session, provider, policy="promote", created_by_id=7)
    assert (trial.slug, trial.version, trial.policy, trial.status, trial.syncs) == (
        "openai",
        2,
        "promote",
        "running",
        0,
    )
    one, two = _response(session, provider, b"[1]"), _response(session, provider, b"[2]")
    for number, response in enumerate((one, two, one)):
        assert not trial.is_over(hours_later(number))
        trial = trials.record_result(
            session, trial.id, raw_response_id=response, now=hours_later(number), scores={"agreement": number}
        )
    assert (trial.syncs, trial.responses) == (3, 2)
    assert trial.is_over(hours_later(3))
    assert [
        (each.raw_response_id, each.seen_at, each.times_seen, each.scores) for each in trial_results(session, trial.id)
    ] == [
        (one, hours_later(0), 2, {"agreement": 0}),
        (two, hours_later(1), 1, {"agreement": 1}),
    ]


def test_a_trial_ends_at_its_time_at_the_latest(session, provider, candidate):
    trial = _start(session, provider, until_at=hours_later(24))
    assert not trial.is_over(hours_later(23))
    assert trial.is_over(hours_later(24))


@pytest.mark.parametrize("status", ["finished", "promoted", "stopped"])
def test_a_trial_that_ended_takes_no_more_results_and_makes_room_for_another(session, provider, candidate, status):
    trial = _start(session, provider)
    ended = trials.end(session, trial.id, status=status, now=hours_later(1), reason="seen enough")
    assert (ended.status, ended.ended_at, ended.end_reason) == (status, hours_later(1), "seen enough")
    assert trials.end(session, trial.id, status=status, now=hours_later(2), reason="again") == ended
    with pytest.raises(CatalogError, match=f"trial {trial.id} is {status}"):
        trials.record_result(session, trial.id, raw_response_id=_response(session, provider, b"1"), now=NOON, scores={})
    other = next(each for each in ("finished", "stopped") if each != status)
    with pytest.raises(CatalogError, match=f"trial {trial.id} is {status} already"):
        trials.end(session, trial.id, status=other, now=hours_later(2), reason="x")
    again = _start(session, provider)
    assert trials.running(session, provider.id) == [again]
    assert [each.id for each in list_trials(session, slug="openai")] == [trial.id, again.id]
    assert list_trials(session, status=status) == [ended]


def test_activating_a_version_ends_its_trial(session, provider, candidate):
    other = add_rule(session, provider, "3", activate=False)
    trial, kept = _start(session, provider), _start(session, provider, other)
    activate_rule(session, provider.id, candidate, reason="good scores")
    promoted = trials.get(session, trial.id)
    assert (promoted.status, promoted.end_reason) == ("promoted", "good scores")
    assert trials.running(session, provider.id) == [kept]


IMPOSSIBLE = {
    "no end": ({"until_syncs": None}, "needs an end"),
    "no sync at all": ({"until_syncs": 0}, "needs an end"),
    "an end that has passed": ({"until_at": hours_later(-1)}, "that has passed"),
    "an unknown policy": ({"policy": "hope"}, "no trial policy 'hope'"),
    "the active version": ({"version": 1}, "is the active one"),
}


@pytest.mark.parametrize(("options", "said"), IMPOSSIBLE.values(), ids=IMPOSSIBLE.keys())
def test_an_impossible_trial_is_refused_with_the_reason(session, provider, candidate, options, said):
    with pytest.raises(CatalogError, match=said):
        _start(session, provider, **options)
    assert list_trials(session) == []


def test_what_does_not_exist_is_refused_by_name(session, provider, candidate):
    with pytest.raises(NoSuchEntryError, match="no rule version 9"):
        _start(session, provider, 9)
    with pytest.raises(CatalogError, match="no trial 9"):
        trials.end(session, 9, status="stopped", now=NOON, reason="x")
    with pytest.raises(CatalogError, match="no trial 9"):
        trials.record_result(session, 9, raw_response_id=1, now=NOON, scores={})
    with pytest.raises(CatalogError, match="cannot end as 'running'"):
        trials.end(session, _start(session, provider).id, status="running", now=NOON, reason="x")


def test_a_version_is_on_one_trial_however_many_start_one_at_once(database, session, provider, candidate):
    session.commit()

    def start(_) -> bool:
        with database.session() as own, own.begin():
            try:
                _start(own, provider)
            except CatalogError as error:
                assert "is on trial already" in str(error)
                return False
            return True

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(start, range(8))) == [False] * 7 + [True]


def test_pruning_keeps_the_listings_of_a_running_trial_and_forgets_those_of_an_ended_one(session, provider, candidate):
    trial = _start(session, provider)
    session.execute(text("UPDATE provider SET raw_keep_count = 1"))
    responses = [_response(session, provider, b"%d" % number, hours_later(number)) for number in range(4)]
    trials.record_result(session, trial.id, raw_response_id=responses[0], now=NOON, scores={"agreement": 1})
    raw_responses.prune(session, provider.id)
    assert raw_responses.recent_ids(session, provider.id, limit=9) == [responses[3], responses[0]]
    trials.end(session, trial.id, status="stopped", now=NOON, reason="enough")
    raw_responses.prune(session, provider.id)
    assert raw_responses.recent_ids(session, provider.id, limit=9) == [responses[3]]
    (result,) = trial_results(session, trial.id)
    assert (result.raw_response_id, result.scores) == (None, {"agreement": 1})


def test_trials_of_other_providers_do_not_concern_a_sync(session, provider, candidate):
    other = register(session, "anthropic")
    add_rule(session, other, "2", activate=False)
    _start(session, other)
    assert trials.running(session, provider.id) == []
