"""Decides on a candidate rule: tries it, stores it, and activates it, or reports the failed gates to a person.

Commits nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.rules.comparison import Comparison
from provider_pipeline.rules.difference import place_changes, with_places_of, without_asking_hints
from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.drift import Difference
from provider_pipeline.rules.generation.capability_rules import ALWAYS
from provider_pipeline.rules.issues import escaped
from provider_pipeline.rules.stated_rule import StatedRule
from provider_pipeline.sync.plan import Response, StoredResponse, store_rule
from provider_pipeline.sync.repair.candidates import (
    CandidateRule,
    StoredProviderData,
    active_version,
    readable_rule,
    stated_parts,
)
from provider_pipeline.sync.repair.promotion import Gate, judge_candidate, with_missing_set
from provider_pipeline.sync.repair.sandbox import evaluate_in_sandbox
from provider_pipeline.sync.repair.shadow import Evidence, ShadowRun, evaluate_candidate

_IS_BETTER: Final = "is_better_than_the_active_rule"
"""The gate that applies only where the active rule reads the response too."""

Decision = Literal["activated", "kept", "needs_review"]


@dataclass(frozen=True)
class ActivationResult:
    """The decision on a candidate.

    Attributes:
        status: `activated`: it is now the active rule; `kept`: the same rule was active already, and fits;
            `needs_review`: a person must decide.
        reason: Why, in one line.
        version: The candidate's version.
        fits: Whether the rule that is now active fits the response.
        gates: Result of each gate; empty if the same rule was active already.
        evidence: The evidence that the gates judged.
    """

    status: Decision
    reason: str
    version: int
    fits: bool
    gates: tuple[Gate, ...]
    evidence: Evidence


def parse_given_rule(session: Session, provider_id: int, document: Mapping[str, Any]) -> ExtractionRule:
    """Parse a rule from outside; endpoints that it omits are copied from the active rule.

    Raises:
        InvalidRuleError: It cannot be understood.
    """
    rule = ExtractionRule.parse(document, patterns=catalog.sync_state.active_patterns(session))
    active = readable_rule(session, active_version(session, provider_id))
    return rule if active is None else with_places_of(rule, active)


def try_activate(
    session: Session,
    provider_id: int,
    candidate: CandidateRule,
    response: Response,
    *,
    origin: str,
    task_id: int | None = None,
    activate: bool | None = None,
    only_better: bool = False,
    created_by_id: int | None = None,
    between: Callable[[], None] = lambda: None,
) -> ActivationResult:
    """Runs a candidate beside the active rule, stores it, and activates it if it passes every gate.

    `response` is the one that the candidate was written for; `activate` True or False overrules the gates;
    `only_better` drops a candidate that is no better than a fitting rule, instead of asking a person;
    `between` is called as in `evaluate_candidate`.

    Raises:
        RuleJudgingError: The candidate is a proposal, and its judging failed; nothing was written.
        RuleReplacedError: The active rule was replaced meanwhile.
    """
    active = active_version(session, provider_id)
    evidence = _evidence(session, provider_id, candidate, active, response, between)
    # A person may have activated another rule during the seconds that the evidence took.
    catalog.rule_versions.require_active(session, provider_id, None if active is None else active.version)
    run = evidence.failing
    if active is not None and (
        candidate.rule.digest == active.digest or _only_asks_otherwise(candidate, readable_rule(session, active), run)
    ):
        status: Decision = "kept" if run.candidate.valid else "needs_review"
        reason = f"rule version {active.version} is what a new rule would be" + (
            "" if run.candidate.valid else f", and does not fit: {run.candidate.reason}"
        )
        return ActivationResult(status, reason, active.version, run.candidate.valid, (), evidence)
    gates = with_missing_set(judge_candidate(evidence), readable_rule(session, active), candidate.rule)
    failed = [gate for gate in gates if not gate.passed]
    reason = _reason(failed, candidate) if activate is None else "as asked"
    if only_better and active is not None and any(gate.name == _IS_BETTER for gate in failed):
        return ActivationResult("kept", reason, active.version, True, (), evidence)
    version = candidate.version or store_rule(
        session,
        provider_id,
        candidate.rule,
        origin=origin,
        metadata=candidate.metadata,
        sample_id=response.id,
        author="generator" if candidate.decided is None else "person",
        created_by_id=created_by_id,
        task_id=task_id,
    )
    scores: dict[str, Any] = {"gates": [gate.to_json() for gate in gates], "shadow": run.to_json()}
    if activate is None and catalog.rule_versions.get(session, provider_id, version).status == "rejected":
        reason = f"rule version {version} was rejected before; {reason}"
    elif (not failed) if activate is None else activate:
        catalog.rule_versions.activate_rule(
            session,
            provider_id,
            version,
            reason=reason,
            scores=scores,
            task_id=task_id,
            created_by_id=created_by_id,
        )
        return ActivationResult("activated", reason, version, run.candidate.valid, gates, evidence)
    elif activate is None:
        catalog.rule_versions.set_status(
            session,
            provider_id,
            version,
            "needs_review",
            reason=reason,
            scores=scores,
            task_id=task_id,
            created_by_id=created_by_id,
        )
    fits = run.active is not None and run.active.valid
    return ActivationResult("needs_review", reason, version, fits, gates, evidence)


def _only_asks_otherwise(candidate: CandidateRule, rule: ExtractionRule | None, run: ShadowRun) -> bool:
    """Whether a generated candidate only changes how pages are requested that the active rule reads well."""
    return (
        rule is not None
        and candidate.version is None
        and candidate.decided is None
        and run.active is not None
        and run.active.valid
        and without_asking_hints(rule).digest == without_asking_hints(candidate.rule).digest
    )


def _evidence(
    session: Session,
    provider_id: int,
    candidate: CandidateRule,
    active: catalog.rule_versions.StoredRuleVersion | None,
    response: Response,
    between: Callable[[], None],
) -> Evidence:
    """The evidence on a candidate; one from outside runs in a sandbox."""
    data = StoredProviderData(session, provider_id, None if active is None else active.sample_id)
    present, rule = readable_rule(session, active), candidate.rule
    doubt = candidate.doubt if active is not None or candidate.is_unsure else None
    if candidate.version is not None and isinstance(response, StoredResponse):
        evidence = evaluate_in_sandbox(data, rule, present, response, doubt=doubt, between=between)
    else:
        evidence = evaluate_candidate(data, rule, present, response, doubt=doubt, between=between)
    evidence = replace(
        evidence,
        only_shorter=present is not None and _is_only_shorter(present, rule),
        unkept=tuple(_unkept(stated_parts(session, provider_id, present), candidate)),
        decided=candidate.decided,
    )
    if candidate.places_agreed:
        return evidence
    return replace(evidence, elsewhere=tuple(place_changes(present, rule, generated=candidate.version is None)))


def _unkept(stated: StatedRule, candidate: CandidateRule) -> Iterator[str]:
    """The stated parts that a candidate changes, except fields found elsewhere by their values.

    They include a newly stated field that no model has: it is misspelt or absent.
    """
    yield from (f"no model has what is stated of {part}" for part in candidate.nowhere)
    moved = {f"fields.{name}" for name in candidate.metadata.get("inherited", ())}
    for each in stated.missing_from(candidate.rule):
        if each.part.rpartition(": ")[2] not in moved:
            yield str(each)


def _is_only_shorter(active: ExtractionRule, candidate: ExtractionRule) -> bool:
    """Whether the candidate differs only by naming a pattern set instead of carrying patterns."""
    if active.pattern_set is not None or candidate.pattern_set is None:
        return False
    return _without_names(active).digest == _without_names(candidate).digest


def _without_names(rule: ExtractionRule) -> ExtractionRule:
    """The rule without name patterns, and without the predicate equivalent to a last pattern for all names."""
    rules = []
    for each in rule.capability_rules:
        weak = tuple(text for text in each.patterns.weak_evidence if text != ALWAYS)
        patterns = each.patterns.model_copy(update={"regex": (), "weak_evidence": weak})
        if patterns.predicates or patterns.lookup_table:
            rules.append(each.model_copy(update={"patterns": patterns}))
    return rule.model_copy(update={"capability_rules": tuple(rules), "pattern_set": None, "shared_patterns": None})


def _reason(failed: list[Gate], candidate: CandidateRule) -> str:
    what = "the proposed rule" if candidate.version is not None else "the new rule"
    what = f"{candidate.reason}; {what}" if candidate.reason else what
    if not failed:
        return f"{what} passes every gate"
    more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    return f"{what} fails the gate {failed[0].name}: {failed[0].actual}{more}"


_MAX_CELL_CHARACTERS = 160
_MAX_LINES = 40


def report_markdown(
    slug: str,
    *,
    reason: str,
    differences: Sequence[Difference],
    rule_changes: Sequence[str],
    gates: Sequence[Gate],
    evidence: Evidence | None,
    next_steps: Sequence[str],
) -> str:
    """The report: the candidate beside the active rule, in Markdown.

    Args:
        slug: The provider.
        reason: The decision on the candidate and why, in one line.
        differences: Changes between the last good response and the one that failed.
        rule_changes: Differences between the active rule and the candidate, one line each.
        gates: The gates, in order.
        evidence: The evidence; None if no candidate could be written.
        next_steps: Commands that a person can run.
    """
    parts = [f"## {_cell(slug)}: {_cell(reason)}", "### What changed", *_changes(differences)]
    if rule_changes:
        parts += [
            "### What the candidate changes",
            *(f"- {_plain(line)}" for line in rule_changes[:_MAX_LINES]),
        ]
        if len(rule_changes) > _MAX_LINES:
            parts.append(f"- and {len(rule_changes) - _MAX_LINES} more: `provider-pipeline rules diff {_cell(slug)}`")
    if gates:
        parts += ["### Gates", _table(("gate", "passed", "expected", "actual"), (_gate_row(gate) for gate in gates))]
    if evidence is not None:
        responses = [evidence.failing, *evidence.stored]
        parts += [
            "### Side by side",
            _table(
                ("raw response", "active rule", "candidate", "models kept"), (_shadow_row(one) for one in responses)
            ),
        ]
        if evidence.catalogue is not None:
            parts += ["### Beside the catalogue", _fields_table(evidence.catalogue)]
    if next_steps:
        parts += ["### Next", *(f"- `{step}`" for step in next_steps)]
    return "\n\n".join(_joined_lists(parts))


def next_steps(
    slug: str, status: str, version: int | None, task: catalog.tasks.Task | None, failing_id: int
) -> tuple[str, ...]:
    """Commands for a person's decision, if one is needed."""
    if status != "needs_review":
        return ()
    look = f"provider-pipeline raw show {failing_id}"
    if task is None:
        return (look,)
    approve = f"provider-pipeline tasks approve {task.id} --version {version} --reason WHY"
    decide = (approve,) if version is not None else ()
    return (
        *decide,
        f"provider-pipeline tasks propose {task.id} --rule FILE",
        f"provider-pipeline sync {slug} --accept GUARD --reason WHY",
        look,
    )


def _changes(differences: Sequence[Difference]) -> Iterable[str]:
    if not differences:
        return ["Nothing in the structure of the response."]
    return [f"- {_plain(difference.text)}" for difference in differences]


def _gate_row(gate: Gate) -> tuple[str, ...]:
    actual = gate.actual + (f" ({'; '.join(gate.sample)})" if gate.sample and not gate.passed else "")
    return (gate.name.replace("_", " "), "yes" if gate.passed else "**no**", gate.expected, actual)


def _shadow_row(shadow: ShadowRun) -> tuple[str, ...]:
    where = "not stored" if shadow.raw_response_id is None else str(shadow.raw_response_id)
    active = (
        "none" if shadow.active is None else _result(shadow.active.valid, shadow.active.models, shadow.active.reason)
    )
    candidate = _result(shadow.candidate.valid, shadow.candidate.models, shadow.candidate.reason)
    kept = "" if shadow.comparison is None else f"{shadow.comparison.shared} of {shadow.comparison.before}"
    return (where, active, candidate, kept)


def _result(valid: bool, models: int, reason: str | None) -> str:
    return f"{models} models" if valid else f"does not fit: {reason or 'no reason given'}"


def _fields_table(comparison: Comparison) -> str:
    rows = [
        (name, str(each.agree), str(each.differ), str(each.lost), str(each.gained), "; ".join(each.sample[:2]))
        for name, each in [*comparison.fields.items(), ("capabilities", comparison.capabilities)]
        if each.known_before or each.gained
    ]
    return _table(("field", "same", "other", "lost", "gained", "for example"), rows)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [_row(heads), _row(["---"] * len(heads)), *(_row([_cell(cell) for cell in row]) for row in rows)]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    """A provider's text, escaped for a table cell."""
    return _plain(text if len(text) <= _MAX_CELL_CHARACTERS else f"{text[: _MAX_CELL_CHARACTERS - 1]}…").replace(
        "|", "\\|"
    )


def _plain(text: str) -> str:
    return escaped(" ".join(text.split())).replace("<", "&lt;")


def _joined_lists(parts: Iterable[str]) -> Iterable[str]:
    """Joins consecutive list items into one part."""
    block: list[str] = []
    for part in parts:
        if part.startswith("- "):
            block.append(part)
            continue
        if block:
            yield "\n".join(block)
            block = []
        yield part
    if block:
        yield "\n".join(block)
