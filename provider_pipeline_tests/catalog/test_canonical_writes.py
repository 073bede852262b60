"""Only models that differ are written, and only what is new to readers is told as news."""

from provider_pipeline.catalog import canonical
from provider_pipeline.rules.identity import canonical_of
from provider_pipeline.rules.prices import usd_per_million_tokens
from provider_pipeline_tests.catalog.builders import hours_later, model
from provider_pipeline_tests.catalog.offers import EVIDENCE, GPT_4O, canonical_rows, override, refreshed


def test_a_refresh_without_changes_writes_nothing(session, offered, row_versions):
    offered("one", model("gpt-4o", input_price=1, **EVIDENCE), model("claude-sonnet-4-5"))
    override(session, "one", "gpt-4o", "acme/gpt-4o")
    refreshed(session)
    before = [row_versions(table) for table in ("model_identity", "canonical_model")]
    assert refreshed(session, hour=1) == canonical.RefreshReport()
    assert [row_versions(table) for table in ("model_identity", "canonical_model")] == before


def test_only_the_models_of_changed_offers_are_computed_anew(session, offered):
    offered("one", model("gpt-4o", input_price=1), model("claude-sonnet-4-5"))
    report = offered("one", model("gpt-4o", input_price=2), model("claude-sonnet-4-5"), hour=1)
    assert (report.offers_assigned, report.models_changed) == (1, 1)
    changed = {name: row["changed_at"] for name, row in canonical_rows(session).items()}
    assert changed == {GPT_4O: hours_later(1), canonical_of("claude-sonnet-4-5").id: hours_later(0)}


def test_what_was_there_at_the_first_refresh_or_a_providers_first_listing_is_no_news(session, offered):
    assert offered("one", model("gpt-4o", input_price=3)).events == ()
    assert offered("two", model("new-model"), hour=1).events == ()


def test_a_model_at_its_first_provider_is_news_and_at_its_second_is_not(session, offered):
    offered("one", model("gpt-4o"))
    offered("two", model("gpt-4o"))
    (event,) = offered("one", model("gpt-4o"), model("gpt-5"), hour=1).events
    assert (event.kind, event.canonical_id) == ("appeared", canonical_of("gpt-5").id)
    assert (event.slug, event.model_id) == ("one", "gpt-5")
    assert offered("two", model("gpt-4o"), model("gpt-5"), hour=2).events == ()


def test_a_price_below_the_cheapest_offer_is_news_and_any_other_change_is_not(session, offered):
    offered("one", model("gpt-4o", input_price=3, output_price=9))
    offered("two", model("gpt-4o", input_price=5, output_price=10))
    assert offered("two", model("gpt-4o", input_price=4, output_price=10), hour=1).events == ()
    (event,) = offered("two", model("gpt-4o", input_price=2, output_price=10), hour=2).events
    assert (event.kind, event.slug, event.model_id) == ("undercut", "two", "gpt-4o")
    assert event.detail == {
        "input": {
            "was": 3,
            "was_slug": "one",
            "now": 2,
            "slug": "two",
            "model_id": "gpt-4o",
            "unit": "million_tokens",
            "currency": "USD",
        }
    }
    assert offered("two", model("gpt-4o", input_price=8, output_price=10), hour=3).events == ()


def test_a_model_that_is_removed_at_its_last_provider_is_news_once(session, offered):
    offered("one", model("gpt-4o"), model("other"))
    offered("two", model("gpt-4o"), model("other"))
    assert offered("one", model("other"), hour=1).events == ()
    (event,) = offered("two", model("other"), hour=2).events
    assert (event.kind, event.canonical_id, event.slug, event.model_id) == ("ended", GPT_4O, "two", "gpt-4o")
    assert refreshed(session, hour=3).events == ()


def test_a_model_that_is_only_missing_has_not_ended(session, offered):
    offered("one", model("gpt-4o"), model("other"), removal_after=2)
    assert offered("one", model("other"), hour=1).events == ()
    assert [event.kind for event in offered("one", model("other"), hour=2).events] == ["ended"]


def test_a_model_that_an_override_moves_is_no_news(session, offered):
    offered("one", model("gpt-4o", input_price=3), model("cheap", prices={"input": usd_per_million_tokens(1)}))
    override(session, "one", "cheap", GPT_4O)
    assert refreshed(session, hour=1).events == ()
