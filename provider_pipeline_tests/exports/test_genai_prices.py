"""The data of genai-prices: prices, since when they hold, and what cannot be said there."""

from datetime import timedelta

from provider_pipeline.catalog.database import Database
from provider_pipeline_tests.catalog.builders import NOON, register, write_models
from provider_pipeline_tests.exports.conftest import Exporter, priced, usd


def test_genai_prices_has_prices_and_since_when(database: Database, exported: Exporter):
    dearer = [priced("claude-big", {"input": usd(1), "output": usd(4)})]
    before = exported("genai-prices").json[0]["models"]
    with database.session() as session:
        write_models(session, 1, dearer, now=NOON + timedelta(days=2), rule_version=1)
        session.commit()
    (provider,) = exported("genai-prices").json
    assert provider["api_pattern"] == r"https://api\.acme\.example"
    assert [each["id"] for each in before] == ["claude-big", "text-embedding-3"]
    first = {
        "input_mtok": {"base": 0.8, "tiers": [{"start": 200_000, "price": 1.6}]},
        "output_mtok": {"base": 4, "tiers": [{"start": 200_000, "price": 6}]},
        "cache_read_mtok": 0.08,
    }
    assert before[0]["prices"] == first
    assert provider["models"][0]["prices"] == [
        {"prices": first},
        {"constraint": {"start_date": "2026-11-03"}, "prices": {"input_mtok": 1, "output_mtok": 4}},
    ]


def test_genai_prices_has_the_prices_of_services_as_variants_and_since_when(database: Database, exported: Exporter):
    standard = {"input": usd(2), "output": usd(8)}
    days = [
        standard | {"input_batch": usd(1), "output_flex": usd(5)},
        standard | {"input_batch": usd(0.5), "output_flex": usd(5), "input_flex": usd(1)},
    ]
    with database.session() as session:
        beta = register(session, "beta")
        for day, prices in enumerate(days):
            write_models(session, beta.id, [priced("odd", prices)], now=NOON + timedelta(days=day), rule_version=1)
        session.commit()
    (model,) = exported("genai-prices", slugs=("beta",)).json[0]["models"]
    assert model["prices"] == {"input_mtok": 2, "output_mtok": 8}
    assert model["price_variants"] == [
        {"when": {"processing": "batch"}, "constraint": {"start_date": "2026-11-02"}, "prices": {"input_mtok": 0.5}},
        {"when": {"processing": "batch"}, "prices": {"input_mtok": 1}},
        {
            "when": {"service_tier": "flex"},
            "constraint": {"start_date": "2026-11-02"},
            "prices": {"input_mtok": 1, "output_mtok": 5},
        },
    ]


def test_a_part_without_the_whole_is_no_price_for_genai_prices(database: Database, exported: Exporter):
    parts = {"cache_read": usd(1), "input_audio": usd(2), "output": usd(3)}
    with database.session() as session:
        beta = register(session, "beta")
        write_models(session, beta.id, [priced("odd", parts)], now=NOON, rule_version=1)
        session.commit()
    found = exported("genai-prices", slugs=("beta",))
    assert found.json[0]["models"][0]["prices"] == {"output_mtok": 3}
    assert len(found.report.omitted) == 2
