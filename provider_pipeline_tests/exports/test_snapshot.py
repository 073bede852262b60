"""What an export reads: one moment's state, today's or a past one, with gaps filled on request."""

import pytest

from provider_pipeline import catalog
from provider_pipeline.catalog.database import Database
from provider_pipeline.errors import ConfigurationError
from provider_pipeline.exports.records import ExportRequest
from provider_pipeline.exports.snapshot import Snapshot
from provider_pipeline_tests.catalog.builders import NOON, hours_later, model, register, write_models
from provider_pipeline_tests.exports.conftest import ACME, Exporter, fill_catalogue


def test_what_is_written_meanwhile_is_not_in_the_snapshot(database: Database):
    fill_catalogue(database)
    with catalog.snapshots.snapshot(database) as session:
        snapshot = Snapshot.open(session, ExportRequest())
        first = len(list(snapshot.rows()))
        with database.session() as other:
            write_models(other, 1, [model("newcomer")], now=hours_later(1), rule_version=1)
            other.commit()
        assert [first, len(list(snapshot.rows()))] == [len(ACME), len(ACME)]
        with pytest.raises(Exception, match="read-only"):
            write_models(session, 1, [model("other")], now=hours_later(2), rule_version=1)


def test_an_export_of_the_past_has_the_values_of_then(database: Database, exported: Exporter):
    with database.session() as session:
        write_models(session, 1, [model("newcomer", capabilities={"chat": True})], now=hours_later(2), rule_version=1)
        session.commit()
    then = exported("litellm", as_of=hours_later(1)).json
    now = exported("litellm").json
    assert ("acme/newcomer" in now, "acme/newcomer" in then) == (True, False)
    assert then["acme/claude-big"]["input_cost_per_token"] == 8e-07
    with pytest.raises(ConfigurationError, match="for now only"):
        exported("litellm", as_of=NOON, fill=True)


def test_gaps_are_filled_only_on_request_and_named(database: Database, exported: Exporter):
    with database.session() as session:
        rows = [model("claude-big", capabilities={"chat": True})]
        write_models(session, register(session, "beta").id, rows, now=NOON, rule_version=1)
        catalog.canonical.refresh(session)
        session.commit()
    filled = exported("litellm", slugs=("beta",), fill=True)
    model_then = filled.json["beta/claude-big"]
    assert "max_output_tokens" not in exported("litellm", slugs=("beta",)).json["beta/claude-big"]
    assert model_then["max_output_tokens"] == 64_000
    assert not [key for key in model_then if "cost" in key]
    assert ("beta", "claude-big", "max_output_tokens") in filled.report.filled
