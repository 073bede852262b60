"""A listing that gains what no rule reads is offered a better rule by itself, once."""

from datetime import UTC, datetime
from typing import Any

import pytest

from provider_pipeline import ModelSyncer, catalog
from provider_pipeline.sync.repair.worker import LEASE
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing


def plain(**fields: Any) -> dict[str, Any]:
    """A listing without prices, with further fields for the first four models."""
    found = listing(*CHAT_MODELS)
    for position, model in enumerate(found["data"]):
        del model["pricing"]
        model.update(fields if position < 4 else {})
    return found


def sync(fleet: Fleet, document: Any | None = None) -> dict[str, Any]:
    if document is not None:
        fleet.serve("acme", document)
    with fleet.database.session() as session:
        return ModelSyncer(session).sync_provider_models("acme")


def active(fleet: Fleet) -> tuple[int, dict[str, Any]]:
    with fleet.database.session() as session:
        stored = catalog.rule_versions.active(session, catalog.providers.get(session, "acme").id)
    return stored.version, stored.model_list_config


PRICES = {"pricing": {"prompt": "0.000002", "completion": "0.000004"}}


def test_prices_that_most_models_gain_are_read_by_a_new_rule_without_a_person(fleet: Fleet):
    fleet.add("acme", plain())
    sync(fleet)
    sync(fleet, plain(**PRICES))
    (task,) = fleet.tasks("acme")
    assert (task.status, active(fleet)[0]) == ("SUCCEEDED", 2)
    messages = [issue["message"] for issue in task.config["issues"]]
    assert "pricing.prompt, which speaks of a price, for 4 of 5 models" in messages[1]
    assert active(fleet)[1]["fields"]["input_price"] == "pricing.prompt"
    assert sync(fleet)["models_updated"] == 4
    assert len(fleet.tasks("acme")) == 1


def test_a_second_list_of_models_is_read_by_a_new_rule(fleet: Fleet):
    fleet.add("acme", {"chat": plain()["data"]})
    sync(fleet)
    images = [
        {"id": f"acme/imagine-{n}", "object": "model", "owned_by": "acme", "context_length": 4096} for n in range(4)
    ]
    assert sync(fleet, {"chat": plain()["data"], "image": images})["models_synced"] == 5
    (task,) = fleet.tasks("acme")
    assert "a list image[*] of 4 items beside the 5" in task.config["issues"][0]["message"]
    assert task.status == "SUCCEEDED"
    assert sync(fleet)["models_synced"] == 9


@pytest.mark.parametrize(
    "fields", [{"last_sunset": "2026-05-05"}, {"zork": 17}, {"seed": 4}], ids=["a date", "a word", "another word"]
)
def test_what_no_rule_would_read_changes_no_rule_and_asks_nobody(fleet: Fleet, fields: dict[str, Any]):
    fleet.add("acme", plain())
    sync(fleet)
    sync(fleet, plain(**fields))
    assert active(fleet)[0] == 1
    assert {task.status for task in fleet.tasks("acme")} <= {"SUCCEEDED"}


def test_the_same_addition_is_never_asked_about_twice(fleet: Fleet):
    fleet.add("acme", plain())
    sync(fleet)
    for _ in range(3):
        sync(fleet, plain(max_price_factor=3))
        sync(fleet, plain())
    assert len(fleet.tasks("acme")) == 1


@pytest.mark.parametrize("status", ["NEEDS_REVIEW", "CANCELLED", "FAILED", "SUCCEEDED"])
def test_an_addition_that_waits_for_a_person_or_was_declined_is_not_offered_again(fleet: Fleet, status: str):
    fleet.add("acme", plain())
    sync(fleet)
    with fleet.database.session() as session:
        provider_id = catalog.providers.get(session, "acme").id
        issues = [
            {"type": "shape_grew", "severity": "info", "message": "", "field": name}
            for name in ("pricing.completion", "pricing.prompt")
        ]
        task = catalog.tasks.open_rule_gen_task(session, provider_id, raw_response_id=None, issues=issues)
        catalog.tasks.set_status(session, task.id, status)
        session.commit()
    sync(fleet, plain(**PRICES))
    assert (len(fleet.tasks("acme")), active(fleet)[0]) == (1, 1)


def test_failures_are_answered_before_additions_and_only_they_end_by_themselves(fleet: Fleet):
    fleet.add("acme", plain())
    with fleet.database.session() as session:
        provider_id = catalog.providers.get(session, "acme").id

        def opened(kind: str, severity: str) -> int:
            issues = [{"type": kind, "severity": severity, "message": ""}]
            return catalog.tasks.open_rule_gen_task(session, provider_id, raw_response_id=None, issues=issues).id

        grown, failed = opened("shape_grew", "info"), opened("extraction_failed", "error")
        session.commit()
        found = catalog.task_claims.claim(session, worker="w", now=datetime.now(UTC), lease=LEASE)
        assert found is not None
        assert found.id == failed
        assert catalog.tasks.cancel_open(session, provider_id, "it fits again") == [failed]
        assert catalog.tasks.get(session, grown).status == "PENDING"
