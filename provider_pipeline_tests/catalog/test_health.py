from sqlalchemy import event

from provider_pipeline.catalog.health import provider_health, provider_overviews
from provider_pipeline_tests.catalog.builders import NOON, hours_later, model, record_failure, record_success, register


def test_health_counts_models_by_status_and_failures_since_the_last_success(session, provider, write):
    write([model("a"), model("b")])
    write([model("a")], hour=1)
    record_success(session, provider.id, now=NOON, rule_version=1, result={"status": "synced", "seconds": 0.5})
    failed = {"status": "blocked", "seconds": 1.5}
    record_failure(session, provider.id, now=hours_later(1), kind="RuleValidationError", message="x", result=failed)
    (health,) = provider_health(session)
    assert (health.slug, health.models) == ("openai", {"active": 1, "missing": 1})
    assert (health.last_success_at, health.consecutive_failures) == (NOON, 1)
    assert (health.blocked, health.last_seconds) == (True, 1.5)


def test_a_provider_that_was_never_synced_has_been_well_since_it_was_added(session, provider):
    (health,) = provider_health(session)
    assert (health.consecutive_failures, health.blocked, health.last_seconds, health.models) == (0, False, None, {})


def test_each_overview_counts_only_active_models_of_its_own_provider(session, provider, write):
    other = register(session, "anthropic")
    write([model("a"), model("b")])
    write([model("a")], hour=1)
    overviews = provider_overviews(session, [provider, other])
    assert [(each["slug"], each["active_models"]) for each in overviews] == [("openai", 1), ("anthropic", 0)]
    assert {each["last_error"] for each in overviews} == {None}


def test_one_statement_reads_the_overviews_of_all_providers(session, provider):
    providers = [provider, *(register(session, f"provider-{number}") for number in range(5))]
    executed = []
    event.listen(session.connection(), "before_cursor_execute", lambda *given: executed.append(given[2]))
    assert len(provider_overviews(session, providers)) == 6
    assert len(executed) == 1
