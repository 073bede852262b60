"""One endpoint's part of a rule, told from its sample.

Here: the order of the decisions about one listing. Not here: the decisions, each in its own module beside this one, and
the capability rules, which belong to all endpoints together (`generator.py`).
"""

from dataclasses import dataclass
from typing import Any, Final

from provider_pipeline.rules.extraction import FIELD_COLUMNS
from provider_pipeline.rules.generation.capability_predicates import capability_evidence, only_text
from provider_pipeline.rules.generation.created_at import junk_reason
from provider_pipeline.rules.generation.fieldmap import (
    FieldChoice,
    accepted,
    arrow_modalities,
    joined,
    limit_choices,
    metadata_choices,
    modality_choice,
    name_choice,
    output_choice,
)
from provider_pipeline.rules.generation.identifiers import base_model
from provider_pipeline.rules.generation.joining import Told
from provider_pipeline.rules.generation.list_detection import Candidate, rival
from provider_pipeline.rules.generation.names import detect_kind
from provider_pipeline.rules.generation.pagination import infer_pagination, says_more
from provider_pipeline.rules.generation.prices import PriceChoice, billed_otherwise, price_choices
from provider_pipeline.rules.generation.samples import EndpointSample, described
from provider_pipeline.rules.issues import issue
from provider_pipeline.rules.values import UnitByRow

AMBIGUOUS_BELOW: Final = 0.5
_SHOWN_CANDIDATES: Final = 8
_FIELD_ORDER: Final = ("id", "name", *list(FIELD_COLUMNS)[3:])


@dataclass(frozen=True)
class Draft:
    """What one endpoint's sample gave, before the capabilities of all are put together."""

    sample: EndpointSample
    listing: Candidate
    """The models as the rule reads them, with details where there are any."""
    item_count: int
    parts: dict[str, Any]
    """The endpoint's parts of the rule, by their names in the written form of one endpoint."""
    kind: dict[str, Any]
    told: Told
    only_text: bool
    evidence: dict[str, Any]
    confidence: float
    issues: list[dict[str, Any]]


def drafted(sample: EndpointSample, found: list[Candidate]) -> Draft:
    """Everything about one endpoint but the capability rules, which belong to the provider."""
    chosen, answer = found[0], sample.listing
    kind = detect_kind(answer, chosen)
    listing = described(chosen, sample)
    fields, units, alternatives, junk = _fields(listing, answer)
    pagination, pagination_from = infer_pagination(answer, len(chosen.items), kind["kind"], chosen.path)
    confidence, issues = _confidence(chosen, found)
    if pagination["type"] == "none" and (told := says_more(answer, len(chosen.items), chosen.path)):
        issues.append(_unclear_pages(told))
    parts: dict[str, Any] = {} if sample.path is None else {"endpoint": sample.path}
    parts |= {
        "jmespath_rule": chosen.selector,
        "fields": {name: fields[name] for name in sorted(fields, key=_field_position)},
        "units": {name: units[name] for name in sorted(units)},
        "pagination": pagination,
    }
    if sample.detail is not None:
        parts["detail"] = sample.detail.model_dump()
    return Draft(
        sample=sample,
        listing=listing,
        item_count=len(chosen.items),
        parts=parts | {"expect": {"id_type": chosen.ids[0].id_type}},
        kind=kind,
        told=Told(listing, capability_evidence(listing.shape, fields), sample.name),
        only_text=only_text(listing.shape, fields),
        evidence={
            "candidates": [candidate.summary() for candidate in found[:_SHOWN_CANDIDATES]],
            "ids": [
                {"expression": choice.expression, "score": choice.score, "reasons": choice.reasons}
                for choice in chosen.ids
            ],
            "fields": alternatives,
            "junk": junk,
            "pagination": pagination_from,
        },
        confidence=confidence,
        issues=issues,
    )


def _unclear_pages(field: str) -> dict[str, Any]:
    return issue(
        "pagination_unclear",
        "warning",
        f"the answer's {field} says that there is more, but nothing says how to ask for it",
        expected="a token, an address or page numbers for the next page",
        actual="none that is known",
        recovery="Look the pages up in the provider's documentation, and put them into the rule's pagination.",
    )


def _field_position(name: str) -> tuple[int, str]:
    return (_FIELD_ORDER.index(name) if name in _FIELD_ORDER else len(_FIELD_ORDER), name)


def _fields(
    listing: Candidate, sample: Any
) -> tuple[dict[str, str], dict[str, Any], dict[str, list[Any]], dict[str, str]]:
    """The field map, its units, all alternatives that were found, and what was left out as junk."""
    shape, identity = listing.shape, listing.ids[0]
    fields = {"id": identity.expression}
    units: dict[str, Any] = {}
    alternatives: dict[str, list[Any]] = {}

    def take(name: str, choice: FieldChoice | PriceChoice | None, found: list[Any]) -> None:
        if found:
            alternatives[name] = [one.summary() for one in found]
        if choice is not None:
            fields[name] = choice.expression

    name, names = name_choice(shape, identity.expression, identity.depth)
    take("name", joined(name, names), names)
    contexts = limit_choices(shape, "context_length", identity.depth)
    context = accepted(contexts)
    take("context_length", joined(context, contexts), contexts)
    outputs = limit_choices(shape, "max_output_tokens", identity.depth)
    take("max_output_tokens", joined(output_choice(outputs, context), outputs), outputs)
    for side in ("input_modalities", "output_modalities"):
        chosen, sides = modality_choice(shape, side, identity.depth)
        take(side, joined(chosen, sides), sides)
    for side, expression in arrow_modalities(shape).items():
        fields.setdefault(side, expression)
    prices_of = {} if billed_otherwise(sample, listing.path) else price_choices(shape)
    for side, prices in prices_of.items():
        take(side, prices[0] if prices else None, prices)
        if prices:
            unit = prices[0].unit
            units[side] = unit.model_dump() if isinstance(unit, UnitByRow) else unit
    base = base_model(shape, identity)
    if base is not None:
        fields["base_model"] = base
    junk: dict[str, str] = {}
    for field, choice in metadata_choices(shape, set(fields.values())):
        reason = junk_reason(choice.column) if field == "created" else None
        if reason is None:
            fields[field] = choice.expression
        else:
            junk[choice.expression] = reason
    return fields, units, alternatives, junk


def _confidence(listing: Candidate, found: list[Candidate]) -> tuple[float, list[dict[str, Any]]]:
    """How sure the choice of the listing and its id is, and what makes it unsure."""
    problems = []
    confidence = min(1.0, listing.score / 0.75)
    other = rival(listing, found)
    if other is not None:
        confidence *= 1 - 0.6 * other.score / listing.score
        problems.append(
            issue(
                "ambiguous",
                "warning",
                f"two lists could be the listing: {listing.selector} and {other.selector}",
                expected="one list that is clearly the listing",
                actual=f"scores {listing.score:.2f} and {other.score:.2f}",
                sample=other.ids[0].values,
                recovery="Check the chosen selector; put the other one into the rule if it is the listing.",
            )
        )
    rivals = [choice for choice in listing.ids[1:] if choice.score >= 0.95 * listing.ids[0].score]
    if any(set(choice.values) != set(listing.ids[0].values) for choice in rivals):
        confidence *= 0.6
        problems.append(
            issue(
                "ambiguous",
                "warning",
                f"two fields could be the id: {listing.ids[0].expression} and {rivals[0].expression}",
                expected="one field that callers pass to the API",
                actual=f"scores {listing.ids[0].score:.2f} and {rivals[0].score:.2f}",
                sample=rivals[0].values,
                recovery="Check which of the two the provider's API takes, and put it into the rule's fields.id.",
            )
        )
    confidence = round(confidence, 3)
    if confidence < AMBIGUOUS_BELOW and not problems:
        problems.append(
            issue(
                "ambiguous",
                "warning",
                f"the listing {listing.selector} was chosen with a confidence of only {confidence:.2f}",
                expected=f"at least {AMBIGUOUS_BELOW:.2f}",
                actual=confidence,
                recovery="Look at the rule and at the sample before the rule is used.",
            )
        )
    return confidence, problems
