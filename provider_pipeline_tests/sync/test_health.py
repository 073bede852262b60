"""A provider is checked stage by stage, and nothing is written."""

import json
import socket
from typing import Any

import pytest
from sqlalchemy import text
from werkzeug import Response

from provider_pipeline import catalog
from provider_pipeline.errors import UnknownProviderError
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.listing.limits import FetchLimits
from provider_pipeline.sync.health import STAGES, HealthReport, check_many, check_provider
from provider_pipeline.sync.provider import attempt_sync
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing, moved

KEY = {"ACME_API_KEY": "sk-acme"}
BEARER = {"type": "bearer", "env": "ACME_API_KEY"}


def checked(fleet: Fleet, slug: str = "acme", **environ: str) -> HealthReport:
    """One check, without retries."""
    client = ListingClient(FetchLimits(retries=0), environ=environ)
    with fleet.database.session() as session:
        return check_provider(session, slug, client=client)


def moved_to(fleet: Fleet, base_url: str) -> None:
    """Moves the provider to another address."""
    with fleet.database.session() as session:
        catalog.providers.add(session, slug="acme", name="acme", base_url=base_url, auth_config={"type": "none"})
        session.commit()


def statuses(report: HealthReport) -> dict[str, str]:
    """Each stage's status."""
    return {stage.name: stage.status for stage in report.stages}


def failed_at(report: HealthReport) -> str:
    """The one stage that failed, after checking that earlier ones passed and later ones were not reached."""
    found = statuses(report)
    assert list(found) == list(STAGES)
    (failed,) = [name for name, status in found.items() if status == "failed"]
    place = STAGES.index(failed)
    assert all(found[name] in ("ok", "skipped") for name in STAGES[:place])
    assert all(found[name] == "skipped" for name in STAGES[place + 1 : -1])
    assert not report.healthy
    assert report.reason
    return failed


def contents(fleet: Fleet) -> dict[str, Any]:
    """Every row of every table, with its row version."""
    with fleet.database.session() as session:
        return {
            table.name: sorted(map(str, session.execute(text(f'SELECT xmin, t.* FROM "{table.name}" t'))))
            for table in catalog.tables.metadata.sorted_tables
        }


def test_a_healthy_provider_passes_every_stage(fleet: Fleet):
    fleet.add("acme", auth=BEARER)
    with fleet.database.session() as session:
        attempt_sync(session, "acme", client=ListingClient(environ=KEY))
    report = checked(fleet, **KEY)
    assert report.healthy
    assert set(statuses(report).values()) == {"ok", "skipped"}
    assert statuses(report)["tls"] == "skipped"
    assert (report.models, report.page_count, report.rule_version) == (len(CHAT_MODELS), 1, 1)
    assert report.byte_count == len(json.dumps(listing(*CHAT_MODELS)))
    assert report.last_success_at is not None
    assert report.reason is None


def test_a_check_writes_nothing_whatever_it_finds(fleet: Fleet):
    fleet.add("acme")
    before = contents(fleet)
    assert checked(fleet).healthy
    fleet.serve("acme", moved(*CHAT_MODELS))
    assert not checked(fleet).healthy
    fleet.answer("acme", "gone", status=500)
    assert not checked(fleet).healthy
    assert contents(fleet) == before


def test_a_provider_that_was_never_synced_is_healthy_with_a_warning(fleet: Fleet):
    fleet.add("acme")
    report = checked(fleet)
    assert report.healthy
    assert statuses(report)["last_success"] == "warning"
    assert report.stages[-1].detail == "never synced"


def test_invalid_settings_are_reported_before_any_request(fleet: Fleet):
    fleet.add("acme")
    with fleet.database.session() as session:
        session.execute(catalog.tables.provider.update().values(thresholds={"nonsense": 1}))
        session.commit()
    assert failed_at(checked(fleet)) == "settings"
    assert fleet.server.log == []


def test_a_missing_key_fails_the_key_stage(fleet: Fleet):
    fleet.add("acme", auth=BEARER)
    report = checked(fleet)
    assert failed_at(report) == "key"
    assert report.hint == "set ACME_API_KEY where the sync runs"


def test_an_unknown_host_name_fails_the_name_stage(fleet: Fleet):
    fleet.add("acme")
    moved_to(fleet, "http://nobody.invalid")
    assert failed_at(checked(fleet)) == "name"


def test_a_closed_port_fails_the_connection_stage(fleet: Fleet):
    fleet.add("acme")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        moved_to(fleet, f"http://127.0.0.1:{probe.getsockname()[1]}")
        assert failed_at(checked(fleet)) == "connection"


def test_a_forbidden_address_fails_its_stage(fleet: Fleet):
    fleet.add("acme")
    with fleet.database.session() as session:
        session.execute(catalog.tables.provider_metadata.update().values(request_config={"allow_http": True}))
        session.commit()
    moved_to(fleet, f"http://127.0.0.1:{fleet.server.port}")
    report = checked(fleet)
    assert failed_at(report) == "settings"
    assert "--allow-private" in (report.hint or "")


def test_a_server_without_tls_fails_the_tls_stage(fleet: Fleet):
    fleet.add("acme")
    moved_to(fleet, fleet.server.url_for("/acme").replace("http://", "https://"))
    assert failed_at(checked(fleet)) == "tls"


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_fails_the_authorised_stage(fleet: Fleet, status: int):
    fleet.add("acme", auth=BEARER)
    fleet.answer("acme", '{"error": "no"}', status=status)
    report = checked(fleet, **KEY)
    assert failed_at(report) == "authorised"
    assert (report.status, report.hint) == (status, "check the key in ACME_API_KEY")


def test_a_token_endpoint_that_refuses_the_client_fails_the_authorised_stage(fleet: Fleet):
    fleet.server.expect_request("/token").respond_with_json({"error": "invalid_client"}, status=400)
    auth = {
        "type": "oauth2_client_credentials",
        "token_url": fleet.server.url_for("/token"),
        "client_id": {"value": "us"},
        "client_secret": {"env": "ACME_API_KEY"},
    }
    fleet.add("acme", auth=auth)
    assert failed_at(checked(fleet, **KEY)) == "authorised"


@pytest.mark.parametrize(
    ("body", "status"),
    [("<html><title>Log in</title></html>", 200), ("", 200), ("[", 200), ("oops", 500), ("no such path", 404)],
)
def test_a_response_that_is_not_a_listing_fails_the_listing_stage(fleet: Fleet, body: str, status: int):
    fleet.add("acme")
    fleet.answer("acme", body, status=status)
    report = checked(fleet)
    assert failed_at(report) == "listing"
    assert report.status == (None if status == 200 else status)


def test_a_second_page_that_fails_fails_the_listing_and_the_first_is_counted(fleet: Fleet):
    fleet.add("acme", listing(*CHAT_MODELS) | {"next_page_token": "two"})
    first = json.dumps(listing(*CHAT_MODELS) | {"next_page_token": "two"})
    fleet.server.clear()
    fleet.server.expect_request("/acme/v1/models", query_string="").respond_with_response(
        Response(first, content_type="application/json")
    )
    fleet.server.expect_request("/acme/v1/models").respond_with_data("no", status=500)
    report = checked(fleet)
    assert failed_at(report) == "listing"
    assert (report.page_count, report.byte_count) == (1, len(first))


def test_a_rule_that_does_not_fit_fails_the_rule_stage(fleet: Fleet):
    fleet.add("acme")
    fleet.serve("acme", moved(*CHAT_MODELS))
    report = checked(fleet)
    assert failed_at(report) == "rule"
    assert report.models == 0


def test_a_listing_is_compared_with_the_last_accepted_one(fleet: Fleet):
    fleet.add("acme", listing(*(f"gpt-4.{number}" for number in range(40))))
    with fleet.database.session() as session:
        attempt_sync(session, "acme", client=ListingClient())
    fleet.serve("acme", listing(*CHAT_MODELS))
    assert failed_at(checked(fleet)) == "rule"


def test_a_provider_without_a_rule_gets_the_command_that_generates_one(fleet: Fleet):
    with fleet.database.session() as session:
        catalog.providers.add(session, slug="acme", name="acme", base_url="https://a.example", auth_config={})
        session.commit()
    report = checked(fleet)
    assert statuses(report)["rule"] == "failed"
    assert set(statuses(report).values()) == {"failed", "skipped", "warning"}
    assert "rules generate acme" in (report.hint or "")


def test_checks_run_in_parallel_and_a_failure_affects_no_other(fleet: Fleet):
    for slug in ("one", "two", "three"):
        fleet.add(slug)
    fleet.answer("two", "no", status=500)
    client = ListingClient(FetchLimits(retries=0))
    found = {
        each.slug: each.healthy
        for each in check_many(fleet.database.session, ["one", "two", "three", "one"], client=client)
    }
    assert found == {"one": True, "two": False, "three": True}
    with pytest.raises(UnknownProviderError):
        list(check_many(fleet.database.session, ["nobody"], client=client))
