"""Canonical models: facts by majority, the cheapest and the median price, and the view that fills gaps from them."""

import threading

from sqlalchemy import text

from provider_pipeline.catalog import providers
from provider_pipeline_tests.catalog.builders import hours_later, model, register, write_models
from provider_pipeline_tests.catalog.offers import EVIDENCE, GPT_4O, canonical_rows, offer_rows, refreshed


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
