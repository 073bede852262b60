"""`RuleGenerator`: from one sample, the rule an expert would have written (docs/rules.md)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.generation.drafting import Draft, drafted
from provider_pipeline.rules.generation.joining import joined_predicates, labelled_selector
from provider_pipeline.rules.generation.list_detection import candidates
from provider_pipeline.rules.generation.names import capability_rules
from provider_pipeline.rules.generation.samples import EndpointSample
from provider_pipeline.rules.issues import issue
from provider_pipeline.rules.judge import ListingJudge
from provider_pipeline.rules.language import compile_expression
from provider_pipeline.rules.profile import NUMERIC
from provider_pipeline.rules.values import json_type


def calibrated(draft: Mapping[str, Any], sample: Any) -> tuple[dict[str, Any], list[dict[str, Any]], list[str]]:
    """What a draft's `expect` should say of its own sample, issues with the sample, and the ids of its models.

    A model is not lost for an odd limit or price that the sample itself holds: such columns are named `unreadable`.
    """
    expect: dict[str, Any] = dict(draft["expect"])
    for _ in range(1 + len(NUMERIC)):
        judge = ListingJudge(ExtractionRule.parse({**draft, "expect": expect}))
        rows = judge.add_page(sample)
        unreadable = [column for column in judge.rejected_fields() if column in NUMERIC]
        if not unreadable:
            break
        expect["unreadable"] = sorted({*expect.get("unreadable", ()), *unreadable})
    shares = judge.shares()
    expect |= {name: round(share, 4) for name, share in shares.items() if share > 0}
    problems = []
    if shares["rejected_share"] > 0.2:
        problems.append(
            issue(
                "sample_rejected",
                "warning",
                f"{shares['rejected_share']:.0%} of the sample's items give no row with this rule",
                expected="nearly all items readable",
                actual=f"{shares['rejected_share']:.0%}",
                recovery="Check the selector and the id; use a cleaner sample if there is one.",
            )
        )
    return expect, problems, [row["model_id"] for row in rows]


GENERATOR_VERSION: Final = 1


class RuleGenerator:
    """Writes extraction rules. Has no state: the same sample always gives the same rule."""

    def analyze_sample(self, sample: Any) -> dict[str, Any]:
        """The rule for a provider, from one answer of its listing endpoint.

        Args:
            sample: Parsed JSON of any shape.

        Returns:
            A rule document: `jmespath_rule`, `fields`, `units`, `pagination`, `expect`, `capability_rules`, and how it
            came to be: `metadata`, `evidence`, `confidence` and `issues`. A sample that holds no listing gives a rule
            that matches nothing, with confidence 0 and an issue of type `no_listing_found`.
        """
        return self.analyze_endpoints([EndpointSample(sample)])

    def analyze_endpoints(self, samples: Sequence[EndpointSample]) -> dict[str, Any]:
        """The rule for a provider that lists its models at several endpoints, or has an answer of its own for each.

        Args:
            samples: One page of each endpoint, in the order in which their rows are believed.

        Returns:
            A rule document as `analyze_sample` gives it; with several samples, with the parts of each endpoint under
            `endpoints`, and with its evidence under `evidence.endpoints`. The first sample without a listing decides.
        """
        drafts = []
        for sample in samples:
            found = candidates(sample.listing) if _is_json(sample.document) else []
            if not found:
                return _nothing(sample)
            drafts.append(drafted(sample, found))
        return _document(drafts)


def _is_json(sample: Any) -> bool:
    """Whether all keys of all objects are texts, as in everything that was parsed from JSON."""
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


def _nothing(sample: EndpointSample) -> dict[str, Any]:
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


def _document(drafts: Sequence[Draft]) -> dict[str, Any]:
    """The rule of all endpoints: capability rules that tell each one's models what its own sample says."""
    together = joined_predicates([draft.told for draft in drafts])
    drafts = [_labelled(draft) if place in together.labelled else draft for place, draft in enumerate(drafts)]
    # A name that says nothing is a chat model's only if that holds wherever the provider lists models.
    rules, coverage, naming_issues = capability_rules(
        [draft.listing for draft in drafts], together.predicates, only_text=all(draft.only_text for draft in drafts)
    )
    written, calibration_issues, model_ids = [], [], set[str]()
    for draft in drafts:
        expect, problems, ids = calibrated({**draft.parts, "capability_rules": rules}, draft.sample.document)
        written.append({**draft.parts, "expect": expect})
        calibration_issues += _named(problems, draft, drafts)
        model_ids.update(ids)
    best = max(drafts, key=lambda draft: float(draft.kind["confidence"]))
    return {
        **_written(written),
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
            *(problem for draft in drafts for problem in _named(draft.issues, draft, drafts)),
            *naming_issues,
            *calibration_issues,
        ],
    }


def _labelled(draft: Draft) -> Draft:
    label = draft.told.label
    items = compile_expression(labelled_selector("@", label))(draft.listing.items)
    selector = labelled_selector(draft.parts["jmespath_rule"], label)
    return replace(draft, listing=replace(draft.listing, items=items), parts={**draft.parts, "jmespath_rule": selector})


def _written(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """The parts of the endpoints as a rule's document has them."""
    if len(parts) == 1:
        return parts[0]
    names = {"endpoint": "path", "jmespath_rule": "selector"}
    endpoints = [{names.get(key, key): value for key, value in part.items()} for part in parts]
    return {"jmespath_rule": parts[0]["jmespath_rule"], "endpoints": endpoints}


def _named(problems: list[dict[str, Any]], draft: Draft, drafts: Sequence[Draft]) -> list[dict[str, Any]]:
    """The issues of one endpoint; of several, each says which."""
    if len(drafts) == 1:
        return problems
    return [{**problem, "message": f"{draft.sample.name}: {problem['message']}"} for problem in problems]
