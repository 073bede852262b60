import threading

import pytest
from sqlalchemy import text

from provider_pipeline.catalog import canonical, model_overrides, providers, sync_state
from provider_pipeline.rules.identity import canonical_of
from provider_pipeline.rules.prices import usd_per_million_tokens
from provider_pipeline_tests.catalog.builders import hours_later, model, register, removes_after, write_models

GPT_4O = canonical_of("gpt-4o").id
EVIDENCE = {"capabilities": {"tools": True}, "capability_sources": {"tools": "evidence"}}


@pytest.fixture
def offered(session):
    """Writes a provider's listing, commits, refreshes and commits; returns the report."""
    known = {}

    def run(slug, *rows, hour=0, removal_after=1):
        if slug not in known:
            known[slug] = register(session, slug)
            removes_after(session, known[slug], misses=removal_after, hours=0)
        write_models(session, known[slug].id, rows, now=hours_later(hour), rule_version=1)
        session.commit()
        return refreshed(session, hour=hour)

    return run


def refreshed(session, *, hour=0):
    report = canonical.refresh(session, now=hours_later(hour))
    session.commit()
    return report


def canonical_rows(session):
    query = text("SELECT * FROM canonical_model ORDER BY id")
    return {row["id"]: dict(row) for row in session.execute(query).mappings()}


def offer_rows(session):
    query = text("SELECT * FROM model_offer ORDER BY slug, model_id")
    return {(row["slug"], row["model_id"]): dict(row) for row in session.execute(query).mappings()}


def override(session, slug, model_id, value):
    provider_id = providers.get(session, slug).id
    model_overrides.put(session, provider_id, model_id, "canonical_id", value, reason="we know")
    session.commit()


def test_offers_of_one_model_at_several_providers_become_one_canonical_model(session, offered):
    offered("one", model("openai/gpt-4o", context_length=128_000, input_price=2.5, **EVIDENCE))
    report = offered("two", model("gpt-4o", context_length=128_000, input_price=3))
    (found,) = canonical_rows(session).values()
    assert (report.offers_assigned, report.models_changed, report.models_removed) == (1, 1, 0)
    assert (found["offers"], found["providers"], found["context_length"]) == (2, 2, 128_000)
    assert found["capabilities"] == {"tools": True}
    assert found["agreement"]["context_length"] == {"agree": 2, "differ": {}}
    assert found["prices"]["input"] == {
        "currency": "USD",
        "unit": "million_tokens",
        "cheapest": 2.5,
        "cheapest_slug": "one",
        "cheapest_model_id": "openai/gpt-4o",
        "median": 2.75,
        "offers": 2,
    }


def test_a_median_price_has_no_more_digits_than_its_offers(session, offered):
    offered("one", model("gpt-4o", input_price=0.22))
    offered("two", model("gpt-4o", input_price=0.6))
    (found,) = canonical_rows(session).values()
    assert found["prices"]["input"]["median"] == 0.41
    offered("three", model("gpt-4o", input_price=0.5))
    (found,) = canonical_rows(session).values()
    assert found["prices"]["input"]["median"] == 0.5


def test_a_fact_without_a_majority_is_unknown_and_says_who_states_what(session, offered):
    offered("one", model("gpt-4o", context_length=128_000, max_output_tokens=4_096))
    offered("two", model("gpt-4o", context_length=131_072, max_output_tokens=4_096))
    offered("three", model("gpt-4o", max_output_tokens=16_384))
    (found,) = canonical_rows(session).values()
    assert found["context_length"] is None
    assert found["agreement"]["context_length"] == {"agree": 0, "differ": {"one": 128_000, "two": 131_072}}
    assert found["max_output_tokens"] == 4_096
    assert found["agreement"]["max_output_tokens"] == {"agree": 2, "differ": {"three": 16_384}}


def test_a_provider_with_many_offers_of_a_model_has_one_vote(session, offered):
    many = [model(name, context_length=64_000) for name in ("gpt-4o", "openai/gpt-4o", "GPT-4o")]
    offered("many", *many)
    offered("two", model("gpt-4o", context_length=128_000))
    offered("three", model("gpt-4o", context_length=128_000))
    (found,) = canonical_rows(session).values()
    assert (found["offers"], found["providers"], found["context_length"]) == (5, 3, 128_000)


def test_a_capability_that_only_a_name_suggests_is_no_fact_of_the_model(session, offered):
    guessed = {"capabilities": {"vision": True}, "capability_sources": {"vision": "regex"}}
    offered("one", model("gpt-4o", **guessed))
    (found,) = canonical_rows(session).values()
    assert found["capabilities"] == {}


def test_prices_in_the_rarer_currency_are_not_compared(session, offered):
    euros = {"input": {"amount": 0.1, "unit": "million_tokens", "currency": "EUR"}}
    offered("one", model("gpt-4o", prices=euros))
    offered("two", model("gpt-4o", input_price=3))
    offered("three", model("gpt-4o", input_price=2))
    (found,) = canonical_rows(session).values()
    price = found["prices"]["input"]
    assert (price["currency"], price["cheapest"], price["median"], price["offers"]) == ("USD", 2, 2.5, 2)


def test_a_removed_offer_does_not_count_for_the_cheapest_price(session, offered):
    offered("one", model("gpt-4o", input_price=1, context_length=128_000), model("other"))
    offered("two", model("gpt-4o", input_price=3))
    offered("one", model("other"), hour=1)
    found = canonical_rows(session)[GPT_4O]
    assert (found["offers"], found["prices"]["input"]["cheapest"], found["context_length"]) == (1, 3, None)
    assert found["removed_at"] is None


def test_what_is_known_of_a_model_that_nobody_offers_any_more_stays_but_its_prices(session, offered):
    offered("one", model("gpt-4o", input_price=1, context_length=128_000), model("other"))
    offered("one", model("other"), hour=1)
    found = canonical_rows(session)[GPT_4O]
    assert (found["offers"], found["prices"], found["context_length"]) == (0, {}, 128_000)
    assert found["removed_at"] == hours_later(1)


def test_a_disabled_provider_does_not_count(session, offered):
    offered("one", model("gpt-4o", input_price=1))
    offered("two", model("gpt-4o", input_price=3))
    providers.set_enabled(session, "one", False)
    session.commit()
    assert refreshed(session).models_changed == 1
    (found,) = canonical_rows(session).values()
    assert (found["offers"], found["prices"]["input"]["cheapest_slug"]) == (1, "two")


def test_a_model_ends_on_the_last_of_its_providers_dates_if_all_are_known(session, offered):
    offered("one", model("gpt-4o", retires_on="2026-12-01"))
    offered("two", model("gpt-4o"))
    assert canonical_rows(session)[GPT_4O]["retires_on"] is None
    offered("two", model("gpt-4o", retires_on="2027-01-01"), hour=1)
    assert str(canonical_rows(session)[GPT_4O]["retires_on"]) == "2027-01-01"


def test_a_refresh_without_changes_writes_nothing(session, offered, row_versions):
    offered("one", model("gpt-4o", input_price=1, **EVIDENCE), model("claude-sonnet-4-5"))
    override(session, "one", "gpt-4o", "acme/gpt-4o")
    refreshed(session)
    before = [row_versions(table) for table in ("model_identity", "canonical_model")]
    assert refreshed(session, hour=1) == canonical.RefreshReport()
    assert [row_versions(table) for table in ("model_identity", "canonical_model")] == before


def test_more_offers_than_are_kept_in_memory_are_all_assigned_and_counted(session, provider):
    many = text(
        "INSERT INTO provider_model (provider_id, model_id, meta_hash, first_seen_at, last_seen_at, rule_version)"
        " SELECT :provider, concat(owner, '/nimbus-', number), repeat('0', 64), now(), now(), 1"
        " FROM generate_series(1, 5100) AS number CROSS JOIN unnest(ARRAY['openrouter', 'vertex_ai']) AS owner"
    )
    session.execute(many, {"provider": provider.id})
    session.commit()
    report = refreshed(session)
    assert (report.offers_assigned, report.models_changed, report.events) == (10_200, 5_100, ())
    assert set(session.scalars(text("SELECT offers FROM canonical_model"))) == {2}
    assert refreshed(session, hour=1) == canonical.RefreshReport()


def test_only_the_models_of_changed_offers_are_computed_anew(session, offered):
    offered("one", model("gpt-4o", input_price=1), model("claude-sonnet-4-5"))
    report = offered("one", model("gpt-4o", input_price=2), model("claude-sonnet-4-5"), hour=1)
    assert (report.offers_assigned, report.models_changed) == (1, 1)
    changed = {name: row["changed_at"] for name, row in canonical_rows(session).items()}
    assert changed == {GPT_4O: hours_later(1), canonical_of("claude-sonnet-4-5").id: hours_later(0)}


def test_two_writes_in_one_transaction_are_both_seen(session):
    one = register(session, "one")
    for price in (1, 2):
        write_models(session, one.id, [model("gpt-4o", input_price=price)], now=hours_later(price), rule_version=1)
        canonical.refresh(session)
        assert canonical_rows(session)[GPT_4O]["prices"]["input"]["cheapest"] == price


def test_an_override_moves_an_offer_and_its_end_moves_it_back(session, offered):
    offered("one", model("gpt-4o"), model("prod-chat"))
    alone = offer_rows(session)["one", "prod-chat"]["canonical_id"]
    override(session, "one", "prod-chat", GPT_4O)
    report = refreshed(session)
    assert (report.models_changed, report.models_removed) == (1, 1)
    moved = offer_rows(session)["one", "prod-chat"]
    assert (moved["canonical_id"], moved["certainty"]) == (GPT_4O, "stated")
    model_overrides.remove(session, moved["provider_id"], "prod-chat", "canonical_id")
    session.commit()
    refreshed(session)
    assert offer_rows(session)["one", "prod-chat"]["canonical_id"] == alone


def test_an_override_of_null_means_that_the_model_is_not_known(session, offered):
    offered("one", model("gpt-4o"))
    override(session, "one", "gpt-4o", None)
    refreshed(session)
    found = offer_rows(session)["one", "gpt-4o"]
    assert (found["canonical_id"], found["candidate_id"], found["certainty"]) == (None, None, "stated")
    assert canonical_rows(session) == {}


def test_an_override_of_the_canonical_id_changes_no_row_of_the_provider(session, offered, row_versions):
    offered("one", model("gpt-4o"))
    before = row_versions("provider_model")
    override(session, "one", "gpt-4o", "openai/gpt-4o")
    assert not sync_state.overrides(session, providers.get(session, "one").id, hours_later(0))
    refreshed(session)
    assert row_versions("provider_model") == before


def test_an_offer_that_contradicts_the_others_is_ambiguous_until_it_no_longer_does(session, offered):
    for slug in ("one", "two", "three"):
        offered(slug, model("gpt-4o", context_length=128_000, input_price=3))
    offered("odd", model("gpt-4o", context_length=4_096, input_price=1))
    odd = offer_rows(session)["odd", "gpt-4o"]
    assert (odd["canonical_id"], odd["candidate_id"], odd["certainty"]) == (None, GPT_4O, "ambiguous")
    found = canonical_rows(session)[GPT_4O]
    assert (found["offers"], found["prices"]["input"]["cheapest"], found["context_length"]) == (3, 3, 128_000)
    assert refreshed(session) == canonical.RefreshReport()
    report = offered("odd", model("gpt-4o", context_length=100_000, input_price=1), hour=1)
    odd = offer_rows(session)["odd", "gpt-4o"]
    assert (odd["canonical_id"], odd["certainty"]) == (GPT_4O, "known")
    assert canonical_rows(session)[GPT_4O]["offers"] == 4
    assert report.events == ()


def test_an_offer_that_a_person_assigned_is_never_ambiguous(session, offered):
    for slug in ("one", "two", "three"):
        offered(slug, model("gpt-4o", context_length=128_000))
    offered("odd", model("gpt-4o", context_length=4_096))
    override(session, "odd", "gpt-4o", GPT_4O)
    refreshed(session)
    assert offer_rows(session)["odd", "gpt-4o"]["canonical_id"] == GPT_4O


def test_prices_are_those_of_the_model_as_released_unless_every_offer_is_a_variant(session, offered):
    offered("one", model("gpt-4o", input_price=3))
    offered("two", model("gpt-4o:free", input_price=0))
    price = canonical_rows(session)[GPT_4O]["prices"]["input"]
    assert (price["cheapest"], price["cheapest_slug"], price["offers"]) == (3, "one", 1)
    offered("one", model("other"), hour=1)
    price = canonical_rows(session)[GPT_4O]["prices"]["input"]
    assert (price["cheapest"], price["cheapest_slug"], price["variant"]) == (0, "two", "free")


def test_the_view_fills_gaps_and_marks_each_value_but_no_price(session, offered):
    full = {"max_output_tokens": 4_096, "input_modalities": ["image", "text"], "output_modalities": ["text"]}
    offered("one", model("gpt-4o", context_length=128_000, input_price=2, released_on="2024-05-13", **full, **EVIDENCE))
    offered("two", model("gpt-4o", max_output_tokens=2_048))
    bare = offer_rows(session)["two", "gpt-4o"]
    assert (bare["context_length"], bare["max_output_tokens"]) == (128_000, 2_048)
    assert (bare["capabilities"], bare["capability_sources"]) == ({"tools": True}, {"tools": "canonical"})
    assert (bare["input_price"], bare["prices"], bare["released_on"]) == (None, {}, None)
    assert bare["filled"] == dict.fromkeys(
        ["context_length", "input_modalities", "output_modalities", "capabilities.tools"], "canonical"
    )
    assert offer_rows(session)["one", "gpt-4o"]["filled"] == {}
    untouched = session.execute(text("SELECT context_length FROM provider_model_current WHERE slug = 'two'")).scalar()
    assert untouched is None


def test_nothing_is_filled_from_models_that_only_share_an_unknown_name(session, offered):
    offered("one", model("assistant", context_length=8_192, **EVIDENCE))
    offered("two", model("assistant"))
    bare = offer_rows(session)["two", "assistant"]
    assert (bare["canonical_id"], bare["certainty"]) == ("assistant", "unverified")
    assert (bare["context_length"], bare["capabilities"], bare["filled"]) == (None, {}, {})


def test_a_limit_is_not_filled_where_the_offers_own_limits_contradict_it(session, offered):
    offered("one", model("gpt-4o", context_length=8_192, max_output_tokens=8_000))
    offered("two", model("gpt-4o", max_output_tokens=16_384), model("other"))
    offered("three", model("gpt-4o", context_length=4_096))
    found = offer_rows(session)
    assert found["two", "gpt-4o"]["context_length"] is None
    assert found["three", "gpt-4o"]["max_output_tokens"] is None


def test_an_offer_is_in_the_view_before_any_refresh(session, provider, write):
    write([model("gpt-4o", context_length=8_192, **EVIDENCE)])
    found = offer_rows(session)["openai", "gpt-4o"]
    assert (found["canonical_id"], found["certainty"], found["context_length"]) == (None, None, 8_192)
    assert (found["capabilities"], found["filled"]) == ({"tools": True}, {})


def test_the_view_has_every_column_of_the_current_models(session):
    columns = text("SELECT column_name FROM information_schema.columns WHERE table_name = :view")
    current, offer = (
        set(session.scalars(columns, {"view": view})) for view in ("provider_model_current", "model_offer")
    )
    assert offer - current == {
        *("canonical_id", "candidate_id", "lab", "snapshot", "variant", "certainty", "filled"),
    }
    assert current <= offer


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


def test_concurrent_refreshes_wait_for_each_other_and_agree(database, session):
    one = register(session, "one")
    write_models(session, one.id, [model(f"gpt-{count}") for count in range(50)], now=hours_later(0), rule_version=1)
    session.commit()
    reports, failures = [], []

    def run():
        try:
            with database.session() as own:
                reports.append(refreshed(own))
        except Exception as error:  # noqa: BLE001 - reported below
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sorted(report.offers_assigned for report in reports) == [0, 0, 0, 50]
    assert len(canonical_rows(session)) == 50


def test_the_view_and_each_of_its_columns_have_a_comment(session):
    silent = session.scalars(
        text("""
            SELECT attname FROM pg_attribute
            WHERE attrelid = 'model_offer'::regclass AND attnum > 0
                AND (col_description(attrelid, attnum) IS NULL OR obj_description(attrelid) IS NULL)
        """)
    ).all()
    assert silent == []
