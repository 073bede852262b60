"""New rules for a provider, written from samples when somebody asks for one.

Here: the way from samples to a stored version. Not here: where samples come from (`sampling.py`), whether the rule
becomes the active one (`adoption.py`), and the answers to RULE_GEN tasks (`repair.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.rules import EndpointSample, ExtractionRule, ListingJudge, Verdict
from provider_pipeline.sync.adoption import adopt
from provider_pipeline.sync.candidates import refuse_errors, written_candidate
from provider_pipeline.sync.gates import Gate
from provider_pipeline.sync.stored import SampleResponse


@dataclass(frozen=True)
class GeneratedRule:
    """A rule version that was generated and stored.

    Attributes:
        slug: The provider.
        version: The stored version; the one that existed when the same rule was generated again.
        activated: Whether it is the active one now.
        reason: Why it was, or was not, activated.
        rule: The rule.
        analysis: What `RuleGenerator.analyze_sample` returned, with its evidence.
        models: Models it extracts from the sample.
        raw_response_id: The stored sample.
        gates: What the gates found.
    """

    slug: str
    version: int
    activated: bool
    reason: str
    rule: ExtractionRule
    analysis: Mapping[str, Any]
    models: int
    raw_response_id: int | None
    gates: tuple[Gate, ...] = ()


def generate_rule(
    session: Session,
    slug: str,
    samples: Sequence[EndpointSample],
    *,
    sample_id: int | None = None,
    activate: bool | None = None,
    whole: bool = False,
    created_by_id: int | None = None,
) -> GeneratedRule:
    """Writes a rule from samples, stores it as a version, and activates it if it is better. Commits nothing.

    Samples count among the stored responses of which a provider keeps so many: older ones are forgotten.

    Args:
        session: An open session.
        slug: The provider.
        samples: The first page of each endpoint. A person has chosen these endpoints, or `activate` is False.
        sample_id: The stored raw response that the sample is from.
        activate: True or False overrules the gates.
        whole: The samples are all there is, whatever they say of further pages: the rule does not look for them.
        created_by_id: Who asked for it, in the operator's own numbering.

    Raises:
        RuleValidationError: No valid rule can be written from these samples; nothing was stored.
    """
    provider = catalog.get_provider(session, slug)
    # Whoever asks for a rule names its endpoints, or has it kept back.
    candidate = replace(written_candidate(slug, samples, whole=whole), places_agreed=True)
    refuse_errors(slug, _verdict(candidate.rule, samples).issues)
    adoption = adopt(
        session,
        provider.id,
        candidate,
        SampleResponse(samples, sample_id),
        origin="generated",
        activate=activate,
        created_by_id=created_by_id,
    )
    if sample_id is not None:
        catalog.lock_provider(session, provider.id)
        catalog.prune_raw_responses(session, provider.id)
    return GeneratedRule(
        slug=slug,
        version=adoption.version,
        activated=adoption.activated,
        reason=adoption.reason,
        rule=candidate.rule,
        analysis=candidate.analysis,
        models=adoption.evidence.failing.candidate.models,
        raw_response_id=sample_id,
        gates=adoption.gates,
    )


def _verdict(rule: ExtractionRule, samples: Sequence[EndpointSample]) -> Verdict:
    judge = ListingJudge(rule)
    for position, sample in enumerate(samples):
        judge.add_page(sample.document, endpoint=position)
    return judge.verdict()
