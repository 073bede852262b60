"""A dry write says what a write would change, and touches nothing. The fixture `write` compares it with every write."""

import pytest

from provider_pipeline import catalog
from provider_pipeline.catalog.dry_writes import dry_write, known_models
from provider_pipeline.catalog.model_writes import ListedModels, ModelChange
from provider_pipeline.errors import CatalogError
from provider_pipeline_tests.catalog.builders import FULL, counts, hours_later, model, register, write_models


def test_listings_of_one_provider_are_each_compared_with_the_table_as_it_is(session, provider, write):
    write([model("a", **FULL), model("b"), model("c")])
    listed = [
        [model("a", **FULL), model("b"), model("c"), model("d")],
        [model("a", **{**FULL, "context_length": 1}), model("b")],
        [model("A", **FULL), model("b"), model("c"), model("d")],
    ]
    listings = [ListedModels(provider.id, rows, 1) for rows in listed]
    results = dry_write(session, listings, now=hours_later(1))
    assert list(map(counts, results)) == [
        {"created": 1, "unchanged": 3},
        {"updated": 1, "unchanged": 1, "missing": 1},
        {"created": 1, "renamed": 1, "unchanged": 2, "missing": 1},
    ]
    assert results[1].changes[0] == ModelChange("a", "updated", {"context_length": [128_000, 1]})


def test_listings_of_several_providers_are_compared_with_their_own_models(session, provider, write):
    write([model("a")])
    other = register(session, "acme")
    write_models(session, other.id, [model("b")], now=hours_later(0), rule_version=1)
    session.commit()
    assert known_models(session, [provider.id, other.id]) == {provider.id: 1, other.id: 1}
    listings = [ListedModels(each, [model("b")], 1) for each in (other.id, provider.id, other.id)]
    results = dry_write(session, listings, now=hours_later(1))
    assert list(map(counts, results)) == [{"unchanged": 1}, {"created": 1, "missing": 1}, {"unchanged": 1}]


def test_a_dry_write_touches_nothing_and_waits_for_no_writer(database, session, provider, write, row_versions):
    write([model("a")])
    before = [row_versions(table) for table in ("provider", "provider_model", "provider_model_change")]
    with database.session() as writer:
        catalog.providers.lock(writer, provider.id)
        dry_write(session, [ListedModels(provider.id, [model("b")], 1)], now=hours_later(1))
        session.commit()
    assert [row_versions(table) for table in ("provider", "provider_model", "provider_model_change")] == before
    assert [row["model_id"] for row in catalog.models.load(session, provider.id)] == ["a"]


def test_what_the_table_would_refuse_is_refused(session, provider):
    rows = [model("a", context_length=-1)]
    with pytest.raises(CatalogError, match="provider_model_context_length_positive"):
        write_models(session, provider.id, rows, now=hours_later(0), rule_version=1)
    session.rollback()
    with pytest.raises(CatalogError, match="provider_model_context_length_positive"):
        dry_write(session, [ListedModels(provider.id, rows, 1)], now=hours_later(0))
