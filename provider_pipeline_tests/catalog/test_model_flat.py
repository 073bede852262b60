"""`model_flat`: every model in one row of plain columns."""

from collections.abc import Callable

from sqlalchemy import text
from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline_tests.catalog.builders import model

MILLION = {"unit": "million_tokens", "currency": "USD"}


def flat(session: Session, model_id: str) -> dict:
    query = text("SELECT * FROM model_flat WHERE model_id = :model_id")
    return dict(session.execute(query, {"model_id": model_id}).mappings().one())


def test_a_capability_is_true_false_or_unknown(session: Session, write: Callable):
    write([model("a", capabilities={"chat": True, "embedding": False})])
    row = flat(session, "a")
    assert (row["can_chat"], row["can_embedding"], row["can_vision"]) == (True, False, None)


def test_only_prices_in_usd_per_million_tokens_are_columns(session: Session, write: Callable):
    prices = {
        "cache_read": {"amount": 0.25, **MILLION},
        "cache_write": {"amount": 3, **MILLION, "currency": "EUR"},
    }
    write([model("a", prices=prices)])
    row = flat(session, "a")
    assert (row["cache_read_price"], row["cache_write_price"], row["input_price"]) == (0.25, None, None)


def test_models_that_are_gone_and_providers_that_are_disabled_stay_with_their_state(session: Session, write: Callable):
    write([model("a"), model("b")])
    write([model("b")], hour=1)
    catalog.providers.set_enabled(session, "openai", enabled=False)
    assert [(flat(session, each)["status"], flat(session, each)["is_enabled"]) for each in "ab"] == [
        ("missing", False),
        ("active", False),
    ]


def test_it_knows_which_model_an_offer_is_once_the_canonical_models_are_there(session: Session, write: Callable):
    write([model("openai/gpt-4o")])
    assert flat(session, "openai/gpt-4o")["canonical_id"] is None
    catalog.canonical.refresh(session)
    offer = session.execute(text("SELECT canonical_id, lab FROM model_offer")).one()
    row = flat(session, "openai/gpt-4o")
    assert row["canonical_id"] is not None
    assert (row["canonical_id"], row["lab"]) == tuple(offer)
