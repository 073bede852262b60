"""Prices by component and tier: now, at past moments, over time, and in catalogues from before they were kept."""

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from sqlalchemy import text

from provider_pipeline.catalog import sync_state
from provider_pipeline.catalog.database import open_database
from provider_pipeline.catalog.history import list_changes, list_models
from provider_pipeline.catalog.migrations import upgrade
from provider_pipeline.catalog.models import ListedHashes, earlier_selves
from provider_pipeline.catalog.prices import list_prices, price_history
from provider_pipeline.rules.prices import amounts_of, price_columns, usd_per_million_tokens
from provider_pipeline_tests.catalog.builders import (
    NOON,
    counts,
    hours_later,
    model,
    removes_after,
    upgrade_to,
    write_models,
)

EURO = {"amount": 2, "unit": "million_tokens", "currency": "EUR"}
IMAGE = {"amount": 0.04, "unit": "image", "currency": "USD"}


def usd(amount: float, **tiers: float) -> dict:
    """A price per million tokens; tiers as `above_200000=4`."""
    steps = [{"above": int(name.removeprefix("above_")), "amount": tier} for name, tier in tiers.items()]
    return usd_per_million_tokens(amount) | ({"tiers": steps} if steps else {})


def priced(model_id: str, **prices: dict) -> dict:
    """A listed model with these prices, and the two columns that agree with them."""
    return model(model_id, prices=prices, **price_columns(prices))


def _parts(found) -> list[tuple]:
    return [(each.model_id, each.component, each.above, each.amount, each.unit, each.currency) for each in found]


def test_each_component_and_tier_of_a_model_has_a_row(session, provider, write):
    write(
        [priced("a", input=usd(2.5, above_200000=5), cache_read=usd(1.25e-8), image=IMAGE), priced("b", input=EURO)],
        overridden={"a": ["prices.image"]},
    )
    assert _parts(list_prices(session)) == [
        ("a", "cache_read", 0, 1.25e-8, "million_tokens", "USD"),
        ("a", "image", 0, 0.04, "image", "USD"),
        ("a", "input", 0, 2.5, "million_tokens", "USD"),
        ("a", "input", 200_000, 5, "million_tokens", "USD"),
        ("b", "input", 0, 2, "million_tokens", "EUR"),
    ]
    assert [each.component for each in list_prices(session, model_id="a") if each.is_overridden] == ["image"]
    assert _parts(list_prices(session, slug="openai", component="input", model_id="b")) == [
        ("b", "input", 0, 2, "million_tokens", "EUR")
    ]
    assert list_prices(session, slug="anthropic") == []


def test_the_history_has_a_span_for_each_price_with_its_cause(session, provider, write):
    write([priced("a", input=usd(2), output=usd(8), cache_read=usd(0.2))])
    write([priced("a", input=usd(2, above_200000=4), output=usd(8), cache_read=usd(0.2))], hour=1)
    write([priced("a", input=usd(2, above_200000=4), output=usd(8))], hour=2, cause="rule")
    write([priced("a", input=usd(2, above_200000=4), output=usd(8), cache_read=usd(0.2))], hour=3)
    spans = [
        (each.component, each.above, each.amount, each.valid_from, each.valid_to, each.cause)
        for each in price_history(session, slug="openai", model_id="a")
    ]
    assert spans == [
        ("cache_read", 0, 0.2, NOON, hours_later(2), "provider"),
        ("cache_read", 0, 0.2, hours_later(3), None, "provider"),
        ("input", 0, 2, NOON, None, "provider"),
        ("input", 200_000, 4, hours_later(1), None, "provider"),
        ("output", 0, 8, NOON, None, "provider"),
    ]
    assert [each.above for each in price_history(session, component="input")] == [0, 200_000]
    write([priced("a", input=usd(3))], hour=5, cause="rule")
    assert [(each.amount, each.cause) for each in price_history(session, component="input")] == [
        (2, "provider"),
        (3, "rule"),
        (4, "provider"),
    ]


AMOUNT = st.sampled_from([0.1 + 0.2, 1e-07, 2])
OLD_PRICES = st.dictionaries(st.sampled_from(["input", "output"]), st.builds(usd, AMOUNT))
ALL_PRICES = st.fixed_dictionaries(
    {},
    optional={
        "input": st.one_of(st.builds(usd, AMOUNT), st.builds(lambda a, b: usd(a, above_1000=b), AMOUNT, AMOUNT)),
        "output": st.one_of(
            st.builds(usd, AMOUNT), st.just({"amount": 2, "unit": "million_tokens", "currency": "EUR"})
        ),
        "cache_read": st.builds(usd, AMOUNT),
        "image": st.just(IMAGE),
    },
)
NAMES = st.sampled_from(["a", "A", "b"])  # two of them fold together, so that renames happen
OLD, NEW = (st.dictionaries(NAMES, prices, min_size=1) for prices in (OLD_PRICES, ALL_PRICES))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(old=st.lists(OLD, max_size=4), new=st.lists(NEW, min_size=1, max_size=4))
def test_past_prices_and_their_history_are_those_that_each_sync_wrote(session, provider, old, new):
    removes_after(session, provider, misses=1, hours=0)
    written = []
    for hour, listed in enumerate([*old, *new]):
        rows = [priced(model_id, **prices) for model_id, prices in listed.items()]
        write_models(session, provider.id, rows, rule_version=1, now=hours_later(hour))
        written.append(list_prices(session))
        if hour < len(old):  # as recorded before there were components
            session.execute(text("UPDATE provider_model_change SET changed = changed - 'prices'"))
    spans = price_history(session)
    for hour, prices in enumerate(written):
        moment = hours_later(hour)
        assert list_prices(session, as_of=moment) == prices
        assert _parts(
            each for each in spans if each.valid_from <= moment and (each.valid_to is None or moment < each.valid_to)
        ) == _parts(prices)
    assert list_prices(session, as_of=hours_later(-1)) == []
    session.rollback()


def test_one_models_prices_are_found_by_indexes_however_many_models_there_are(session, provider):
    session.execute(
        text("""
            INSERT INTO provider_model (
                provider_id, model_id, prices, rule_version, meta_hash, first_seen_at, last_seen_at
            )
            SELECT
                :provider, 'model-' || number, '{"image": {"amount": 1, "unit": "image", "currency": "USD"}}', 1,
                repeat('0', 64), now(), now()
            FROM generate_series(1, 20000) AS number
        """),
        {"provider": provider.id},
    )
    session.execute(
        text("""
            INSERT INTO provider_model_change (provider_id, model_id, kind, rule_version, changed_at)
            SELECT provider_id, model_id, 'added', 1, now() FROM provider_model
        """)
    )
    session.execute(text("ANALYZE provider_model, provider_model_change"))
    used = {}
    for view in ("model_price", "model_price_history"):
        plan = session.scalars(
            text(f"EXPLAIN SELECT * FROM {view} WHERE slug = 'openai' AND model_id = 'model-7'")
        ).all()
        assert not any("Seq Scan on provider_model" in line for line in plan), plan
        used[view] = {
            index
            for index in (
                "provider_model_model_id_key",
                "provider_model_model_id_idx",
                "provider_model_change_model_idx",
            )
            if any(index in line for line in plan)
        }
    assert used["model_price"] <= {"provider_model_model_id_key", "provider_model_model_id_idx"}
    assert "provider_model_change_model_idx" in used["model_price_history"]
    session.rollback()


RELEASED = """
INSERT INTO provider (slug, name) VALUES ('openai', 'OpenAI');
INSERT INTO provider_metadata (provider_id, slug, base_url, auth_config)
VALUES (1, 'openai', 'https://api.example.com', '{"type": "none"}');
INSERT INTO rule_version (provider_id, version, model_list_config, endpoints_config, digest, origin)
VALUES (1, 1, '{}', '{}', repeat('1', 64), 'generated');
INSERT INTO provider_model (
    provider_id, model_id, input_price, output_price, rule_version, meta_hash, first_seen_at, last_seen_at,
    overridden_fields, status, missing_since, missing_count
) VALUES
    (1, 'kept', 2, 8, 1, repeat('0', 64), :noon, :noon, '{}', 'active', NULL, 0),
    (1, 'set', 5, NULL, 1, repeat('0', 64), :noon, :noon, '{family,input_price}', 'active', NULL, 0),
    (1, 'unpriced', NULL, NULL, 1, repeat('0', 64), :noon, :noon, '{}', 'active', NULL, 0),
    (1, 'gone', 0.0000001, 0, 1, repeat('0', 64), :noon, :noon, '{}', 'missing', :noon, 1);
INSERT INTO provider_model_change (provider_id, model_id, kind, changed, rule_version, changed_at, cause) VALUES
    (1, 'kept', 'added', '{}', 1, :noon, 'provider'),
    (1, 'set', 'added', '{}', 1, :noon, 'provider'),
    (1, 'unpriced', 'added', '{}', 1, :noon, 'provider'),
    (1, 'gone', 'added', '{}', 1, :noon, 'provider'),
    (1, 'kept', 'updated', '{"input_price": [1.5, 2], "output_price": [null, 8]}', 1, :later, 'rule'),
    (1, 'set', 'updated', '{"input_price": [4, 5], "overridden_fields": [[], ["family", "input_price"]]}', 1, :later,
     'override'),
    (1, 'unpriced', 'updated', '{"input_price": [3, null]}', 1, :later, 'provider'),
    (1, 'gone', 'missing', '{"status": ["active", "missing"]}', 1, :later, 'provider');
INSERT INTO provider_model_override (provider_id, model_id, field, override_value, reason)
VALUES (1, 'set', 'input_price', '5', 'contract'), (1, 'set', 'family', '"mine"', 'named');
UPDATE provider_model SET family = 'mine' WHERE model_id = 'set';
"""


@pytest.fixture
def released(empty_database_url: str):
    """A catalogue of the schema before prices had components, upgraded."""
    with open_database(empty_database_url) as database:
        upgrade_to(database.engine, "0021")
        with database.session() as session:
            for statement in RELEASED.split(";\n"):
                if statement.strip():
                    prepared = statement.replace(":noon", f"'{NOON}'").replace(":later", f"'{hours_later(1)}'")
                    session.connection().exec_driver_sql(prepared)
            session.commit()
        upgrade(database.engine)
        with database.session() as session:
            yield session


def test_an_older_catalogue_gets_prices_by_component_now_and_in_the_past(released):
    assert {row["model_id"]: row["prices"] for row in list_models(released)} == {
        "gone": {"input": usd(1e-7), "output": usd(0)},
        "kept": {"input": usd(2), "output": usd(8)},
        "set": {"input": usd(5)},
        "unpriced": {},
    }
    assert {row["model_id"]: row["prices"] for row in list_models(released, as_of=NOON)} == {
        "gone": {"input": usd(1e-7), "output": usd(0)},
        "kept": {"input": usd(1.5)},
        "set": {"input": usd(4)},
        "unpriced": {"input": usd(3)},
    }
    for moment in (NOON, hours_later(1)):
        for row in list_models(released, as_of=moment):
            assert price_columns(row["prices"]) == {name: row[name] for name in ("input_price", "output_price")}
    assert [each.model_id for each in list_prices(released) if each.is_overridden] == ["set"]
    assert [each.is_overridden for each in list_prices(released, model_id="set", as_of=hours_later(1))] == [True]


def test_an_older_catalogues_price_changes_are_in_the_history(released):
    assert [
        (each.model_id, each.component, each.amount, each.valid_from, each.valid_to, each.cause)
        for each in price_history(released)
    ] == [
        ("gone", "input", 1e-7, NOON, None, "provider"),
        ("gone", "output", 0, NOON, None, "provider"),
        ("kept", "input", 1.5, NOON, hours_later(1), "provider"),
        ("kept", "input", 2, hours_later(1), None, "rule"),
        ("kept", "output", 8, hours_later(1), None, "rule"),
        ("set", "input", 4, NOON, hours_later(1), "provider"),
        ("set", "input", 5, hours_later(1), None, "override"),
        ("unpriced", "input", 3, NOON, hours_later(1), "provider"),
    ]


def test_the_first_sync_after_the_upgrade_records_no_change(released):
    overrides = sync_state.overrides(released, 1, hours_later(2))
    listed = {"kept": {"input": usd(2), "output": usd(8)}, "set": {"input": usd(4)}, "unpriced": {}}
    rows, overridden = [], {}
    for name, prices in listed.items():
        row = priced(name, **prices)
        if (override := overrides.of(name)) is not None:
            row, overridden[name] = override.apply(row)
        rows.append(row)
    result = write_models(released, 1, rows, rule_version=1, now=hours_later(2), overridden=overridden)
    assert (result.total_changes, result.changes, counts(result)) == (0, (), {"unchanged": 3})
    assert list_changes(released, since=hours_later(2)) == []


def test_a_listing_is_compared_with_prices_from_before_the_upgrade(released):
    now, then = earlier_selves(released, [ListedHashes(1, {"kept": "1" * 64}, NOON)])[0]["kept"]
    assert (amounts_of(now.values)["input"], amounts_of(then.values)["input"]) == (2, 1.5)
