"""The whole table is read from one moment's state, in an order that no server changes, with a digest of that state."""

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from provider_pipeline.catalog import canonical, providers
from provider_pipeline.catalog.database import Database
from provider_pipeline.catalog.snapshots import snapshot, state, stream_models
from provider_pipeline.errors import ConfigurationError, DatabaseReadOnlyError
from provider_pipeline_tests.catalog.builders import hours_later, model, record_success, register, write_models

IDS = ("slug", "model_id")


def pairs(session: Session, **options) -> list[tuple[str, str]]:
    """The streamed providers and ids."""
    return [(row["slug"], row["model_id"]) for row in stream_models(session, columns=IDS, **options)]


def test_a_snapshot_sees_one_moment_and_cannot_write(database: Database, provider, write):
    write([model("gpt-4o")])
    with snapshot(database) as session:
        before = pairs(session)
        write([model("gpt-4o"), model("gpt-5")], hour=1)
        assert pairs(session) == before == [("openai", "gpt-4o")]
        with pytest.raises(DatabaseReadOnlyError, match="read-only"):
            session.execute(text("DELETE FROM provider_model"))
    with snapshot(database) as session:
        assert pairs(session) == [("openai", "gpt-4o"), ("openai", "gpt-5")]


def test_models_come_by_provider_and_id_in_the_order_of_their_bytes(session: Session):
    names = ["b", "B", "a", "_", "é", "a-1", "a1"]
    slugs = ("b-two", "a", "b")
    for slug in slugs:
        write_models(session, register(session, slug).id, map(model, names), now=hours_later(0), rule_version=1)
    session.commit()
    expected = sorted(
        ((slug, name) for slug in ("b-two", "a", "b") for name in names), key=lambda pair: str(pair).encode()
    )
    assert pairs(session) == expected
    assert pairs(session, slugs=["b", "a"]) == [pair for pair in expected if pair[0] in ("a", "b")]


def test_more_models_than_one_batch_are_all_streamed_once(session: Session, write):
    write([model(f"m{number:04}") for number in range(2_500)])
    assert [model_id for _, model_id in pairs(session)] == [f"m{number:04}" for number in range(2_500)]


def test_only_the_asked_status_and_columns_are_read(session: Session, provider, write):
    write([model("kept"), model("gone")], removal_after=1)
    write([model("kept")], hour=1, removal_after=1)
    assert pairs(session, status="active") == [("openai", "kept")]
    assert pairs(session, status="removed") == [("openai", "gone")]
    assert {tuple(row) for row in stream_models(session, columns=["model_id", "status"])} == {("model_id", "status")}


def test_a_past_moment_has_the_models_of_then_and_no_canonical_ones(session: Session, write):
    write([model("gpt-4o", context_length=1)])
    write([model("gpt-4o", context_length=2), model("gpt-5")], hour=2)
    then = stream_models(session, as_of=hours_later(1))
    assert [(row["model_id"], row["context_length"]) for row in then] == [("gpt-4o", 1)]
    with pytest.raises(ConfigurationError, match="for now only"):
        next(stream_models(session, as_of=hours_later(1), fill=True))


def test_gaps_are_filled_from_the_canonical_model_only_on_request(session: Session):
    for slug, known in (("one", {"context_length": 128_000}), ("two", {})):
        write_models(
            session, register(session, slug).id, [model("gpt-4o", **known)], now=hours_later(0), rule_version=1
        )
    canonical.refresh(session)
    session.commit()
    (plain,), (filled,) = (list(stream_models(session, slugs=["two"], fill=fill)) for fill in (False, True))
    assert (plain["context_length"], filled["context_length"]) == (None, 128_000)
    assert ("filled" in plain, filled["filled"]) == (False, {"context_length": "canonical"})


def test_the_digest_changes_with_a_sync_and_with_settings_and_with_nothing_else(session: Session, provider):
    seen = [state(session, None)]
    record_success(session, provider.id, now=hours_later(0), rule_version=1, result={})
    session.commit()
    seen.append(state(session, None))
    assert state(session, None) == seen[-1]
    providers.set_enabled(session, provider.slug, False)
    session.commit()
    seen.append(state(session, None))
    assert len({*seen}) == 3


def test_the_digest_of_a_provider_is_not_changed_by_another_one(session: Session, provider):
    other = register(session, "two")
    before = [state(session, each) for each in (provider, other, None)]
    record_success(session, other.id, now=hours_later(0), rule_version=1, result={})
    session.commit()
    providers.set_enabled(session, other.slug, False)
    session.commit()
    after = [state(session, each) for each in (provider, other, None)]
    assert [one == two for one, two in zip(before, after, strict=True)] == [True, False, False]
