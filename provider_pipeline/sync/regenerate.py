"""New rules for a provider: generated, tried beside the old ones, activated only if better.

Here: where the sample comes from, and what becomes of a new rule. Not here: how a rule is written from a sample or
judged (`provider_pipeline.rules`), and which of two is better (`trial.py`).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.errors import ModelSyncerError, RuleMissingError, RuleValidationError
from provider_pipeline.listing import ListingClient, ListingEndpoint
from provider_pipeline.rules import ExtractionRule, ListingJudge, RuleGenerator
from provider_pipeline.sync.attempt import blocking_reason, listing_source, stored_rule
from provider_pipeline.sync.trial import Choice, choose_rule, try_rule

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
    """Writes a rule from a sample, stores it as a version, and activates it if it is better. Commits nothing.

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
    provider = catalog.get_provider(session, slug)
    analysis = RuleGenerator().analyze_sample(sample)
    _refuse_errors(slug, analysis["issues"])
    rule = _at_endpoint(ExtractionRule.parse(analysis), {"path": endpoint} | ({"pagination": None} if whole else {}))
    judge = ListingJudge(rule)
    model_ids = [row["model_id"] for row in judge.add_page(sample)]
    verdict = judge.verdict()
    _refuse_errors(slug, verdict.issues)
    responses = [[sample], *_stored_documents(session, provider.id, skip=sample_id)]
    doubt = next((issue["message"] for issue in analysis["issues"] if issue["type"] == "ambiguous"), None)
    if doubt is not None and _are_known(session, provider.id, model_ids):
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


def fetch_sample(session: Session, slug: str, *, endpoint: str, client: ListingClient) -> tuple[Any, int]:
    """Fetches the first page of a listing, stores it, and returns it parsed with its raw response's id.

    Raises:
        ModelSyncerError: The page could not be fetched or read.
    """
    provider = catalog.get_provider(session, slug)
    page = next(client.pages(listing_source(provider, [ListingEndpoint(path=endpoint)])))
    return page.document, store_sample(session, slug, page.content, url=page.url)


def store_sample(session: Session, slug: str, content: bytes, *, url: str) -> int:
    """Keeps a sample as a raw response, so that its rule can be tried on it again; returns the raw response's id.

    Args:
        session: An open session.
        slug: The provider.
        content: The sample's bytes.
        url: Where it came from, without secrets.
    """
    provider = catalog.get_provider(session, slug)
    page = catalog.StoredPage(endpoint=0, number=1, url=url, content=content)
    return catalog.store_raw_response(session, provider.id, [page], complete=False).id


def active_endpoint(session: Session, slug: str) -> str | None:
    """The listing's path in the provider's active rule; None when it has no rule.

    Raises:
        ModelSyncerError: The rule reads several endpoints; one sample cannot replace it.
    """
    active = _active_rule(session, catalog.get_provider(session, slug).id)
    if active is None:
        return None
    endpoints = stored_rule(active).endpoints
    if len(endpoints) > 1:
        raise ModelSyncerError(
            f"{slug}: its rule reads {len(endpoints)} endpoints, and a rule is written from a sample of one",
            hint="write the new rule by hand (docs/rules.md)",
        )
    return endpoints[0].path


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
        generated = generate_rule(
            session,
            slug,
            _documents(session, sample_id)[0],
            endpoint=active_endpoint(session, slug) or "",
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


def _at_endpoint(rule: ExtractionRule, where: Mapping[str, Any]) -> ExtractionRule:
    endpoints = tuple(endpoint.model_copy(update=dict(where)) for endpoint in rule.endpoints)
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
        judge = ListingJudge(stored_rule(active))
        pages = _documents(session, active.sample_id)
        known = {row["model_id"] for page in pages for row in judge.add_page(page)}.intersection(model_ids)
    return len(known) >= KNOWN_IDS_SHARE * len(model_ids)


def _documents(session: Session, raw_response_id: int) -> list[Any]:
    return [json.loads(page.content) for page in catalog.load_raw_response(session, raw_response_id)]


def _stored_documents(session: Session, provider_id: int, *, skip: int | None) -> list[list[Any]]:
    newest = catalog.recent_raw_response_ids(session, provider_id, limit=TRIAL_RESPONSES)
    return [_documents(session, raw_response_id) for raw_response_id in newest if raw_response_id != skip]
