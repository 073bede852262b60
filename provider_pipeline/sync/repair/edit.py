"""A person corrects parts of a provider's rule: tried on the newest stored response, and judged by the gates."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.errors import ModelSyncerError
from provider_pipeline.rules.carried_over import fields_nowhere, with_id_types
from provider_pipeline.rules.comparison import Differences, RowDifferences
from provider_pipeline.rules.difference import rule_differences
from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.extraction import FIELD_COLUMNS
from provider_pipeline.rules.issues import blocking_guards
from provider_pipeline.rules.stated_rule import StatedRule
from provider_pipeline.sync.plan import StoredResponse, active_judge, parse_thresholds, stored_rule
from provider_pipeline.sync.repair.activation import ActivationResult, try_activate
from provider_pipeline.sync.repair.candidates import CandidateRule, last_good_response
from provider_pipeline.sync.repair.promotion import Gate
from provider_pipeline.sync.repair.shadow import run_shadow


@dataclass(frozen=True)
class RuleEdit:
    """A correction of a rule, and its result.

    Attributes:
        slug: The provider.
        before: The rule version that was corrected.
        raw_response_id: The response on which it was tried.
        rule_changes: Differences between the two rules, one line each; empty if nothing changes.
        differences: Changes of the response's rows.
        guards: The guards that would hold the response if it were synced with the corrected rule.
        result: The decision on the corrected rule; None if it is the active rule.
    """

    slug: str
    before: int
    raw_response_id: int
    rule_changes: tuple[str, ...]
    differences: Differences
    guards: tuple[str, ...]
    result: ActivationResult | None

    @property
    def failed(self) -> tuple[Gate, ...]:
        """The gates that the corrected rule fails."""
        return () if self.result is None else tuple(gate for gate in self.result.gates if not gate.passed)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        result = self.result
        return {
            "provider": self.slug,
            "before": self.before,
            "version": self.before if result is None else result.version,
            "status": "unchanged" if result is None else result.status,
            "reason": None if result is None else result.reason,
            "raw_response_id": self.raw_response_id,
            "rule_changes": list(self.rule_changes),
            "differences": self.differences.to_json(),
            "guards": list(self.guards),
            "gates": [] if result is None else [gate.to_json() for gate in result.gates],
        }


def edit_rule(
    session: Session, slug: str, changes: StatedRule, *, reason: str, created_by_id: int | None = None
) -> RuleEdit:
    """Corrects parts of the active rule; the corrected one is activated if it passes the gates. Commits nothing.

    Changed parts become stated, in addition to earlier ones: generated rules keep them.

    Raises:
        InvalidRuleError: The result is not a valid rule.
        RuleMissingError: The provider has no active rule.
        ModelSyncerError: No response is stored to try it on.
    """
    provider_id = catalog.providers.get(session, slug).id
    present = stored_rule(session, catalog.rule_versions.active(session, provider_id))
    stated = StatedRule.parse(catalog.providers.stated_rule(session, provider_id)).merged_with(changes, present)
    return try_stated(session, slug, changes.apply_to(present), stated, reason=reason, created_by_id=created_by_id)


def try_stated(
    session: Session,
    slug: str,
    rule: ExtractionRule,
    stated: StatedRule,
    *,
    reason: str,
    origin: str = "edited",
    dropped: Collection[str] = (),
    created_by_id: int | None = None,
) -> RuleEdit:
    """Tries a person's rule on the newest stored response, and activates it if it passes the gates. Commits nothing.

    Args:
        session: An open session.
        slug: The provider, which has an active rule.
        rule: The rule, which includes all stated parts.
        stated: The parts that generated rules will keep; the gates ignore the columns of its fields.
        reason: Why, for the history of the rule.
        origin: Its producer, in a word.
        dropped: Fields that are no longer stated; the gates ignore their columns, too.
        created_by_id: The id, in the operator's system, of the person who asked for it.

    Raises:
        RuleMissingError: The provider has no active rule.
        ModelSyncerError: No response is stored to try it on.
    """
    provider_id = catalog.providers.get(session, slug).id
    active = catalog.rule_versions.active(session, provider_id)
    present = stored_rule(session, active)
    response = newest_response(session, provider_id)
    if response is None:
        raise ModelSyncerError(
            f"{slug}: there is no stored response to try the rule on", hint=f"fetch one: provider-pipeline sync {slug}"
        )
    rule = with_id_types(rule, present, response)
    rows = RowDifferences()
    run_shadow(present, rule, response, raw_response_id=response.id, watch=rows.add)
    catalog.providers.state_rule(session, provider_id, stated.to_json())
    result = None
    if rule.digest != active.digest:
        columns = sorted(FIELD_COLUMNS.get(name, name) for name in (*stated.stated_fields(), *dropped))
        new = {each.part for each in stated.missing_from(present)}
        nowhere = [part for part in fields_nowhere(rule, stated, response) if part in new]
        candidate = CandidateRule(
            rule,
            rule.metadata,
            places_agreed=True,
            decided=tuple(columns),
            reason=reason,
            nowhere=tuple(nowhere),
        )
        result = try_activate(session, provider_id, candidate, response, origin=origin, created_by_id=created_by_id)
    differences = rule_differences(present, rule)
    return RuleEdit(
        slug=slug,
        before=active.version,
        raw_response_id=response.id,
        rule_changes=tuple(each.line() for each in differences),
        differences=rows.differences(),
        guards=tuple(_guards(session, slug, rule, response)),
        result=result,
    )


def _guards(session: Session, slug: str, rule: ExtractionRule, response: StoredResponse) -> list[str]:
    provider = catalog.providers.get(session, slug)
    thresholds, state = parse_thresholds(slug, provider.thresholds), catalog.sync_state.get(session, provider.id)
    judge = active_judge(session, provider, rule, thresholds, state, now=datetime.now(UTC), watch=lambda: None)
    for endpoint, document in response:
        if endpoint < len(rule.endpoints):
            judge.add_page(document, endpoint=endpoint)
    return blocking_guards(judge.verdict().issues)


def newest_response(session: Session, provider_id: int) -> StoredResponse | None:
    """The response of the last sync, or else the last good one, if any."""
    last = (catalog.sync_state.get(session, provider_id).last_result or {}).get("raw_response_id")
    if last is not None:
        return StoredResponse(session, last)
    return last_good_response(session, provider_id, catalog.rule_versions.active(session, provider_id))
