"""One sync of a simulated provider and its invariants; the events that may happen are in `test_invariants.py`."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis.stateful import RuleBasedStateMachine, invariant
from pytest_httpserver import HTTPServer

from provider_pipeline import ModelSyncer, ModelSyncerError, RuleValidationError, RuleValidator, catalog
from provider_pipeline.catalog.database import Database
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.rules.generation.samples import EndpointSample
from provider_pipeline.sync.repair.generate import generate_rule, store_sample
from provider_pipeline_tests.sync.stateful.crashing_workers import LIMITS, CrashingWorkers
from provider_pipeline_tests.sync.stateful.reference_model import COMPARED, Row, reading, replayed
from provider_pipeline_tests.sync.stateful.simulated_provider import KEY, SimulatedProvider
from provider_pipeline_tests.sync.stateful.table import Look, Table

_numbers = count(1)


class ProviderMachine(RuleBasedStateMachine):
    """The state machine of one provider, with its invariants."""

    def __init__(self, database: Database, server: HTTPServer, workers: CrashingWorkers) -> None:
        super().__init__()
        self.database, self.workers = database, workers
        self.provider = SimulatedProvider(f"p{next(_numbers)}")
        self.provider.stand(server)
        self.client = ListingClient(LIMITS, environ={"ACME_KEY": KEY})
        self.table = Table(database, self.provider.slug)
        self.deaths = 0
        self.trusting = False
        """Whether a person has accepted a change that the pipeline would have held."""
        self.accepted: tuple[Any, int] | None = None
        self.absent: dict[str, int] = {}
        self.listed_at: dict[str, datetime] = {}
        self.moments: list[tuple[datetime, dict[str, Any]]] = []
        self.overrides: dict[tuple[str, str], tuple[Any, datetime | None]] = {}
        self.rejected: set[int] = set()
        self._begin(server)

    def _begin(self, server: HTTPServer) -> None:
        slug = self.provider.slug
        with self.database.session() as session:
            catalog.providers.add(
                session,
                slug=slug,
                name=slug,
                base_url=server.url_for(f"/{slug}"),
                auth_config={"type": "bearer", "env": "ACME_KEY"},
                request_config={"allow_private": True},
                thresholds={"max_rejected_share": 0.4},
                raw_keep_count=3,
            )
            sample = self.provider.page(None)
            sample_id = store_sample(session, slug, json.dumps(sample).encode(), url="sample:test")
            generate_rule(session, slug, [EndpointSample(sample, "/v1/models")], sample_id=sample_id)
            session.commit()
        self.sync()

    # What must hold at any time.

    @invariant()
    def one_rule_is_active(self) -> None:
        active, pointed = self.table.active_rules()
        assert len(active) == 1
        assert active == pointed
        assert active[0]["version"] not in self.rejected

    @invariant()
    def a_failure_has_one_open_task(self) -> None:
        signatures = [task.signature for task in self.table.tasks(*catalog.tasks.OPEN_STATUSES)]
        assert len(signatures) == len(set(signatures))

    @invariant()
    def the_past_stays_as_it_was(self) -> None:
        for moment, past in self.moments[-3:]:
            assert self.table.as_of(moment) == past

    def teardown(self) -> None:
        for moment, past in self.moments:
            assert self.table.as_of(moment) == past
        self.table.assert_nowhere(KEY)

    # One sync.

    def sync(self, accept: tuple[str, ...] = ()) -> None:
        before = self.table.look()
        self.provider.released.clear()
        reason = "looked at it" if accept else None
        try:
            with self.database.session() as session:
                result = ModelSyncer(session, client=self.client).sync_provider_models(
                    self.provider.slug, accept=accept, reason=reason
                )
        except (RuleValidationError, ModelSyncerError) as error:
            after = self.table.look()
            assert after.versions == before.versions
            assert after.last_change == before.last_change
            assert not self._is_as_accepted(), error
            if isinstance(error, RuleValidationError):
                assert self.table.tasks(*catalog.tasks.OPEN_STATUSES)
        else:
            self.trusting |= any(issue["recovery"] == "Accepted by hand." for issue in result["issues"])
            after = self.table.look()
            self.has_accepted(before, after)
            assert len(result["changes"]) == len(self.table.changes(before.last_change))
        finally:
            self.provider.released.set()

    def _is_as_accepted(self) -> bool:
        return self.provider.fault is None and self.accepted == (self.provider.whole(), self._version())

    def has_accepted(self, before: Look, after: Look) -> None:
        document = self.provider.whole()
        config = self.table.rule_that_read_last()
        read = reading(config["model_list_config"], document)
        self._are_the_listed_ones(read.ids, before, after)
        self._are_as_listed(read.rows, after)
        self._are_as_a_list_in_memory_gives_them(config, document, after)
        if not self.trusting:
            self._are_true(read.refused, after)
            self._are_as_able_as_before(before, after)
        changes = self.table.changes(before.last_change)
        assert replayed(before.rows, changes, after.rows) == {
            model_id: {name: row[name] for name in COMPARED} for model_id, row in after.rows.items()
        }
        self.accepted = (document, config["version"])
        moment = datetime.now(UTC)
        self.moments.append((moment, after.past(moment)))

    def _are_the_listed_ones(self, listed: set[str], before: Look, after: Look) -> None:
        now = datetime.now(UTC)
        assert before.rows.keys() <= after.rows.keys()
        for model_id, row in after.rows.items():
            was = before.rows[model_id]["status"] if model_id in before.rows else None
            if model_id in listed and not (model_id in self.refused_of(listed) and was == "removed"):
                assert row["status"] == "active", model_id
                self.absent[model_id], self.listed_at[model_id] = 0, now
                continue
            if was == "removed":
                assert row["status"] == "removed"
                continue
            self.absent[model_id] += 1
            gone = self.absent[model_id] >= 3 and now - self.listed_at[model_id] >= timedelta(hours=24)
            assert row["status"] == ("removed" if gone else "missing"), (model_id, self.absent[model_id])

    def refused_of(self, listed: set[str]) -> set[str]:
        return {model_id for model_id, model in self.provider.truth().items() if model.spoilt} & listed

    def _are_as_listed(self, rows: Mapping[str, Row], after: Look) -> None:
        for model_id, expected in rows.items():
            row = after.rows[model_id]
            for column, value in expected.items():
                if (override := self.override_of(model_id, column)) is not None:
                    assert row[column] == override[0]
                    assert column in row["overridden_fields"]
                else:
                    assert row[column] == (pytest.approx(value) if isinstance(value, float) else value)
                    assert column not in row["overridden_fields"]
            if self.override_of(model_id, "capabilities.vision") is not None:
                assert row["capabilities"]["vision"] is True

    def _are_as_a_list_in_memory_gives_them(self, config: Any, document: Any, after: Look) -> None:
        said = {"model_list_config": config["model_list_config"], "endpoints_config": config["endpoints_config"]}
        for expected in RuleValidator().validate_rule(said, document)["extracted_models"]:
            row = after.rows[expected["model_id"]]
            if not row["overridden_fields"]:
                assert {name: row[name] for name in expected} == json.loads(json.dumps(expected))

    def _are_true(self, refused: frozenset[str], after: Look) -> None:
        truth = self.provider.truth()
        active = {model_id for model_id, row in after.rows.items() if row["status"] == "active"}
        assert active - refused == truth.keys() - refused
        for model_id in active - refused:
            row, model = after.rows[model_id], truth[model_id]
            for column in ("context_length", "input_price", "output_price"):
                if self.override_of(model_id, column) is None and row[column] is not None:
                    assert row[column] == pytest.approx(float(getattr(model, column))), (model_id, column)

    def _are_as_able_as_before(self, before: Look, after: Look) -> None:
        """Capabilities derived from names do not change, so that no rule may lose more of them than the gates allow."""
        kept = [
            after.rows[model_id]["capabilities"].get(name) is has
            for model_id, row in before.rows.items()
            for name, has in row["capabilities"].items()
            if name != "vision"
        ]
        assert sum(kept) >= 0.98 * len(kept)

    def override_of(self, model_id: str, field: str) -> tuple[Any] | None:
        value, until = self.overrides.get((model_id, field), (None, datetime.min.replace(tzinfo=UTC)))
        return (value,) if until is None or until > datetime.now(UTC) else None

    def _version(self) -> int:
        return self.table.active_rules()[0][0]["version"]

    @contextmanager
    def untouched(self) -> Iterator[None]:
        """Asserts that no model is touched inside the block."""
        before = self.table.look()
        self.provider.released.clear()
        try:
            yield
        finally:
            self.provider.released.set()
        after = self.table.look()
        assert after.versions == before.versions
        assert after.last_change == before.last_change
