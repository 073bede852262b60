"""The renewal of a rule: the decision, and the whole way from a task to a better rule."""

import pytest

from provider_pipeline import ModelSyncer, RuleValidationError, catalog
from provider_pipeline.sync import Trial, choose_rule, generate_rule, regenerate_rule
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing, moved

FITS = Trial(valid=True, models=5, filled=30)
FITS_MORE = Trial(valid=True, models=5, filled=40)
FITS_FEWER = Trial(valid=True, models=3, filled=40)
MISFIT = Trial(valid=False, models=0, filled=0)


@pytest.mark.parametrize(
    ("old", "new", "activate"),
    [
        (None, [FITS], True),
        (None, [MISFIT], False),
        ([MISFIT], [FITS], True),
        ([MISFIT, FITS], [FITS, MISFIT], True),
        ([MISFIT], [MISFIT], False),
        ([FITS], [FITS], False),
        ([FITS], [FITS_MORE], True),
        ([FITS, FITS], [FITS_MORE, FITS_FEWER], False),
        ([FITS, FITS], [FITS_MORE, MISFIT], False),
    ],
)
def test_a_rule_is_activated_only_if_it_is_better(old, new, activate):
    assert choose_rule(old, new).activate is activate


def test_a_rule_in_doubt_replaces_no_other_by_itself():
    assert choose_rule([MISFIT], [FITS], doubt="two lists are alike").activate is False
    assert choose_rule(None, [FITS], doubt="two lists are alike").activate is True


@pytest.mark.parametrize("sample", [None, {}, [], ["a", "b"], {"data": []}, {"error": {"message": "x"}}, 3, "text"])
def test_a_sample_without_models_gives_no_rule_and_one_clear_line(fleet: Fleet, sample):
    fleet.add("acme")
    with fleet.database.session() as session:
        with pytest.raises(RuleValidationError, match=r"^acme: [^\n]+$"):
            generate_rule(session, "acme", sample, endpoint="/v1/models")
        session.rollback()
        assert catalog.active_rule(session, catalog.get_provider(session, "acme").id).version == 1


def test_a_changed_shape_is_blocked_then_repaired_from_the_stored_response(fleet: Fleet):
    fleet.add("acme")
    with fleet.database.session() as session:
        syncer = ModelSyncer(session)
        syncer.sync_provider_models("acme")
        fleet.serve("acme", moved(*CHAT_MODELS))
        with pytest.raises(RuleValidationError):
            syncer.sync_provider_models("acme")
        fleet.answer("acme", "down", status=503)  # the repair needs no network

        generated = regenerate_rule(session, "acme")
        assert (generated.activated, generated.version, generated.models) == (True, 2, 5)
        (task,) = fleet.tasks("acme")
        assert (task.status, task.result["rule_version"]) == ("SUCCEEDED", 2)

        fleet.serve("acme", moved(*CHAT_MODELS))
        assert syncer.sync_provider_models("acme")["rule_version"] == 2
    assert {status for _, status, _ in fleet.rows("acme").values()} == {"active"}


def odd(*model_ids: str) -> dict:
    """Models in a shape that no known name speaks for."""
    entries = [{"handle": model_id, "label": f"Nr. {number}"} for number, model_id in enumerate(model_ids)]
    return {"status": "ok", "result": {"catalogue": {"entries": entries}}}


@pytest.mark.parametrize("synced_before", [True, False])
def test_known_ids_remove_the_doubt_about_an_odd_shape(fleet: Fleet, synced_before: bool):
    fleet.add("acme", listing(*CHAT_MODELS, price="0"))
    with fleet.database.session() as session:
        if synced_before:
            ModelSyncer(session).sync_provider_models("acme")
        fleet.serve("acme", odd(*CHAT_MODELS))
        with pytest.raises(RuleValidationError):
            ModelSyncer(session).sync_provider_models("acme")
        generated = regenerate_rule(session, "acme")
    assert [issue["type"] for issue in generated.analysis["issues"]] == ["ambiguous"]
    assert (generated.activated, generated.models) == (True, 5)


def test_unknown_ids_in_an_odd_shape_wait_for_a_person(fleet: Fleet):
    fleet.add("acme")
    with fleet.database.session() as session:
        ModelSyncer(session).sync_provider_models("acme")
        fleet.serve("acme", odd("red", "green", "blue", "black", "white"))
        with pytest.raises(RuleValidationError):
            ModelSyncer(session).sync_provider_models("acme")
        generated = regenerate_rule(session, "acme")
    assert (generated.activated, "a person must decide" in generated.reason) == (False, True)
    assert [task.status for task in fleet.tasks("acme")] == ["PENDING"]


def test_a_response_without_models_keeps_the_rule_and_leaves_the_task_open_with_the_reason(fleet: Fleet):
    fleet.add("acme")
    with fleet.database.session() as session:
        fleet.serve("acme", {"status": "maintenance"})
        with pytest.raises(RuleValidationError):
            ModelSyncer(session).sync_provider_models("acme")
        with pytest.raises(RuleValidationError):
            regenerate_rule(session, "acme")
        (task,) = fleet.tasks("acme")
        assert task.status == "PENDING"
        assert task.result["reason"].startswith("acme: ")
        assert catalog.active_rule(session, catalog.get_provider(session, "acme").id).version == 1


def test_a_listing_held_for_its_history_gets_no_new_rule(fleet: Fleet):
    many = listing(*(f"gpt-4.1-tune-{number}" for number in range(40)))
    fleet.add("acme", many)
    with fleet.database.session() as session:
        ModelSyncer(session).sync_provider_models("acme")
        fleet.serve("acme", {**many, "data": many["data"][:4]})
        with pytest.raises(RuleValidationError):
            ModelSyncer(session).sync_provider_models("acme")
        generated = regenerate_rule(session, "acme")
    assert (generated.activated, generated.fits) == (False, True)
    assert [task.status for task in fleet.tasks("acme")] == ["PENDING"]


def test_the_same_sample_gives_the_same_version(fleet: Fleet):
    fleet.add("acme")
    with fleet.database.session() as session:
        again = generate_rule(session, "acme", listing(*CHAT_MODELS), endpoint="/v1/models")
    assert (again.version, again.activated) == (1, False)
