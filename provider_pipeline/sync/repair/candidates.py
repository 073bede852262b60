"""Where a candidate rule comes from: a proposal that is stored already, or the generator.

Here: finding the candidate, and what changed since the last good response. Not here: whether the candidate may become
the active rule (`gates.py`).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.errors import RuleValidationError
from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.drift import Difference, describe_drift, with_inherited_fields
from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline.rules.generation.samples import EndpointSample
from provider_pipeline.sync.config import Response, StoredResponse, first_pages, stored_rule
from provider_pipeline.sync.outcome import blocking_reason

_PAGES: Final = 20
"""Pages of each endpoint whose structure is compared."""


@dataclass(frozen=True)
class Candidate:
    """A rule that asks to become the active one.

    Attributes:
        rule: The rule.
        metadata: How it was made.
        doubt: Why it may be a wrong guess.
        version: Its version, if it is stored already: a proposal. Without one the generator wrote it.
        places_agreed: Whether a person named the endpoints it asks; else they must be those of the active rule.
        analysis: What the generator said of it, with its evidence; empty for a proposal.
    """

    rule: ExtractionRule
    metadata: Mapping[str, Any]
    doubt: str | None = None
    version: int | None = None
    places_agreed: bool = False
    analysis: Mapping[str, Any] = field(default_factory=dict, repr=False)


def proposed_candidate(session: Session, provider_id: int, task: catalog.tasks.Task | None) -> Candidate | None:
    """The rule that was proposed for a task, if one was."""
    if task is None or task.proposed_version is None:
        return None
    version = catalog.rule_versions.get(session, provider_id, task.proposed_version)
    return Candidate(stored_rule(version), version.metadata, None, version.version)


def written_candidate(slug: str, samples: Sequence[EndpointSample], *, whole: bool = False) -> Candidate:
    """A rule that the generator writes from samples.

    Args:
        slug: The provider, for errors.
        samples: The first page of each endpoint.
        whole: The samples are all there is, whatever they say of further pages: the rule does not look for them.

    Raises:
        RuleValidationError: No valid rule can be written from these samples.
    """
    analysis = RuleGenerator().analyze_endpoints(samples)
    refuse_errors(slug, analysis["issues"])
    rule = ExtractionRule.parse(analysis)
    if whole:
        endpoints = tuple(endpoint.model_copy(update={"pagination": None}) for endpoint in rule.endpoints)
        rule = rule.model_copy(update={"endpoints": endpoints})
    doubt = next((each["message"] for each in analysis["issues"] if each["type"] == "ambiguous"), None)
    return Candidate(rule, analysis["metadata"], doubt, analysis=analysis)


def with_proven_paging(candidate: Candidate, active: ExtractionRule, response: Response) -> Candidate:
    """The candidate, looking for further pages as the active rule does where it knows no way itself.

    Only at endpoints that came in several pages: there the active rule's way leads on.
    """
    came = Counter(position for position, _ in response)
    endpoints = list(candidate.rule.endpoints)
    for position, ours in enumerate(active.endpoints[: len(endpoints)]):
        if came[position] > 1 and not endpoints[position].is_paged:
            endpoints[position] = endpoints[position].model_copy(update={"pagination": ours.pagination})
    return replace(candidate, rule=candidate.rule.model_copy(update={"endpoints": tuple(endpoints)}))


def refuse_errors(slug: str, issues: Sequence[Mapping[str, Any]]) -> None:
    """Raises for the first error among the issues of a sample or of what a rule makes of it.

    Raises:
        RuleValidationError: There is one.
    """
    if any(issue["severity"] == "error" for issue in issues):
        raise RuleValidationError(
            blocking_reason(slug, issues),
            issues,
            hint="no rule was stored; give a sample of the listing, with at least one model",
        )


def last_good_response(
    session: Session, provider_id: int, active: catalog.rule_versions.StoredRuleVersion
) -> StoredResponse | None:
    """The last accepted response or, before the first sync, the sample that the active rule was written from."""
    good_id = catalog.sync_state.get(session, provider_id).raw_response_id or active.sample_id
    return None if good_id is None else StoredResponse(session, good_id)


def with_history(candidate: Candidate, active: ExtractionRule, good: Response, response: Response) -> Candidate:
    """The candidate, with fields of the active rule that stand elsewhere now, found by the values they hold."""
    pages = [
        (first_pages(good, position, _PAGES), first_pages(response, position, _PAGES))
        for position in range(len(active.endpoints))
    ]
    rule, inherited = with_inherited_fields(candidate.rule, active, pages)
    if not inherited:
        return candidate
    return replace(candidate, rule=rule, metadata={**candidate.metadata, "inherited": inherited})


def differences_between(active: ExtractionRule, good: Response, response: Response) -> tuple[Difference, ...]:
    """What changed since the last good response; nothing where that is the same one."""
    if good.id == response.id:
        return ()
    return tuple(
        difference
        for position in range(len(active.endpoints))
        for difference in describe_drift(
            active, first_pages(good, position, _PAGES), first_pages(response, position, _PAGES), endpoint=position
        )
    )
