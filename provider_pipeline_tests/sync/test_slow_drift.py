"""Implausible changes in one step or in many small ones, and honest providers that change as much over time."""

import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from itertools import pairwise
from typing import Any

import pytest

from provider_pipeline import catalog
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.listing.limits import FetchLimits
from provider_pipeline.sync.outcome import SyncOutcome
from provider_pipeline.sync.plan import accept_guards
from provider_pipeline.sync.provider import attempt_sync
from provider_pipeline_tests.fleet import Fleet

CLIENT = ListingClient(FetchLimits(retries=0, read_timeout=5))
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
Item = dict[str, Any]


def item(model_id: str, number: int = 0, *, price: float = 1.0, context: float = 1.0) -> Item:
    return {
        "id": model_id,
        "context_length": int(8_192 * (1 + number % 9) * context),
        "pricing": {"prompt": f"{price * (1 + number % 7) / 1e6:.12f}"},
    }


def items(*numbers: int, price: float = 1.0, context: float = 1.0) -> list[Item]:
    return [item(f"gpt-{number}", number, price=price, context=context) for number in numbers]


def listing(models: Sequence[Item]) -> dict[str, Any]:
    return {"object": "list", "data": list(models)}


def add(fleet: Fleet, models: Sequence[Item], **thresholds: float) -> None:
    fleet.add("acme", listing(models))
    with fleet.database.session() as session:
        provider = catalog.providers.get(session, "acme")
        catalog.providers.add(
            session,
            slug="acme",
            name="acme",
            base_url=provider.base_url,
            auth_config=provider.auth_config,
            request_config=provider.request_config,
            thresholds=thresholds,
        )
        session.commit()


def sync(fleet: Fleet, models: Sequence[Item], at: datetime = NOON, *accept: str) -> SyncOutcome:
    fleet.serve("acme", listing(models))
    accepted = accept_guards(accept, "they announced it") if accept else None
    with fleet.database.session() as session:
        return attempt_sync(session, "acme", client=CLIENT, accept=accepted, clock=lambda: at)


def series(fleet: Fleet, listings: Iterable[Sequence[Item]], step: timedelta) -> list[SyncOutcome]:
    return [sync(fleet, models, NOON + number * step) for number, models in enumerate(listings)]


def held(outcome: SyncOutcome) -> set[str]:
    return {issue["type"] for issue in outcome.issues if issue["severity"] == "error"}


def warned(outcome: SyncOutcome) -> set[str]:
    return {issue["type"] for issue in outcome.issues if issue["severity"] == "warning"}


def statuses(fleet: Fleet) -> dict[str, int]:
    found = [status for _, status, _ in fleet.rows("acme").values()]
    return {status: found.count(status) for status in set(found)}


def digest(model_id: str) -> bytes:
    return blake2b(model_id.encode(), digest_size=6).digest()


# ---- fast


def test_ids_with_colliding_hashes_count_as_new(fleet: Fleet):
    known = items(*range(300))
    add(fleet, known)
    sync(fleet, known)
    kept = min(known, key=lambda each: digest(each["id"]))
    smaller = (f"made-up-{number}" for number in range(10**7) if digest(f"made-up-{number}") < digest(kept["id"]))
    made_up = [item(next(smaller)) for _ in range(2_047)]
    outcome = sync(fleet, [kept, *made_up], NOON + HOUR)
    assert outcome.status == "blocked"
    assert held(outcome) >= {"listing_turned_over", "listing_grew"}
    assert "1 of the 300 models of the last accepted listing is still listed, 2,047 are new" in (outcome.reason or "")
    assert statuses(fleet) == {"active": 300}


def test_growth_is_held_with_exact_numbers_and_the_command_that_accepts_it(fleet: Fleet):
    known, grown = items(*range(10)), items(*range(1_010))
    add(fleet, known)
    sync(fleet, known)
    outcome = sync(fleet, grown, NOON + HOUR)
    assert (outcome.status, held(outcome)) == ("blocked", {"listing_grew"})
    assert outcome.reason == (
        "acme: the listing has 1,010 models, the last accepted listing had 10: 10 of the 10 models of the last "
        "accepted listing are still listed, 1,000 are new; if that is right: provider-pipeline sync acme "
        "--accept growth --reason WHY"
    )
    assert statuses(fleet) == {"active": 10}
    assert sync(fleet, grown, NOON + HOUR, "growth").created == 1_000


def test_returning_models_are_not_growth(fleet: Fleet):
    known = items(*range(300))
    add(fleet, known)
    sync(fleet, known)
    assert sync(fleet, known[:10], NOON + HOUR, "shrink", "turnover").missing == 290
    outcome = sync(fleet, known, NOON + 2 * HOUR)
    assert (outcome.status, outcome.restored, warned(outcome)) == ("synced", 290, set())


def test_returning_models_are_compared_with_their_old_values(fleet: Fleet):
    known = items(*range(60))
    add(fleet, known, window_days=0)
    sync(fleet, known)
    assert sync(fleet, known[:45], NOON + HOUR).missing == 15
    outcome = sync(fleet, [*known[:45], *items(*range(45, 60), price=50)], NOON + 2 * HOUR)
    assert held(outcome) == {"prices_jumped"}


def test_a_reason_names_every_guard_that_must_be_accepted(fleet: Fleet):
    known = items(*range(20))
    add(fleet, known)
    sync(fleet, known)
    outcome = sync(fleet, items(*range(100, 105), price=50), NOON + HOUR)
    assert outcome.reason is not None
    assert outcome.reason.endswith("provider-pipeline sync acme --accept shrink --accept turnover --reason WHY")
    assert sync(fleet, items(*range(100, 105), price=50), NOON + HOUR, "shrink", "turnover").status == "synced"


def test_ids_in_another_case_are_found_in_the_table(fleet: Fleet):
    known = items(*range(40))
    add(fleet, known)
    sync(fleet, known)
    outcome = sync(fleet, [{**each, "id": each["id"].upper()} for each in known], NOON + HOUR)
    assert (outcome.status, outcome.renamed, warned(outcome)) == ("synced", 40, set())


def test_a_server_of_one_model_may_swap_it_and_the_old_one_is_missing(fleet: Fleet):
    add(fleet, items(1))
    swaps = series(fleet, [items(number, context=1 / number) for number in range(1, 7)], HOUR)
    assert [outcome.status for outcome in swaps] == ["synced"] * 6
    assert all("listing_turned_over" in warned(outcome) for outcome in swaps[1:])
    assert statuses(fleet) == {"active": 1, "missing": 5}


# ---- slowly


@pytest.mark.parametrize("step", [timedelta(minutes=1), HOUR, DAY])
def test_repeatedly_replacing_two_thirds_of_the_ids_counts_as_turnover(fleet: Fleet, step: timedelta):
    add(fleet, items(*range(100)))
    outcomes = series(fleet, (items(*range(69 * number, 69 * number + 100)) for number in range(8)), step)
    first, second, third = outcomes[:3]
    assert first.status == second.status == "synced"
    assert "listing_turned_over" in warned(second)
    assert (third.status, held(third)) == ("blocked", {"listing_turned_over"})
    replaced = f"{NOON + step:%Y-%m-%d %H:%M}"
    assert f"0 of the 100 models of the listing before {replaced} UTC are still listed, 100 are new" in (
        third.reason or ""
    )
    assert {outcome.status for outcome in outcomes[2:]} == {"blocked"}


def test_creeping_prices_and_limits_are_held_where_one_equal_step_would_be(fleet: Fleet):
    numbers = range(60)
    steps = [items(*numbers, price=2.5**step, context=1.3**-step) for step in range(4)]
    add(fleet, steps[0])
    outcomes = series(fleet, steps, HOUR)
    assert [outcome.status for outcome in outcomes] == ["synced", "synced", "synced", "blocked"]
    assert warned(outcomes[1]) == warned(outcomes[2]) == {"prices_moved", "limits_moved"}
    assert held(outcomes[3]) == {"prices_jumped", "limits_shrank"}


def test_price_changes_of_different_models_add_up(fleet: Fleet):
    add(fleet, items(*range(60)))
    mixed = [
        items(*range(60)),
        items(*range(9), price=20) + items(*range(9, 60)),
        items(*range(18), price=20) + items(*range(18, 60)),
    ]
    outcomes = series(fleet, mixed, HOUR)
    assert [outcome.status for outcome in outcomes] == ["synced", "synced", "blocked"]
    (issue,) = [issue for issue in outcomes[2].issues if issue["type"] == "prices_jumped"]
    assert "18 of 60 models" in issue["message"]


def test_gradual_growth_or_shrinking_is_held_at_the_bound_of_one_step(fleet: Fleet):
    add(fleet, items(*range(80)))
    grown = series(fleet, (items(*range(count)) for count in (80, 150, 230, 260)), HOUR)
    assert [outcome.status for outcome in grown] == ["synced", "synced", "synced", "blocked"]
    assert held(grown[3]) == {"listing_grew"}
    shrunk = [sync(fleet, items(*range(count)), NOON + (24 * 9 + hour) * HOUR) for hour, count in enumerate((170, 130))]
    assert [outcome.status for outcome in shrunk] == ["synced", "blocked"]
    assert held(shrunk[1]) == {"listing_shrunk"}


def test_a_field_that_fades_away_is_held(fleet: Fleet):
    models = items(*range(40))
    add(fleet, models)

    def faded(without: int) -> list[Item]:
        return [{name: each[name] for name in ("id", "pricing")} for each in models[:without]] + models[without:]

    outcomes = series(fleet, [models, faded(16), faded(26)], HOUR)
    assert [outcome.status for outcome in outcomes] == ["synced", "synced", "blocked"]
    assert held(outcomes[2]) == {"field_vanished"}


def test_steps_are_counted_from_a_listing_that_was_stable_for_weeks(fleet: Fleet):
    add(fleet, items(*range(60)))
    sync(fleet, items(*range(60)))
    weeks_later = NOON + 40 * DAY
    assert sync(fleet, items(*range(60)), weeks_later).not_modified
    assert sync(fleet, items(*range(60), price=9.9), weeks_later + HOUR).status == "synced"
    assert held(sync(fleet, items(*range(60), price=98), weeks_later + 2 * HOUR)) == {"prices_jumped"}


def test_changes_older_than_the_window_are_not_added_up(fleet: Fleet):
    add(fleet, items(*range(60)))
    steps = [items(*range(60), price=4.0**step) for step in range(5)]
    assert {outcome.status for outcome in series(fleet, steps, 8 * DAY)} == {"synced"}


def test_the_window_is_the_providers_own(fleet: Fleet):
    steps = [items(*range(60), price=4.0**step) for step in range(3)]
    add(fleet, steps[0], window_days=0)
    assert {outcome.status for outcome in series(fleet, steps, HOUR)} == {"synced"}


def test_steps_are_counted_from_an_accepted_listing(fleet: Fleet):
    add(fleet, items(*range(60)))
    sync(fleet, items(*range(60)))
    sync(fleet, items(*range(60), price=9.9), NOON + HOUR)
    far = items(*range(60), price=60)
    assert sync(fleet, far, NOON + 2 * HOUR).status == "blocked"
    assert sync(fleet, far, NOON + 3 * HOUR, "prices").status == "synced"
    assert sync(fleet, items(*range(60), price=200), NOON + 4 * HOUR).status == "synced"


def test_listings_are_remembered_for_the_window_and_no_more_than_about_one_a_day(fleet: Fleet):
    add(fleet, items(*range(20)))
    outcomes = series(fleet, (items(*range(20), price=1 + number / 1_000) for number in range(24)), 10 * HOUR)
    assert {outcome.status for outcome in outcomes} == {"synced"}
    with fleet.database.session() as session:
        state = catalog.sync_state.get(session, catalog.providers.get(session, "acme").id)
    moments = [datetime.fromisoformat(each["replaced_at"]) for each in state.window]
    last = NOON + 23 * 10 * HOUR
    assert moments == sorted(moments)
    assert [after - before for before, after in pairwise(moments)] == [30 * HOUR] * 5
    assert last - 7 * DAY < moments[0] <= last - 6 * DAY
    assert all(each["profile"]["listed"] == 20 for each in state.window)


def test_steps_in_a_row_after_a_long_outage_are_counted_from_before_it(fleet: Fleet):
    add(fleet, items(*range(60)))
    sync(fleet, items(*range(60)))
    later = NOON + 40 * DAY
    assert sync(fleet, items(*range(60), price=9.9), later).status == "synced"
    assert held(sync(fleet, items(*range(60), price=98), later + HOUR)) == {"prices_jumped"}


# ---- honest


class HonestProvider:
    """A growing provider that adds, removes and reprices models every day, and sometimes cuts all prices."""

    def __init__(self, seed: int, growth: float) -> None:
        self._random = random.Random(seed)
        self._growth = growth
        self._models = {number: [1.0, 1.0] for number in range(50)}
        self._next = 50

    def day(self, number: int) -> list[Item]:
        for _ in range(self._random.randint(0, round(len(self._models) * self._growth))):
            self._models[self._next] = [1.0, 1.0]
            self._next += 1
        for gone in self._random.sample(sorted(self._models), self._random.randint(0, len(self._models) // 20)):
            del self._models[gone]
        for one in self._random.sample(sorted(self._models), 4):
            self._models[one][0] *= self._random.choice((0.2, 0.5, 0.8, 1.5, 3))
            self._models[one][1] *= self._random.choice((0.5, 1, 2))
        if number % 10 == 5:
            for each in self._models.values():
                each[0] *= 0.7
        return [item(f"gpt-{key}", key, price=price, context=context) for key, (price, context) in self._models.items()]


@pytest.mark.parametrize(("seed", "growth"), [(1, 0.05), (2, 0.12)])
def test_an_honest_provider_is_never_held_for_six_weeks(fleet: Fleet, seed: int, growth: float):
    provider = HonestProvider(seed, growth)
    days = [provider.day(number) for number in range(42)]
    add(fleet, days[0])
    assert {outcome.reason for outcome in series(fleet, days, DAY)} == {None}
