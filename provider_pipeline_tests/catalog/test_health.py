from provider_pipeline.catalog.health import provider_health, provider_overview
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


def test_the_overview_counts_only_active_models_of_its_own_provider(session, provider, write):
    register(session, "anthropic")
    write([model("a"), model("b")])
    write([model("a")], hour=1)
    overview = provider_overview(session, provider)
    assert (overview["slug"], overview["active_models"], overview["last_error"]) == ("openai", 1, None)
