"""Where a candidate rule comes from: a proposal that is stored already, or the generator.

Here: finding the candidate, and what changed since the last good response. Not here: whether the candidate may become
the active rule (`gates.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.rules import Difference, EndpointSample, ExtractionRule, RuleGenerator, describe_drift
from provider_pipeline.sync.stored import StoredResponse, stored_rule

_PAGES: Final = 20
"""Pages of each endpoint whose structure is compared."""


@dataclass(frozen=True)
class Candidate:
    """A rule that asks to become the active one.

    Attributes:
        rule: The rule.
        metadata: How it was made.
        doubt: Why it may be a wrong guess.
        version: Its version, if it is stored already: a proposal.
    """

    rule: ExtractionRule
    metadata: Mapping[str, Any]
    doubt: str | None = None
    version: int | None = None


def proposed_candidate(session: Session, provider_id: int, task: catalog.Task | None) -> Candidate | None:
    """The rule that was proposed for a task, if one was."""
    if task is None or task.proposed_version is None:
        return None
    version = catalog.get_rule_version(session, provider_id, task.proposed_version)
    return Candidate(stored_rule(version), version.metadata, None, version.version)


def generated_candidate(active: ExtractionRule | None, response: StoredResponse) -> Candidate | str:
    """A candidate written from the first page of each endpoint, or why there is none."""
    endpoints = () if active is None else active.endpoints
    samples = [
        EndpointSample(document, path=endpoint.path, detail=endpoint.detail)
        for position, endpoint in enumerate(endpoints)
        for document in response.first_pages(position)
    ]
    samples = samples or [EndpointSample(document) for document in response.first_pages(0)]
    analysis = RuleGenerator().analyze_endpoints(samples)
    problem = next((each["message"] for each in analysis["issues"] if each["severity"] == "error"), None)
    if problem is not None:
        return str(problem)
    doubt = next((each["message"] for each in analysis["issues"] if each["type"] == "ambiguous"), None)
    return Candidate(ExtractionRule.parse(analysis), analysis["metadata"], doubt)


def differences_since(
    session: Session, provider_id: int, active: ExtractionRule | None, response: StoredResponse
) -> tuple[Difference, ...]:
    """What changed since the last accepted response; nothing where there is none to compare with."""
    good_id = catalog.get_sync_state(session, provider_id).raw_response_id
    if active is None or good_id is None or good_id == response.id:
        return ()
    good = StoredResponse(session, good_id)
    return tuple(
        difference
        for position in range(len(active.endpoints))
        for difference in describe_drift(
            active, good.first_pages(position, _PAGES), response.first_pages(position, _PAGES), endpoint=position
        )
    )
