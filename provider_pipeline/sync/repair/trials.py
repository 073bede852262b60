"""Rules on trial: reading every listing beside the active rule, and promoted or reported at the end.

Here: the shadow run of a sync, and how a trial ends. Not here: the rows (`catalog.trials`) and the gates (`gates.py`).
The concept: a rule on trial never writes a model; its readings of real listings add up until they speak for themselves.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.errors import InvalidRuleError, RuleJudgingError
from provider_pipeline.rules.places import place_changes
from provider_pipeline.sync.config import StoredResponse, store_rule, stored_rule
from provider_pipeline.sync.repair.activation import active_version, parse_given_rule, readable_rule
from provider_pipeline.sync.repair.material import StoredMaterial
from provider_pipeline.sync.repair.promotion import Gate, judge_by_what_is_known, judge_trial
from provider_pipeline.sync.repair.sandbox import evaluate_apart, shadow_apart
from provider_pipeline.sync.repair.shadow import Shadow, unpaged


@dataclass(frozen=True)
class TrialReport:
    """A trial and what it has found so far.

    Attributes:
        trial: The trial as stored.
        shadows: Both rules on each different listing, oldest first.
        gates: What the gates say of them.
    """

    trial: catalog.trials.RuleTrial
    shadows: tuple[Shadow, ...]
    gates: tuple[Gate, ...]

    @property
    def passed(self) -> bool:
        """Whether the rule on trial may be promoted."""
        return all(gate.passed for gate in self.gates)


def serve_trials(session: Session, provider_id: int, raw_response_id: int, *, now: datetime) -> list[TrialReport]:
    """Lets every rule on trial read a listing that was just stored; ends the trials that are over. Commits nothing.

    Args:
        session: Session to write with.
        provider_id: The provider.
        raw_response_id: The listing of this sync, accepted or not.
        now: The time of the sync.

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
    """What a trial has found so far."""
    found = [result.scores for result in catalog.trials.trial_results(session, trial.id)]
    shadows = tuple(Shadow.from_json(scores) for scores in found if "candidate" in scores)
    candidate = readable_rule(catalog.rule_versions.get(session, trial.provider_id, trial.version))
    active = readable_rule(active_version(session, trial.provider_id))
    if candidate is None:
        return TrialReport(trial, shadows, judge_trial(shadows, elsewhere=["cannot be read any more"]))
    missed = () if active is None else unpaged(active, candidate)
    gates = judge_trial(shadows, unpaged=missed, elsewhere=place_changes(active, candidate))
    return TrialReport(trial, shadows, gates)


def store_for_trial(
    session: Session, provider_id: int, document: Mapping[str, Any], *, reason: str, created_by_id: int | None = None
) -> int:
    """Stores a hand-written rule as a version that may be put on trial; returns the version. Commits nothing.

    What it does not state of where it asks stays as in the active rule.

    Raises:
        InvalidRuleError: The rule cannot be understood.
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


def _by_what_is_known(session: Session, trial: catalog.trials.RuleTrial, raw_response_id: int) -> tuple[Gate, ...]:
    candidate = stored_rule(catalog.rule_versions.get(session, trial.provider_id, trial.version))
    active = catalog.rule_versions.active(session, trial.provider_id)
    response = StoredResponse(session, raw_response_id)
    material = StoredMaterial(session, trial.provider_id, active.sample_id)
    return judge_by_what_is_known(evaluate_apart(material, candidate, stored_rule(active), response))


def _scores(session: Session, trial: catalog.trials.RuleTrial, raw_response_id: int) -> dict[str, Any]:
    """The shadow run's scores; of content that the trial has read before, those of the first time."""
    for result in catalog.trials.trial_results(session, trial.id):
        if result.raw_response_id == raw_response_id:
            return result.scores
    try:
        candidate = stored_rule(catalog.rule_versions.get(session, trial.provider_id, trial.version))
        active = catalog.rule_versions.active(session, trial.provider_id)
        present = stored_rule(active)
    except InvalidRuleError as error:
        return {"error": str(error)}
    material = StoredMaterial(session, trial.provider_id, active.sample_id)
    return shadow_apart(material, candidate, present, StoredResponse(session, raw_response_id)).to_json()


def _rejected(session: Session, trial: catalog.trials.RuleTrial, error: RuleJudgingError, now: datetime) -> TrialReport:
    """The trial of a rule whose judging did not come to an end: the next sync does not try it again."""
    reason = f"rule version {trial.version} is rejected: {error.message}"
    catalog.rule_decisions.set_status(session, trial.provider_id, trial.version, "rejected", reason=reason)
    return report_trial(session, catalog.trials.end(session, trial.id, status="stopped", now=now, reason=reason))


def _concluded(session: Session, trial: catalog.trials.RuleTrial, raw_response_id: int, now: datetime) -> TrialReport:
    report = report_trial(session, trial)
    if trial.policy == "promote" and report.passed:
        # Where the active rule read nothing, the two could not be compared; what is known can.
        report = replace(report, gates=(*report.gates, *_by_what_is_known(session, trial, raw_response_id)))
    failed = [gate for gate in report.gates if not gate.passed]
    rejected = catalog.rule_versions.get(session, trial.provider_id, trial.version).status == "rejected"
    if trial.policy == "promote" and not failed and not rejected:
        reason = f"passed its trial over {trial.syncs} syncs and {trial.responses} different listings"
        scores = {"gates": [gate.to_json() for gate in report.gates]}
        catalog.rule_decisions.activate_rule(session, trial.provider_id, trial.version, reason=reason, scores=scores)
        ended = catalog.trials.end(session, trial.id, status="promoted", now=now, reason=reason)
    else:
        reason = f"failed {failed[0].name}: {failed[0].actual}" if failed else "ran to its end; promotion is by hand"
        reason = f"rule version {trial.version} was rejected; its trial {reason}" if rejected else reason
        ended = catalog.trials.end(session, trial.id, status="finished", now=now, reason=reason)
    return TrialReport(ended, report.shadows, report.gates)
