"""`RuleGenerator`: from one sample, the rule an expert would have written (docs/rules.md).

It runs the decisions of the neighbouring modules in order and assembles a document.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from provider_pipeline.rules.capability_rules import SHIPPED, PatternSet, shipped
from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.generation.capability_predicates import Predicates, capability_evidence, only_text
from provider_pipeline.rules.generation.capability_rules import (
    EndpointPredicates,
    capability_rules,
    joined_predicates,
    labelled_selector,
)
from provider_pipeline.rules.generation.field_choices import currency_issue, unread_fields, unread_issue
from provider_pipeline.rules.generation.fieldmap import field_map
from provider_pipeline.rules.generation.identifiers import likely_id, null_id
from provider_pipeline.rules.generation.pagination import infer_pagination
from provider_pipeline.rules.generation.samples import (
    TEXTS_PENALTY,
    EndpointSample,
    ListCandidate,
    detect_kind,
    possible_listings,
    rival,
    with_details,
)
from provider_pipeline.rules.issues import issue
from provider_pipeline.rules.judge import ListingJudge
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.language import compile_expression, path_expression, words_of
from provider_pipeline.rules.model_columns import LIMIT_COLUMNS
from provider_pipeline.rules.pagination import says_more
from provider_pipeline.rules.prices import price_field
from provider_pipeline.rules.values import json_type

GENERATOR_VERSION: Final = 1

CONFIDENT: Final = 0.5
"""Confidence from which a rule may be activated without a person; calibrated, see docs/rules.md."""
_CERTAIN_SCORE: Final = 0.75
_RIVAL_DOUBT: Final = 0.51
_NO_SIGN: Final = 0.45
_RIVAL_ID: Final = 0.6
_LIKELY_ID: Final = 0.49
_NUMBERED: Final = 0.8
_SHOWN_CANDIDATES: Final = 8
_SHOWN_IDS: Final = 4


class RuleGenerator:
    """Writes extraction rules. Deterministic: the same sample and pattern set always give the same rule.

    Args:
        patterns: The pattern set that the rules name; by default this package's.
    """

    def __init__(self, patterns: PatternSet | None = None) -> None:
        self._patterns = patterns or shipped()

    def analyze_sample(self, sample: Any) -> dict[str, Any]:
        """The rule for a provider, from one answer of its listing endpoint.

        Args:
            sample: Parsed JSON of any shape.

        Returns:
            A rule document: `jmespath_rule`, `fields`, `units`, `pagination`, `expect`, `pattern_set`,
            `capability_rules` (with the patterns of the set that matter most for the sample), and its origin:
            `metadata`, `evidence`, `confidence` and `issues`. A sample without a listing gives a rule that
            matches nothing, with confidence 0 and an issue of type `no_listing_found`.
        """
        return self.analyze_endpoints([EndpointSample(sample)])

    def analyze_endpoints(self, samples: Sequence[EndpointSample]) -> dict[str, Any]:
        """The rule for a provider that lists its models at several endpoints, or answers for each model separately.

        Args:
            samples: One page of each endpoint, in the order of precedence of their rows.

        Returns:
            A rule document as of `analyze_sample`. Several samples put the parts of each endpoint under `endpoints` and
            its evidence under `evidence.endpoints`. If any sample has no listing, neither has the rule.
        """
        drafts = []
        for sample in samples:
            found = possible_listings(sample) if _is_json(sample.document) else []
            if not found:
                return _no_listing(sample)
            drafts.append(_drafted(sample, found))
        return _document(drafts, self._patterns)


@dataclass(frozen=True)
class _Draft:
    """One endpoint's part of a rule, before the capability rules of all endpoints are written.

    `listing` has only the items with details, if there are any; `item_count` counts all. `parts` is the endpoint's part
    of the document.
    """

    sample: EndpointSample
    listing: ListCandidate
    item_count: int
    parts: dict[str, Any]
    kind: dict[str, Any]
    predicates: EndpointPredicates
    only_text: bool
    evidence: dict[str, Any]
    confidence: float
    issues: list[dict[str, Any]]


def _is_json(sample: Any) -> bool:
    """Whether all keys of all objects are texts, as in parsed JSON."""
    pending = [sample]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            if not all(isinstance(key, str) for key in node):
                return False
            pending.extend(value for value in node.values() if isinstance(value, (dict, list)))
        elif isinstance(node, list):
            pending.extend(value for value in node if isinstance(value, (dict, list)))
    return True


def _no_listing(sample: EndpointSample) -> dict[str, Any]:
    problem = issue(
        "no_listing_found",
        "error",
        f"the sample{f' of {sample.path}' if sample.path else ''} holds no list of objects with an id",
        expected="a list of model objects, or a map of id to object, at any depth",
        actual=f"a JSON {json_type(sample.listing)}",
        recovery="Check that the endpoint lists models, and that the answer is not an error or a login page.",
    )
    return {
        "jmespath_rule": "data[*]",
        "fields": {"id": "id"},
        "capability_rules": [],
        "metadata": {"sample_model_count": 0, "generator_version": GENERATOR_VERSION},
        "evidence": {"candidates": []},
        "confidence": 0.0,
        "issues": [problem],
    }


def _drafted(sample: EndpointSample, found: list[ListCandidate]) -> _Draft:
    chosen, answer = found[0], sample.listing
    kind = detect_kind(answer, chosen)
    listing = with_details(chosen, sample)
    chosen_fields = field_map(listing.shape, listing.ids[0], answer, listing.path)
    fields, units = chosen_fields.fields, chosen_fields.units
    predicates = capability_evidence(listing.shape, fields)
    read = [*fields.values(), *(unit.get("by") or unit["times"] for unit in units.values() if isinstance(unit, dict))]
    read += [text for each in predicates.values() for texts in each.values() for text in texts]
    prices = chosen_fields.prices
    known = [
        each["expression"]
        for name in fields
        if price_field(name) is None
        for each in chosen_fields.alternatives.get(name, ())
    ]
    known += [one.column.expression for held in prices.choices.values() for one in held if one.repeats(held[0])]
    unread = unread_fields(listing.shape, prices, read, [*chosen_fields.junk, *known])
    listed = path_expression(chosen.path)
    pagination, pagination_from = infer_pagination(
        answer,
        len(chosen.items),
        kind["kind"],
        chosen.path,
        path=sample.path,
        last_id=f"{listed}[-1].{chosen.ids[0].expression}" if chosen.selector == f"{listed}[*]" else None,
    )
    confidence, issues = _confidence(chosen, found, is_of_models=_is_of_models(listing, fields, predicates))
    if chosen.selector == sample.stated.selector and chosen.ids[0].expression == sample.stated.fields.get("id"):
        confidence, issues = 1.0, []  # a person has said where the models are
    if pagination["type"] == "none" and (field := says_more(answer, len(chosen.items), chosen.path, path=sample.path)):
        issues.append(_unclear_pages(field))
    issues += unread_issue(unread, priced=bool(prices.choices)) + currency_issue(prices)
    parts: dict[str, Any] = {} if sample.path is None else {"endpoint": sample.path}
    parts |= {
        "jmespath_rule": chosen.selector,
        "fields": chosen_fields.ordered_fields(),
        "units": {name: units[name] for name in sorted(units)},
        "pagination": pagination,
    }
    if prices.currency is not None and prices.choices:
        parts["currency"] = prices.currency
    if sample.detail is not None:
        parts["detail"] = sample.detail.model_dump()
    return _Draft(
        sample=sample,
        listing=listing,
        item_count=len(chosen.items),
        parts=parts | {"expect": {"id_type": chosen.ids[0].id_type}},
        kind=kind,
        predicates=EndpointPredicates(listing, predicates, sample.name),
        only_text=only_text(listing.shape, fields),
        evidence={
            "candidates": [candidate.summary() for candidate in found[:_SHOWN_CANDIDATES]],
            "ids": [
                {"expression": choice.expression, "score": choice.score, "reasons": choice.reasons}
                for choice in chosen.ids[:_SHOWN_IDS]
            ],
            "fields": chosen_fields.alternatives,
            "junk": chosen_fields.junk,
            "unread": {one.expression: one.reason for one in unread},
            "pagination": pagination_from,
        },
        confidence=confidence,
        issues=issues,
    )


def _is_of_models(listing: ListCandidate, fields: Mapping[str, str], predicates: Mapping[str, Predicates]) -> bool:
    """Whether anything says that the items are models: their ids, fields, abilities, or the names around them."""
    signs = read_table("selection.toml")["signs"]
    words = {
        word
        for key in (*listing.path, *(column.path[0] for column in listing.shape.columns.values()))
        for word in words_of(key)
    }
    kinds = (listing.shape.columns.get((key,)) for key in signs["kind_keys"])
    return (
        listing.ids[0].reasons["known"] >= signs["known_ids"]
        or bool(words & set(signs["words"]))
        or bool(predicates)
        or any(name in fields for name in (*LIMIT_COLUMNS, "input_modalities", "output_modalities", "base_model"))
        or any(price_field(name) is not None for name in fields)
        or any(column is not None and "model" in column.values for column in kinds)
    )


def _confidence(
    listing: ListCandidate, found: list[ListCandidate], *, is_of_models: bool
) -> tuple[float, list[dict[str, Any]]]:
    """How certain the choice of the listing and of its id is, and the reasons for doubt."""
    issues = []
    # A list of bare names ranks behind lists of objects; without any, its lower score is no reason for doubt.
    certain = _CERTAIN_SCORE * (TEXTS_PENALTY if listing.kind in ("texts", "text_groups") else 1.0)
    confidence = min(1.0, listing.score / certain)
    if not is_of_models:
        confidence *= _NO_SIGN
        issues.append(
            _ambiguous(
                f"nothing says that the items of {listing.selector} are models",
                expected="names of known models, or fields such as a context length, a price or an ability",
                actual=f"the fields {', '.join([path[0] for path in listing.shape.columns][:8])}",
                sample=listing.ids[0].values,
                recovery="Check that the endpoint lists models; activate the rule if it does.",
            )
        )
    other = rival(listing, found)
    if other is not None:
        confidence *= _RIVAL_DOUBT - 0.1 * other.score / listing.score
        issues.append(
            _ambiguous(
                f"two lists could be the listing: {listing.selector} and {other.selector}",
                expected="one list that is clearly the listing",
                actual=f"scores {listing.score:.2f} and {other.score:.2f}",
                sample=other.ids[0].values,
                recovery="Check the chosen selector; put the other one into the rule if it is the listing.",
            )
        )
    first, *further = listing.ids
    rivals = [choice for choice in further if choice.score >= 0.95 * first.score]
    likely, doubt = likely_id(first, further), _LIKELY_ID
    if likely is None and any(set(choice.values) != set(first.values) for choice in rivals):
        likely, doubt = rivals[0], _RIVAL_ID
    if likely is not None:
        confidence *= doubt
        issues.append(
            _ambiguous(
                f"two fields could be the id: {first.expression} and {likely.expression}",
                expected="one field that callers pass to the API",
                actual=f"scores {first.score:.2f} and {likely.score:.2f}",
                sample=likely.values,
                recovery="Check which of the two the provider's API takes, and put it into the rule's fields.id.",
            )
        )
    if (empty := null_id(listing.items, first)) is not None:
        confidence *= _LIKELY_ID
        issues.append(
            _ambiguous(
                f"the field {empty} is null in every item, and {first.expression} was taken for the id",
                expected="ids in the field that is named for them",
                actual=f"the names in {first.expression}",
                sample=first.values,
                recovery="Check the answer: a provider whose ids are null may be in trouble.",
            )
        )
    if first.id_type == "integer":
        confidence *= _NUMBERED
    confidence = round(confidence, 3)
    if confidence < CONFIDENT and not issues:
        issues.append(
            _ambiguous(
                f"the listing {listing.selector} was chosen with a confidence of only {confidence:.2f}",
                expected=f"at least {CONFIDENT:.2f}",
                actual=confidence,
                recovery="Look at the rule and at the sample before the rule is used.",
            )
        )
    return confidence, issues


def _ambiguous(message: str, **details: Any) -> dict[str, Any]:
    return issue("ambiguous", "warning", message, **details)


def _unclear_pages(field: str) -> dict[str, Any]:
    return issue(
        "pagination_unclear",
        "warning",
        f"the answer's {field} says that there is more, but nothing says how to ask for it",
        expected="a token, an address or page numbers for the next page",
        actual="none that is known",
        recovery="Look the pages up in the provider's documentation, and put them into the rule's pagination.",
    )


def _document(drafts: Sequence[_Draft], patterns: PatternSet) -> dict[str, Any]:
    """The rule of all endpoints."""
    predicates, labelled = joined_predicates([draft.predicates for draft in drafts])
    drafts = [_labelled(draft) if place in labelled else draft for place, draft in enumerate(drafts)]
    # A model of unknown name is a chat model only if every endpoint lists text models.
    rules, coverage, capability_issues = capability_rules(
        [draft.listing for draft in drafts], predicates, patterns, only_text=all(draft.only_text for draft in drafts)
    )
    written, calibration_issues, model_ids = [], [], set[str]()
    for draft in drafts:
        rule = ExtractionRule.parse(
            {**draft.parts, "pattern_set": SHIPPED, "capability_rules": rules}, patterns=patterns
        )
        expect, issues, ids = _calibrated(draft.parts["expect"], rule, draft.sample.document)
        written.append({**draft.parts, "expect": expect})
        calibration_issues += _naming_endpoint(issues, draft, drafts)
        model_ids.update(ids)
    best = max(drafts, key=lambda draft: float(draft.kind["confidence"]))
    return {
        **_written(written),
        "pattern_set": SHIPPED,
        "capability_rules": rules,
        "metadata": {
            "sample_model_count": len(model_ids),
            "sample_item_count": sum(draft.item_count for draft in drafts),
            "provider_kind": best.kind,
            "generator_version": GENERATOR_VERSION,
        },
        "evidence": {
            **(drafts[0].evidence if len(drafts) == 1 else {"endpoints": [draft.evidence for draft in drafts]}),
            "capabilities": coverage,
        },
        "confidence": min(draft.confidence for draft in drafts),
        "issues": [
            *(problem for draft in drafts for problem in _naming_endpoint(draft.issues, draft, drafts)),
            *capability_issues,
            *calibration_issues,
        ],
    }


def _labelled(draft: _Draft) -> _Draft:
    label = draft.predicates.label
    items = compile_expression(labelled_selector("@", label))(draft.listing.items)
    selector = labelled_selector(draft.parts["jmespath_rule"], label)
    return replace(draft, listing=replace(draft.listing, items=items), parts={**draft.parts, "jmespath_rule": selector})


def _calibrated(
    expect: dict[str, Any], rule: ExtractionRule, sample: Any
) -> tuple[dict[str, Any], list[dict[str, Any]], list[str]]:
    """A draft's `expect` for its own sample, issues with the sample, and the ids of its models."""
    judge = ListingJudge(rule)
    rows = judge.add_page(sample)
    shares = judge.shares()
    expect = expect | {name: round(share, 4) for name, share in shares.items() if share > 0}
    rejected = shares["rejected_share"]
    issues = []
    if rejected > 0.2:
        issues.append(
            issue(
                "sample_rejected",
                "warning",
                f"{rejected:.0%} of the sample's items give no row with this rule",
                expected="nearly all items readable",
                actual=f"{rejected:.0%}",
                recovery="Check the selector and the id; use a cleaner sample if there is one.",
            )
        )
    return expect, issues, [row["model_id"] for row in rows]


def _written(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """The parts of the endpoints as in a rule document."""
    if len(parts) == 1:
        return parts[0]
    names = {"endpoint": "path", "jmespath_rule": "selector"}
    endpoints = [{names.get(key, key): value for key, value in part.items()} for part in parts]
    return {"jmespath_rule": parts[0]["jmespath_rule"], "endpoints": endpoints}


def _naming_endpoint(issues: list[dict[str, Any]], draft: _Draft, drafts: Sequence[_Draft]) -> list[dict[str, Any]]:
    """The issues of one endpoint, which name it if there are several."""
    if len(drafts) == 1:
        return issues
    return [{**problem, "message": f"{draft.sample.name}: {problem['message']}"} for problem in issues]
