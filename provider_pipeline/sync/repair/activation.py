"""From a candidate rule to the active one, or not: tried, judged, stored, and activated if every gate is passed.

Here: what becomes of one candidate, whoever wrote it. Not here: tasks (`repair.py`), samples (`regenerate.py`), the
evidence (`evaluation.py`) and the verdict (`gates.py`). Commits nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.errors import InvalidRuleError, RuleMissingError
from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.places import place_changes, with_places_of
from provider_pipeline.sync.config import Response, StoredResponse, store_rule, stored_rule
from provider_pipeline.sync.repair.candidates import Candidate
from provider_pipeline.sync.repair.material import StoredMaterial
from provider_pipeline.sync.repair.promotion import Gate, judge_candidate
from provider_pipeline.sync.repair.sandbox import evaluate_apart
from provider_pipeline.sync.repair.shadow import Evidence, evaluate_candidate

Decision = Literal["activated", "kept", "needs_review"]


@dataclass(frozen=True)
class Adoption:
    """What became of a candidate.

    Attributes:
        status: `activated`: it is the active rule now; `kept`: the same rule is active already, and fits;
            `needs_review`: a person must decide.
        reason: One line that says why.
        version: The candidate's version.
        fits: Whether the rule that is active now reads the response.
        gates: What each gate found; none for a rule that is active already, or that was activated as asked.
        evidence: What the gates looked at.
    """

    status: Decision
    reason: str
    version: int
    fits: bool
    gates: tuple[Gate, ...]
    evidence: Evidence

    @property
    def activated(self) -> bool:
        """Whether the candidate is the active rule now."""
        return self.status == "activated"


def active_version(session: Session, provider_id: int) -> catalog.rule_versions.StoredRuleVersion | None:
    """The provider's active rule version, if it has one."""
    try:
        return catalog.rule_versions.active(session, provider_id)
    except RuleMissingError:
        return None


def readable_rule(version: catalog.rule_versions.StoredRuleVersion | None) -> ExtractionRule | None:
    """The rule of a version; None where there is no version, or an older build stored what this one refuses."""
    try:
        return None if version is None else stored_rule(version)
    except InvalidRuleError:
        return None


def parse_given_rule(session: Session, provider_id: int, document: Mapping[str, Any]) -> ExtractionRule:
    """A rule from outside, asking where the active one does as far as it leaves that open.

    Raises:
        InvalidRuleError: It cannot be understood.
    """
    rule, active = ExtractionRule.parse(document), readable_rule(active_version(session, provider_id))
    return rule if active is None else with_places_of(rule, active)


def adopt(
    session: Session,
    provider_id: int,
    candidate: Candidate,
    response: Response,
    *,
    origin: str,
    task_id: int | None = None,
    activate: bool | None = None,
    created_by_id: int | None = None,
    between: Callable[[], None] = lambda: None,
) -> Adoption:
    """Tries a candidate on a response and beside the active rule, stores it, and activates it if it passes.

    Args:
        session: Session to write with.
        provider_id: The provider.
        candidate: The rule.
        response: The response it was written for: the one that the active rule does not fit, or a sample.
        origin: Where the rule comes from, for the version's record.
        task_id: The task it answers.
        activate: True or False overrules the gates.
        created_by_id: Who asked for it, in the operator's own numbering.
        between: As in `evaluate_candidate`.

    Raises:
        RuleJudgingError: The candidate is a proposal, and its judging did not come to an end; nothing was written.
    """
    active = active_version(session, provider_id)
    evidence = _evidence(session, provider_id, candidate, active, response, between)
    # Gathering it takes seconds, in which a person may have decided otherwise.
    catalog.rule_versions.require_active(session, provider_id, None if active is None else active.version)
    reading = evidence.failing
    if active is not None and candidate.rule.digest == active.digest:
        status: Decision = "kept" if reading.candidate.valid else "needs_review"
        reason = f"rule version {active.version} is what a new rule would be" + (
            "" if reading.candidate.valid else f", and does not fit: {reading.candidate.reason}"
        )
        return Adoption(status, reason, active.version, reading.candidate.valid, (), evidence)
    gates = judge_candidate(evidence)
    failed = [gate for gate in gates if not gate.passed]
    reason = _reason(failed, candidate) if activate is None else "as asked"
    version = candidate.version or store_rule(
        session,
        provider_id,
        candidate.rule,
        origin=origin,
        metadata=candidate.metadata,
        sample_id=response.id,
        created_by_id=created_by_id,
        task_id=task_id,
    )
    scores: dict[str, Any] = {"gates": [gate.to_json() for gate in gates], "shadow": reading.to_json()}
    if activate is None and catalog.rule_versions.get(session, provider_id, version).status == "rejected":
        reason = f"rule version {version} was rejected before; {reason}"
    elif (not failed) if activate is None else activate:
        catalog.rule_decisions.activate_rule(
            session,
            provider_id,
            version,
            reason=reason,
            scores=scores,
            task_id=task_id,
            created_by_id=created_by_id,
        )
        return Adoption("activated", reason, version, reading.candidate.valid, gates, evidence)
    elif activate is None:
        catalog.rule_decisions.set_status(
            session,
            provider_id,
            version,
            "needs_review",
            reason=reason,
            scores=scores,
            task_id=task_id,
            created_by_id=created_by_id,
        )
    fits = reading.active is not None and reading.active.valid
    return Adoption("needs_review", reason, version, fits, gates, evidence)


def _evidence(
    session: Session,
    provider_id: int,
    candidate: Candidate,
    active: catalog.rule_versions.StoredRuleVersion | None,
    response: Response,
    between: Callable[[], None],
) -> Evidence:
    """What speaks for and against the candidate; one from outside is tried in a process of its own."""
    material = StoredMaterial(session, provider_id, None if active is None else active.sample_id)
    present, rule, doubt = readable_rule(active), candidate.rule, candidate.doubt
    if candidate.version is not None and isinstance(response, StoredResponse):
        evidence = evaluate_apart(material, rule, present, response, doubt=doubt, between=between)
    else:
        evidence = evaluate_candidate(material, rule, present, response, doubt=doubt, between=between)
    if candidate.places_agreed:
        return evidence
    return replace(evidence, elsewhere=tuple(place_changes(present, rule, generated=candidate.version is None)))


def _reason(failed: list[Gate], candidate: Candidate) -> str:
    what = "the proposed rule" if candidate.version is not None else "the new rule"
    if not failed:
        return f"{what} passes every gate"
    more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    return f"{what} fails the gate {failed[0].name}: {failed[0].actual}{more}"
