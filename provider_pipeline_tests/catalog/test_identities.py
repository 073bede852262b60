"""Which model each offer is: by its row, by what people say, and by the offers that it contradicts."""

from sqlalchemy import text

from provider_pipeline.catalog import canonical, model_overrides, providers, sync_state
from provider_pipeline_tests.catalog.builders import hours_later, model, register, write_models
from provider_pipeline_tests.catalog.offers import GPT_4O, canonical_rows, offer_rows, override, refreshed


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
