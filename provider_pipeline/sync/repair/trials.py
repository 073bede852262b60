"""Runs rules on trial beside the active rule on every listing, and promotes or reports them at the end.

A rule on trial never writes a model.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.errors import InvalidRuleError, RuleJudgingError
from provider_pipeline.rules.difference import place_changes
from provider_pipeline.sync.plan import StoredResponse, store_rule, stored_rule
from provider_pipeline.sync.repair.activation import parse_given_rule
from provider_pipeline.sync.repair.candidates import StoredProviderData, active_version, readable_rule
from provider_pipeline.sync.repair.promotion import Gate, judge_known_models, judge_trial, with_missing_set
from provider_pipeline.sync.repair.sandbox import evaluate_in_sandbox, shadow_in_sandbox
from provider_pipeline.sync.repair.shadow import ShadowRun, unpaged


@dataclass(frozen=True)
class TrialReport:
    """A trial and its findings so far.

    Attributes:
        trial: The trial as stored.
        shadows: Both rules on each distinct listing, oldest first.
        gates: Result of each gate.
    """

    trial: catalog.trials.RuleTrial
    shadows: tuple[ShadowRun, ...]
    gates: tuple[Gate, ...]

    @property
    def passed(self) -> bool:
        """Whether the rule on trial may be promoted."""
        return all(gate.passed for gate in self.gates)


def run_trials(session: Session, provider_id: int, raw_response_id: int, *, now: datetime) -> list[TrialReport]:
    """Runs every rule on trial on a stored listing, accepted or not. Commits nothing.

    Returns:
        The trials that ended.
    """
    ended: list[TrialReport] = []
    catalog.providers.lock(session, provider_id)
    for trial in catalog.trials.running(session, provider_id, lock=True):
        try:
            scores = _scores(session, trial, raw_response_id)
            after = catalog.trials.record_result(
                session, trial.id, raw_response_id=raw_response_id, now=now, scores=scores
            )
            if after.is_over(now):
                ended.append(_concluded(session, after, raw_response_id, now))
        except RuleJudgingError as error:
            ended.append(_rejected(session, trial, error, now))
    return ended


def report_trial(session: Session, trial: catalog.trials.RuleTrial) -> TrialReport:
    """A trial's findings so far."""
    found = [result.scores for result in catalog.trials.trial_results(session, trial.id)]
    shadows = tuple(ShadowRun.from_json(scores) for scores in found if "candidate" in scores)
    candidate = readable_rule(session, catalog.rule_versions.get(session, trial.provider_id, trial.version))
    active = readable_rule(session, active_version(session, trial.provider_id))
    if candidate is None:
        return TrialReport(trial, shadows, judge_trial(shadows, elsewhere=["cannot be read any more"]))
    missed = () if active is None else unpaged(active, candidate)
    gates = judge_trial(shadows, unpaged=missed, elsewhere=place_changes(active, candidate))
    return TrialReport(trial, shadows, with_missing_set(gates, active, candidate))


def store_for_trial(
    session: Session, provider_id: int, document: Mapping[str, Any], *, reason: str, created_by_id: int | None = None
) -> int:
    """Stores a hand-written rule for a trial, and returns its version. Commits nothing.

    Endpoints that it omits are copied from the active rule.

    Raises:
        InvalidRuleError: The rule is invalid.
    """
    return store_rule(
        session,
        provider_id,
        parse_given_rule(session, provider_id, document),
        origin="written",
        author="person",
        created_by_id=created_by_id,
        reason=reason,
    )


def _scores(session: Session, trial: catalog.trials.RuleTrial, raw_response_id: int) -> dict[str, Any]:
    """The shadow run's scores; stored ones for content that the trial has read before."""
    for result in catalog.trials.trial_results(session, trial.id):
        if result.raw_response_id == raw_response_id:
            return result.scores
    try:
        candidate = stored_rule(session, catalog.rule_versions.get(session, trial.provider_id, trial.version))
        active = catalog.rule_versions.active(session, trial.provider_id)
        present = stored_rule(session, active)
    except InvalidRuleError as error:
        return {"error": str(error)}
    data = StoredProviderData(session, trial.provider_id, active.sample_id)
    return shadow_in_sandbox(data, candidate, present, StoredResponse(session, raw_response_id)).to_json()


def _rejected(session: Session, trial: catalog.trials.RuleTrial, error: RuleJudgingError, now: datetime) -> TrialReport:
    """Ends the trial of a rule whose judging failed, so that the next sync does not try it again."""
    reason = f"rule version {trial.version} is rejected: {error.message}"
    catalog.rule_versions.set_status(session, trial.provider_id, trial.version, "rejected", reason=reason)
    return report_trial(session, catalog.trials.end(session, trial.id, status="stopped", now=now, reason=reason))


def _concluded(session: Session, trial: catalog.trials.RuleTrial, raw_response_id: int, now: datetime) -> TrialReport:
    report = report_trial(session, trial)
    if trial.policy == "promote" and report.passed:
        report = replace(report, gates=(*report.gates, *_known_model_gates(session, trial, raw_response_id)))
    failed = [gate for gate in report.gates if not gate.passed]
    rejected = catalog.rule_versions.get(session, trial.provider_id, trial.version).status == "rejected"
    if trial.policy == "promote" and not failed and not rejected:
        reason = f"passed its trial over {trial.syncs} syncs and {trial.responses} different listings"
        scores = {"gates": [gate.to_json() for gate in report.gates]}
        catalog.rule_versions.activate_rule(session, trial.provider_id, trial.version, reason=reason, scores=scores)
        ended = catalog.trials.end(session, trial.id, status="promoted", now=now, reason=reason)
    else:
        reason = f"failed {failed[0].name}: {failed[0].actual}" if failed else "ran to its end; promotion is by hand"
        reason = f"rule version {trial.version} was rejected; its trial {reason}" if rejected else reason
        ended = catalog.trials.end(session, trial.id, status="finished", now=now, reason=reason)
    return TrialReport(ended, report.shadows, report.gates)


def _known_model_gates(session: Session, trial: catalog.trials.RuleTrial, raw_response_id: int) -> tuple[Gate, ...]:
    """The gates on known models, which also cover listings that the active rule could not read."""
    candidate = stored_rule(session, catalog.rule_versions.get(session, trial.provider_id, trial.version))
    active = catalog.rule_versions.active(session, trial.provider_id)
    response = StoredResponse(session, raw_response_id)
    data = StoredProviderData(session, trial.provider_id, active.sample_id)
    return judge_known_models(evaluate_in_sandbox(data, candidate, stored_rule(session, active), response))
