"""Overrides in complete syncs: listed values, ends of overrides, and causes of changes."""

from datetime import datetime

import pytest
from sqlalchemy import text

from provider_pipeline import catalog
from provider_pipeline.catalog.model_overrides import StatedOverride
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.sync.provider import attempt_sync
from provider_pipeline_tests.catalog.builders import NOON, hours_later
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing


@pytest.fixture
def acme(fleet: Fleet) -> Fleet:
    fleet.add("acme")
    _sync(fleet, NOON)
    return fleet


def _sync(fleet: Fleet, now: datetime):
    with fleet.database.session() as session:
        return attempt_sync(session, "acme", client=ListingClient(), clock=lambda: now)


def _put(fleet: Fleet, value: int, **options) -> None:
    with fleet.database.session() as session:
        provider_id = catalog.providers.get(session, "acme").id
        catalog.model_overrides.put(
            session, provider_id, "gpt-4o", "context_length", value, reason="measured", **options
        )
        session.commit()


def test_an_override_ends_with_the_first_sync_after_its_end_though_the_listing_is_the_same(acme: Fleet):
    _put(acme, 64_000, expires_at=hours_later(3))
    begun, held, ended, after = (_sync(acme, hours_later(hour)) for hour in (1, 2, 3, 4))
    changed = [[(change.cause, change.changed["context_length"]) for change in each.changes] for each in (begun, ended)]
    assert changed == [[("override", [128_000, 64_000])], [("override", [64_000, 128_000])]]
    assert [each.not_modified for each in (held, after)] == [True, True]
    assert acme.rows("acme")["gpt-4o"][2] == 128_000


def test_the_listed_value_under_an_override_is_recorded_and_shows_when_they_agree(acme: Fleet):
    _put(acme, 200_000)
    _sync(acme, hours_later(1))
    with acme.database.session() as session:
        (found,) = catalog.model_overrides.list_overrides(session)
        assert (found.listed_value, found.listed_at) == (128_000, hours_later(1))
        assert catalog.model_overrides.caught_up(session) == []
    acme.serve("acme", listing(*CHAT_MODELS, context_length=200_000))
    _sync(acme, hours_later(2))
    with acme.database.session() as session:
        assert [each.model_id for each in catalog.model_overrides.caught_up(session)] == ["gpt-4o"]


def test_a_value_set_aside_is_null_and_is_what_the_listing_says_of_an_overridden_field(fleet: Fleet):
    many = listing(*(f"gpt-4.1-tune-{number}" for number in range(60)), "gpt-4o")
    fleet.add("acme", many)
    _put(fleet, 64_000, expires_at=hours_later(2))
    _sync(fleet, NOON)
    seen = []
    for hour in (1, 2):
        many["data"][60]["context_length"] = -5
        fleet.serve("acme", many)
        assert _sync(fleet, hours_later(hour)).rejected == 0
        with fleet.database.session() as session:
            rows = catalog.models.load(session, catalog.providers.get(session, "acme").id)
        seen += [(row["context_length"], row["overridden_fields"]) for row in rows if row["model_id"] == "gpt-4o"]
    assert seen == [(64_000, ["context_length"]), (None, [])]


def test_changes_name_the_stored_listing_and_are_attributed_to_a_new_rule(acme: Fleet):
    with acme.database.session() as session:
        provider_id = catalog.providers.get(session, "acme").id
        rule = catalog.rule_versions.active(session, provider_id)
        fields = {**rule.model_list_config["fields"], "name": "owned_by"}
        catalog.rule_versions.add_version(
            session,
            provider_id,
            model_list_config={**rule.model_list_config, "fields": fields},
            endpoints_config=rule.endpoints_config,
            metadata={},
            digest="2" * 64,
            sample_id=None,
            origin="imported",
            activate=True,
        )
        session.commit()
    outcome = _sync(acme, hours_later(1))
    assert {change.cause for change in outcome.changes} == {"rule"}
    with acme.database.session() as session:
        recorded = session.execute(
            text("SELECT DISTINCT cause, kind, raw_response_id FROM provider_model_change ORDER BY cause")
        ).all()
    assert recorded == [
        ("provider", "added", outcome.raw_response_id),
        ("rule", "updated", outcome.raw_response_id),
    ]


def test_a_listing_is_not_compared_with_overridden_values(acme: Fleet):
    with acme.database.session() as session:
        provider_id = catalog.providers.get(session, "acme").id
        for model_id in CHAT_MODELS:
            catalog.model_overrides.put(session, provider_id, model_id, "context_length", 1_000_000, reason="measured")
            catalog.model_overrides.put(session, provider_id, model_id, "input_price", 0, reason="a gift")
        session.commit()
    statuses = []
    for hour, models in enumerate((CHAT_MODELS, (*CHAT_MODELS, "gpt-5"), CHAT_MODELS), start=1):
        acme.serve("acme", listing(*models))
        statuses.append(_sync(acme, hours_later(hour)).status)
    assert statuses == ["synced"] * 3


def _apply(fleet: Fleet, *values, **options) -> None:
    with fleet.database.session() as session:
        provider_id = catalog.providers.get(session, "acme").id
        stated = [
            StatedOverride(
                provider_id, "gpt-4*", "glob", "context_length", value, "listed", valid_from=since, **options
            )
            for value, since in values
        ]
        catalog.model_overrides.apply_set(session, "team", stated)
        session.commit()


def _windows(fleet: Fleet) -> list[int]:
    return [fleet.rows("acme")[model_id][2] for model_id in ("gpt-4o", "gpt-4.1")]


def test_a_pattern_takes_effect_on_its_date_though_the_listing_is_the_same_and_holds_for_new_models(acme: Fleet):
    _apply(acme, (64_000, None), (32_000, hours_later(3)))
    causes = []
    for hour in (1, 2, 3, 4):
        outcome = _sync(acme, hours_later(hour))
        causes.append(sorted({(change.cause, change.changed["context_length"][1]) for change in outcome.changes}))
    assert causes == [[("override", 64_000)], [], [("override", 32_000)], []]
    acme.serve("acme", listing(*CHAT_MODELS, "gpt-4o-new"))
    _sync(acme, hours_later(5))
    assert acme.rows("acme")["gpt-4o-new"][2] == 32_000


def test_a_value_that_fills_gaps_gives_way_as_soon_as_the_listing_says_it(acme: Fleet):
    silent = listing(*CHAT_MODELS)
    for model in silent["data"]:
        if model["id"] == "gpt-4o":
            model.pop("context_length")
    acme.serve("acme", silent)
    _apply(acme, (64_000, None), fills_gaps=True)
    _sync(acme, hours_later(1))
    assert _windows(acme) == [64_000, 128_000]
    acme.serve("acme", listing(*CHAT_MODELS))
    _sync(acme, hours_later(2))
    assert _windows(acme) == [128_000, 128_000]
    with acme.database.session() as session:
        rows = catalog.models.load(session, catalog.providers.get(session, "acme").id)
    assert {tuple(row["overridden_fields"]) for row in rows} == {()}
