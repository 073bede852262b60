"""Each promise of docs/hostile-provider.md is kept."""

import base64
import json
import logging
import zlib
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import text

from provider_pipeline.catalog.database import open_database
from provider_pipeline.definitions import build_defs
from provider_pipeline.defs.resources import CatalogResource, ListingResource
from provider_pipeline.listing.client import ListingClient
from provider_pipeline_tests.dagster_instance import run_fleet
from provider_pipeline_tests.listing.hostile.behaviour import KEY, KEY_VARIABLE, USER, Behaviour, well_behaved
from provider_pipeline_tests.listing.hostile.document import COMMAND, document
from provider_pipeline_tests.listing.hostile.names import Resolver, Unrouted
from provider_pipeline_tests.listing.hostile.search import forms_in, places_in
from provider_pipeline_tests.listing.hostile.server import HostileServer
from provider_pipeline_tests.listing.hostile.table import BEHAVIOURS
from provider_pipeline_tests.listing.hostile.world import LIMITS, Listener, World

each_behaviour = pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda behaviour: behaviour.name)


@pytest.fixture(scope="module")
def world(module_database_url: str) -> Iterator[World]:
    """All hostile providers in one catalogue, with their key in the environment."""
    with (
        pytest.MonkeyPatch.context() as patch,
        open_database(module_database_url) as database,
        HostileServer(well_behaved) as elsewhere,
    ):
        patch.setenv(KEY_VARIABLE, KEY)
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy", "NETRC"):
            patch.delenv(name, raising=False)
        Unrouted(patch)
        Resolver(
            patch,
            {
                f"{each.name}.example": [[address] for address in each.addresses]
                for each in BEHAVIOURS
                if each.addresses
            },
        )
        yield World(database, elsewhere)


@pytest.fixture(scope="module")
def log() -> Iterator[Listener]:
    """Everything that is logged while this module runs, down to the HTTP library's own lines."""
    listener, root = Listener(), logging.getLogger()
    level = root.level
    root.addHandler(listener)
    root.setLevel(logging.DEBUG)
    yield listener
    root.setLevel(level)
    root.removeHandler(listener)


@each_behaviour
def test_a_hostile_provider_meets_the_documented_outcome(world: World, log: Listener, behaviour: Behaviour):
    aftermath = world.aftermath(behaviour)
    assert (aftermath.outcome, aftermath.message) == (behaviour.outcome_name, aftermath.message)
    assert behaviour.says in aftermath.message
    assert "\n" not in aftermath.message
    assert aftermath.message == "" or behaviour.name in aftermath.message
    assert behaviour.asked in (None, aftermath.asked)
    assert aftermath.tasks == int(behaviour.opens_task)
    if behaviour.outcome == "synced":
        assert sorted(row["model_id"] for row in aftermath.after if row["status"] == "active") == sorted(behaviour.rows)
    else:
        assert aftermath.after == aftermath.before


@each_behaviour
def test_a_hostile_provider_costs_bounded_time_and_memory(world: World, log: Listener, behaviour: Behaviour):
    aftermath = world.aftermath(behaviour)
    assert len(aftermath.before) == 10
    deadline = behaviour.policy.get("deadline", LIMITS.deadline)
    assert aftermath.seconds < 20 * deadline
    assert aftermath.cpu_seconds < deadline + 2
    assert aftermath.peak_bytes < 8 * LIMITS.max_page_bytes
    assert not aftermath.threads


def test_there_are_enough_behaviours_with_distinct_names():
    assert len(BEHAVIOURS) >= 60
    assert len({behaviour.name for behaviour in BEHAVIOURS}) == len(BEHAVIOURS)


def test_the_key_is_in_no_table_log_result_error_or_traceback(world: World, log: Listener):
    for behaviour in BEHAVIOURS:
        assert not forms_in(world.aftermath(behaviour).shown), behaviour.name
    assert any("urllib3" in line for line in log.lines)
    assert [line for line in log.lines if forms_in(line)] == []
    assert list(places_in(world.database.engine)) == []


def test_no_other_host_is_asked(world: World, log: Listener):
    for behaviour in BEHAVIOURS:
        world.aftermath(behaviour)
    assert world.elsewhere.requests == []


class HostileListings(ListingResource):
    """Fetches within the limits of these tests."""

    def client(self) -> ListingClient:
        """A client with small limits."""
        return ListingClient(LIMITS)


def test_a_fleet_of_hostile_providers_leaves_the_key_in_no_event_and_the_rows_of_the_failing_as_they_were(
    world: World, log: Listener, instance: dg.DagsterInstance
):
    for behaviour in BEHAVIOURS:
        world.aftermath(behaviour)
    resources = {
        "provider_database": CatalogResource(database_url=world.database.url),
        "listings": HostileListings(max_concurrency=32),
    }
    with world.all_at_once(BEHAVIOURS):
        result = run_fleet(build_defs(resources=resources), instance)
    assert result.success
    blocking = ("listing_was_fetched", "rule_extracts_models", "listing_is_plausible")
    checks = [each for each in result.get_asset_check_evaluations() if each.check_name in blocking]
    troubled = {each.partition for each in checks if not each.passed}
    failing = [behaviour for behaviour in BEHAVIOURS if behaviour.outcome != "synced"]
    assert sorted(troubled) == sorted(behaviour.name for behaviour in failing)
    assert [each.name for each in failing if world.rows(each) != world.aftermath(each).before] == []
    events = [entry.to_json() for entry in instance.all_logs(result.run_id)]
    assert len(events) > len(BEHAVIOURS)
    assert [event for event in events if forms_in(event)] == []
    assert [line for line in log.lines if forms_in(line)] == []
    assert world.elsewhere.requests == []
    for engine in (world.database.engine, instance.event_log_storage._engine):
        assert list(places_in(engine)) == []


def test_the_search_finds_the_key_in_whatever_column_it_is_put(empty_database_url: str):
    with open_database(empty_database_url) as database, database.engine.connect() as connection:
        connection.execute(text("CREATE TABLE plain (a text, b jsonb, c bytea, d text[], e bytea)"))
        values = {
            "a": f"Bearer {KEY}",
            "b": json.dumps({"k": [KEY]}),
            "c": zlib.compress(json.dumps({"k": KEY}).encode("utf-16")),
            "d": [base64.b64encode(f"{USER}:{KEY}".encode()).decode()],
            "e": KEY.encode(),
        }
        connection.execute(text("INSERT INTO plain VALUES (:a, CAST(:b AS jsonb), :c, :d, :e)"), values)
        connection.commit()
        assert {place.split(":")[0] for place in places_in(database.engine)} == {
            f"public.plain.{each}" for each in "abcde"
        }


def test_the_documentation_is_what_the_table_says():
    page = Path(__file__).parents[2] / "docs" / "hostile-provider.md"
    assert page.read_text(encoding="utf-8") == document(), f"regenerate it: {COMMAND}"
