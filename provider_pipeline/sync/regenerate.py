"""New rules for a provider: generated, tried beside the old ones, activated only if better.

Here: what becomes of a new rule. Not here: where its sample comes from (`sampling.py`), how a rule is written from a
sample or judged (`provider_pipeline.rules`), and which of two is better (`trial.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.errors import ModelSyncerError, RuleMissingError, RuleValidationError
from provider_pipeline.rules import EndpointSample, ExtractionRule, RuleGenerator
from provider_pipeline.sync.attempt import blocking_reason
from provider_pipeline.sync.sampling import ListingPlace, active_places, stored_sample
from provider_pipeline.sync.stored import Page, StoredResponse, stored_rule
from provider_pipeline.sync.trial import Choice, choose_rule, read_response, try_rule

TRIAL_RESPONSES = 5
KNOWN_IDS_SHARE = 0.5


@dataclass(frozen=True)
class GeneratedRule:
    """A rule version that was generated and stored.

    Attributes:
        slug: The provider.
        version: The stored version; the one that existed when the same rule was generated again.
        activated: Whether it is the active one now.
        fits: Whether the rule that is active now fits the sample.
        reason: Why it was, or was not, activated.
        rule: The rule.
        analysis: What `RuleGenerator.analyze_sample` returned, with its evidence.
        models: Models it extracts from the sample.
        raw_response_id: The stored sample.
    """

    slug: str
    version: int
    activated: bool
    fits: bool
    reason: str
    rule: ExtractionRule
    analysis: dict[str, Any]
    models: int
    raw_response_id: int | None


def generate_rule(
    session: Session,
    slug: str,
    sample: Any,
    *,
    endpoint: str,
    sample_id: int | None = None,
    origin: str = "generated",
    activate: bool | None = None,
    whole: bool = False,
) -> GeneratedRule:
    """Writes a rule for a provider of one endpoint; see `generate_rule_from`.

    Args:
        session: An open session.
        slug: The provider.
        sample: Parsed JSON: the first page of a listing.
        endpoint: The listing's path under the provider's base URL.
        sample_id: The stored raw response that the sample is from.
        origin: Where the rule comes from, for the version's record.
        activate: True or False overrules the comparison with the active rule.
        whole: The sample is all there is, whatever it says of further pages: the rule does not look for them.

    Raises:
        RuleValidationError: No valid rule can be written from this sample; nothing was stored.
    """
    return generate_rule_from(
        session,
        slug,
        [EndpointSample(sample, endpoint)],
        sample_id=sample_id,
        origin=origin,
        activate=activate,
        whole=whole,
    )


def generate_rule_from(
    session: Session,
    slug: str,
    samples: Sequence[EndpointSample],
    *,
    sample_id: int | None = None,
    origin: str = "generated",
    activate: bool | None = None,
    whole: bool = False,
) -> GeneratedRule:
    """Writes a rule from samples, stores it as a version, and activates it if it is better. Commits nothing.

    Args:
        session: An open session.
        slug: The provider.
        samples: The first page of each endpoint.
        sample_id: The stored raw response that the sample is from.
        origin: Where the rule comes from, for the version's record.
        activate: True or False overrules the comparison with the active rule.
        whole: The samples are all there is, whatever they say of further pages: the rule does not look for them.

    Raises:
        RuleValidationError: No valid rule can be written from these samples; nothing was stored.
    """
    provider = catalog.get_provider(session, slug)
    analysis = RuleGenerator().analyze_endpoints(samples)
    _refuse_errors(slug, analysis["issues"])
    rule = ExtractionRule.parse(analysis)
    if whole:
        rule = _without_pages(rule)
    sample = [(position, each.document) for position, each in enumerate(samples)]
    rows, verdict = read_response(rule, sample)
    _refuse_errors(slug, verdict.issues)
    responses = [sample, *_stored_responses(session, provider.id, skip=sample_id)]
    doubt = next((issue["message"] for issue in analysis["issues"] if issue["type"] == "ambiguous"), None)
    if doubt is not None and _are_known(session, provider.id, [row["model_id"] for row in rows]):
        doubt = None
    active = _active_rule(session, provider.id)
    choice = choose_rule(
        None if active is None else [try_rule(stored_rule(active), pages) for pages in responses],
        [try_rule(rule, pages) for pages in responses],
        doubt=doubt,
    )
    if activate is not None:
        choice = Choice(activate, activate or choice.fits, "as asked")
    stored = rule.to_stored()
    version = catalog.add_rule_version(
        session,
        provider.id,
        model_list_config=stored.model_list_config,
        endpoints_config=stored.endpoints_config,
        metadata=analysis["metadata"],
        digest=rule.digest,
        sample_id=sample_id,
        origin=origin,
        activate=choice.activate,
        reason=choice.reason,
    )
    return GeneratedRule(
        slug=slug,
        version=version,
        activated=choice.activate,
        fits=choice.fits,
        reason=choice.reason,
        rule=rule,
        analysis=analysis,
        models=verdict.profile.count,
        raw_response_id=sample_id,
    )


def regenerate_rule(session: Session, slug: str) -> GeneratedRule:
    """Answers the provider's RULE_GEN tasks with a rule from its newest stored response, and commits.

    The open tasks have SUCCEEDED when the new rule was activated. Otherwise they stay open, with the reason in their
    `result`: another response may help, or a person. No network is used.

    Raises:
        RuleValidationError: No valid rule can be written from the response; the tasks stay open.
        ModelSyncerError: There is no stored response to learn from.
    """
    provider = catalog.get_provider(session, slug)
    tasks = catalog.open_tasks(session, slug)
    sample_id = _newest_response(session, provider.id, tasks)
    if sample_id is None:
        raise ModelSyncerError(
            f"{slug}: there is no stored response to write a rule from",
            hint=f"fetch one with: provider-pipeline rules generate {slug}",
        )
    try:
        generated = generate_rule_from(
            session,
            slug,
            stored_sample(session, slug, sample_id, active_places(session, slug) or [ListingPlace("")]),
            sample_id=sample_id,
            origin="regenerated",
        )
    except RuleValidationError as error:
        _answer(session, tasks, "PENDING", {"reason": error.reason, "raw_response_id": sample_id})
        session.commit()
        raise
    _answer(
        session,
        tasks,
        "SUCCEEDED" if generated.activated else "PENDING",
        {"reason": generated.reason, "rule_version": generated.version, "raw_response_id": sample_id},
    )
    session.commit()
    return generated


def _refuse_errors(slug: str, issues: Sequence[Mapping[str, Any]]) -> None:
    if any(issue["severity"] == "error" for issue in issues):
        raise RuleValidationError(
            blocking_reason(slug, issues),
            issues,
            hint="no rule was stored; give a sample of the listing, with at least one model",
        )


def _newest_response(session: Session, provider_id: int, tasks: Sequence[catalog.Task]) -> int | None:
    """The response of the last attempt, which may be an old one again; else that of the newest task."""
    last = catalog.get_sync_state(session, provider_id).last_result or {}
    known = [last.get("raw_response_id"), *(task.raw_response_id for task in reversed(tasks))]
    return next((raw_response_id for raw_response_id in known if raw_response_id is not None), None)


def _answer(session: Session, tasks: Sequence[catalog.Task], status: str, result: dict[str, Any]) -> None:
    for task in tasks:
        catalog.set_task_status(session, task.id, status, result=result)


def _without_pages(rule: ExtractionRule) -> ExtractionRule:
    endpoints = tuple(endpoint.model_copy(update={"pagination": None}) for endpoint in rule.endpoints)
    return rule.model_copy(update={"endpoints": endpoints})


def _active_rule(session: Session, provider_id: int) -> catalog.StoredRuleVersion | None:
    try:
        return catalog.active_rule(session, provider_id)
    except RuleMissingError:
        return None


def _are_known(session: Session, provider_id: int, model_ids: Sequence[str]) -> bool:
    """Whether most of the ids are models the provider is known to have, which no wrong list or field would give.

    Known are its rows or, before the first sync, what the active rule reads from the sample it was written from.
    """
    known = set(catalog.previous_rows(session, provider_id, model_ids))
    active = _active_rule(session, provider_id)
    if not known and active is not None and active.sample_id is not None:
        rows, _ = read_response(stored_rule(active), StoredResponse(session, active.sample_id))
        known = {row["model_id"] for row in rows}.intersection(model_ids)
    return len(known) >= KNOWN_IDS_SHARE * len(model_ids)


def _stored_responses(session: Session, provider_id: int, *, skip: int | None) -> list[list[Page]]:
    newest = catalog.recent_raw_response_ids(session, provider_id, limit=TRIAL_RESPONSES)
    return [list(StoredResponse(session, raw_response_id)) for raw_response_id in newest if raw_response_id != skip]
