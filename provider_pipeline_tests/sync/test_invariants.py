"""The invariants of a sync hold whatever the provider, the machine and people do, in any order.

`PROVIDER_PIPELINE_LAWS` sets the number of runs, random ones each time; unset, the same 10 are repeated.
`PROVIDER_PIPELINE_LAWS_STEPS` sets the steps of each, by default 20.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test
from pytest_httpserver import HTTPServer

from provider_pipeline import ModelSyncerError, catalog
from provider_pipeline.catalog.database import Database
from provider_pipeline.errors import CatalogError, ProviderPipelineError, RuleMissingError
from provider_pipeline.sync.provider import attempt_sync
from provider_pipeline.sync.repair.review import approve_task, propose_rule, reject_task
from provider_pipeline.sync.repair.trials import store_for_trial
from provider_pipeline.sync.repair.worker import answer_tasks
from provider_pipeline_tests.sync.stateful.crashing_workers import CrashingWorkers
from provider_pipeline_tests.sync.stateful.machine import ProviderMachine
from provider_pipeline_tests.sync.stateful.simulated_provider import FAULTS, KEY, Model, usual

LIVES = int(os.environ.get("PROVIDER_PIPELINE_LAWS", "10"))
STEPS = int(os.environ.get("PROVIDER_PIPELINE_LAWS_STEPS", "20"))

THEN = st.sampled_from(("sync", "sync", "sync", "sync", "raw", "dry run", "nothing"))
SHARES = st.lists(st.integers(0, 15), min_size=1, max_size=6)
OVERRIDES = st.sampled_from(
    (
        ("context_length", 64_000),
        ("context_length", None),
        ("display_name", "Ours"),
        ("input_price", 0),
        ("capabilities.vision", True),
    )
)


class Life(ProviderMachine):
    """What can happen to a provider."""

    # The provider: each of these tells something new, and may be looked at next.

    @rule(numbers=SHARES, then=THEN)
    def lists_more(self, numbers: list[int], then: str) -> None:
        known = {model.number for model in self.provider.models}
        self.provider.models += tuple(usual(number) for number in sorted(set(numbers) - known))
        self._then(then)

    @rule(numbers=SHARES, then=THEN)
    def lists_fewer(self, numbers: list[int], then: str) -> None:
        kept = tuple(model for model in self.provider.models if model.number not in numbers)
        self.provider.models = kept or self.provider.models
        self._then(then)

    @rule(numbers=SHARES, factor=st.sampled_from(("0", "0.5", "1.1", "3", "50")), then=THEN)
    def reprices_a_few(self, numbers: list[int], factor: str, then: str) -> None:
        self._each(lambda model: _repriced(model, factor) if model.number in numbers else model)
        self._then(then)

    @rule(factor=st.sampled_from(("0.5", "3", "50")), then=THEN)
    def reprices_all(self, factor: str, then: str) -> None:
        self._each(lambda model: _repriced(model, factor))
        self._then(then)

    @rule(numbers=SHARES, spoilt=st.booleans(), doubled=st.booleans(), then=THEN)
    def lists_some_badly(self, numbers: list[int], spoilt: bool, doubled: bool, then: str) -> None:
        self._each(
            lambda model: replace(model, spoilt=spoilt, doubled=doubled) if model.number in numbers[:2] else model
        )
        self._then(then)

    @rule(then=THEN)
    def lists_all_well(self, then: str) -> None:
        self._each(lambda model: replace(model, spoilt=False, doubled=False))
        self._then(then)

    @rule(key=st.sampled_from(("context_length", "max_context", "ctx")), then=THEN)
    def renames_a_key(self, key: str, then: str) -> None:
        self._tell(then, context_key=key)

    @rule(key=st.sampled_from(("id", "model")), then=THEN)
    def renames_the_id(self, key: str, then: str) -> None:
        self._tell(then, id_key=key)

    @rule(place=st.sampled_from(("data", "models", "result.models")), then=THEN)
    def moves_the_list(self, place: str, then: str) -> None:
        self._tell(then, place=place)

    @rule(
        per_million=st.booleans(),
        keys=st.sampled_from((("prompt", "completion"), ("input", "output"), ("input_per_1m", "output_per_1m"))),
        then=THEN,
    )
    def changes_units(self, per_million: bool, keys: tuple[str, str], then: str) -> None:
        self._tell(then, per_million=per_million, price_keys=keys)

    @rule(owner=st.sampled_from(("", "acme/", "models/")), then=THEN)
    def changes_the_form_of_ids(self, owner: str, then: str) -> None:
        self._tell(then, owner=owner)

    @rule(key=st.sampled_from(("has_more", "more")), then=THEN)
    def renames_the_page_mark(self, key: str, then: str) -> None:
        self._tell(then, more_key=key)

    @rule(fault=st.sampled_from(FAULTS), lasts=st.booleans(), then=THEN)
    def fails(self, fault: str, lasts: bool, then: str) -> None:
        self.provider.fault = fault
        self._then(then)
        if not lasts:
            self.provider.fault = None

    @precondition(lambda self: self.provider.fault)
    @rule(then=THEN)
    def is_cured(self, then: str) -> None:
        self.provider.fault = None
        self._then(then)

    # The pipeline.

    @rule(what=st.sampled_from(("sync", "sync", "raw", "dry run")))
    def is_looked_at(self, what: str) -> None:
        self._then(what)

    @rule(then=THEN)
    def has_its_tasks_answered(self, then: str) -> None:
        with self.untouched(), self.database.session() as session:
            try:
                answer_tasks(session, self.provider.slug)
            except ModelSyncerError:
                session.rollback()
        self._then(then)

    @precondition(lambda self: self.deaths < 2)
    @rule(job=st.sampled_from(("sync", "sync", "answer")), dies_at=st.integers(1, 60))
    def has_a_worker_killed(self, job: str, dies_at: int) -> None:
        self.deaths += 1
        before = self.table.look()
        self.provider.released.clear()
        self.workers.work(job, self.provider.slug, dies_at=dies_at)
        self.provider.released.set()
        self.table.bury_the_dead()
        after = self.table.look()
        if after.last_success_at == before.last_success_at:
            assert after.versions == before.versions
        else:
            self.has_accepted(before, after)

    @rule(days=st.integers(1, 3), then=THEN)
    def grows_older(self, days: int, then: str) -> None:
        for _ in range(days):
            self._pass_a_day()
            self._then(then)

    @rule()
    def is_pruned(self) -> None:
        with self.untouched(), self.database.session() as session:
            catalog.raw_responses.prune(session, self.table.provider_id)
            session.commit()

    # People.

    @rule(number=st.integers(0, 15), override=OVERRIDES, ends=st.booleans())
    def has_an_override_set(self, number: int, override: tuple[str, Any], ends: bool) -> None:
        model_id = self.provider.item_id(usual(number))
        field, value = override
        until = datetime.now(UTC) + timedelta(hours=12) if ends else None
        with self.untouched(), self.database.session() as session:
            catalog.model_overrides.put(
                session, self.table.provider_id, model_id, field, value, reason="measured", expires_at=until
            )
            session.commit()
        self.overrides[model_id, field] = (value, until)

    @precondition(lambda self: self.overrides)
    @rule(data=st.data())
    def has_an_override_removed(self, data: st.DataObject) -> None:
        model_id, field = data.draw(st.sampled_from(sorted(self.overrides)))
        with self.untouched(), self.database.session() as session:
            assert catalog.model_overrides.remove(session, self.table.provider_id, model_id, field)
            session.commit()
        del self.overrides[model_id, field]

    @precondition(lambda self: self._waiting())
    @rule(yes=st.booleans())
    def has_a_task_decided(self, yes: bool) -> None:
        task = self._waiting()[0]
        with self.untouched(), self.database.session() as session:
            if yes:
                approve_task(session, task.id, reason="looked at it")
                self.trusting = True
                self.rejected.discard(task.proposed_version)
            else:
                reject_task(session, task.id, reason="looked at it")
                self.rejected.add(task.proposed_version)

    @precondition(lambda self: self.table.tasks("PENDING", "NEEDS_REVIEW"))
    @rule(flaw=st.sampled_from(("none", "unit", "no context", "other id")))
    def has_a_rule_proposed(self, flaw: str) -> None:
        task = self.table.tasks("PENDING", "NEEDS_REVIEW")[0]
        with self.untouched(), self.database.session() as session:
            try:
                propose_rule(session, task.id, self._written(flaw), author="person")
            except ProviderPipelineError:
                session.rollback()

    @rule(
        flaw=st.sampled_from(("none", "unit", "no context", "other id")), policy=st.sampled_from(("report", "promote"))
    )
    def has_a_rule_put_on_trial(self, flaw: str, policy: str) -> None:
        with self.untouched(), self.database.session() as session:
            version = store_for_trial(session, self.table.provider_id, self._written(flaw), reason="tried")
            try:
                catalog.trials.start(
                    session,
                    self.table.provider_id,
                    version,
                    now=datetime.now(UTC),
                    reason="tried",
                    until_syncs=2,
                    policy=policy,
                )
            except CatalogError:
                session.rollback()
            session.commit()

    @rule()
    def has_its_rule_rolled_back(self) -> None:
        with self.untouched(), self.database.session() as session:
            try:
                catalog.rule_versions.roll_back(session, self.table.provider_id, reason="it was better")
            except RuleMissingError:
                return
            session.commit()
        self.trusting = True

    @rule(guards=st.sampled_from((("all",), ("shrink", "turnover"), ("prices",), ("fields", "limits"))))
    def has_guards_accepted(self, guards: tuple[str, ...]) -> None:
        self.sync(accept=guards)

    # How.

    def _pass_a_day(self) -> None:
        day = timedelta(days=1)
        self.table.shift(day)
        self.listed_at = {model_id: moment - day for model_id, moment in self.listed_at.items()}
        self.moments = [(moment - day, past) for moment, past in self.moments]
        self.overrides = {
            place: (value, None if until is None else until - day) for place, (value, until) in self.overrides.items()
        }

    def _each(self, change: Callable[[Model], Model]) -> None:
        self.provider.models = tuple(change(model) for model in self.provider.models)

    def _tell(self, then: str, **changes: Any) -> None:
        self.provider.change(**changes)
        self._then(then)

    def _then(self, what: str) -> None:
        if what == "sync":
            self.sync()
        elif what != "nothing":
            with self.untouched(), self.database.session() as session:
                keep = "raw" if what == "raw" else "nothing"
                attempt_sync(session, self.provider.slug, client=self.client, keep=keep)

    def _waiting(self) -> list[catalog.tasks.Task]:
        return [task for task in self.table.tasks("NEEDS_REVIEW") if task.proposed_version is not None]

    def _written(self, flaw: str) -> dict[str, Any]:
        """A hand-written rule for the present form, with a flaw."""
        form = self.provider.form
        fields = {
            "id": form.id_key,
            "name": "name",
            "context_length": form.context_key,
            "input_price": f"pricing.{form.price_keys[0]}",
            "output_price": f"pricing.{form.price_keys[1]}",
        }
        if flaw == "no context":
            del fields["context_length"]
        if flaw == "other id":
            fields["id"] = "name"
        unit = "usd_per_million_tokens" if form.per_million != (flaw == "unit") else "usd_per_token"
        outer = form.place.rpartition(".")[0]
        path = f"{outer}." if outer else ""
        pagination = {"type": "cursor", "param": "after", "token": f"{path}last_id", "more": f"{path}{form.more_key}"}
        return {
            "model_list_config": {
                "endpoint": "/v1/models",
                "selector": f"{form.place}[*]",
                "fields": fields,
                "units": {"input_price": unit, "output_price": unit},
                "pagination": pagination,
            },
            "endpoints_config": {"chat": {"patterns": {"regex": ["gpt-.*", "claude-.*"]}}},
        }


def _repriced(model: Model, factor: str) -> Model:
    """The model at another price; above 1,000 dollars prices only fall, since higher ones count as errors."""
    prices = [
        min(price * Decimal(factor), max(price, Decimal(1_000))).quantize(Decimal("0.001"))
        for price in (model.input_price, model.output_price)
    ]
    return replace(model, input_price=prices[0], output_price=prices[1])


@pytest.mark.timeout(max(300, 30 * LIVES))
def test_the_invariants_hold_in_every_run(database: Database, httpserver: HTTPServer):
    with CrashingWorkers(database.url, {"ACME_KEY": KEY}) as workers:
        run_state_machine_as_test(
            lambda: Life(database, httpserver, workers),
            settings=settings(
                max_examples=LIVES,
                stateful_step_count=STEPS,
                derandomize="PROVIDER_PIPELINE_LAWS" not in os.environ,
                database=None,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
