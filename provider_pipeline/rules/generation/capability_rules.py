"""A provider's capability rules: the predicates of all its endpoints, the known name patterns, and a report on both."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from provider_pipeline.rules.capability_rules import PREDICATE_KINDS, PatternSet, parse_capability_rules
from provider_pipeline.rules.generation.capability_predicates import Predicates
from provider_pipeline.rules.generation.samples import ListCandidate
from provider_pipeline.rules.issues import SAMPLE_SIZE, issue
from provider_pipeline.rules.jmespath_compiler import is_true
from provider_pipeline.rules.language import compile_expression, literal
from provider_pipeline.rules.limits import MAX_PREDICATES
from provider_pipeline.rules.matching import CompiledCapabilities, contradicts, name_patterns
from provider_pipeline.rules.patterns import parse_pattern

_MAX_CHECKED_ITEMS: Final = 2_000
_MAX_MODELS: Final = 20_000
_MAX_NAMES: Final = 1_000
ALWAYS: Final = "`true`"
"""The predicate by which every model of a text-only listing is a chat model, unless more is known about it."""
_SHOWN_PATTERNS: Final = 6
"""Of one capability."""


@dataclass(frozen=True)
class EndpointPredicates:
    """One endpoint's predicates by capability, and the label for its items if a predicate must not apply to others."""

    listing: ListCandidate
    predicates: Mapping[str, Predicates]
    label: str


def joined_predicates(parts: Sequence[EndpointPredicates]) -> tuple[dict[str, Predicates], frozenset[int]]:
    """One set of predicates with the same result on each endpoint's models as the endpoint's own.

    Capability rules belong to the provider, so each predicate is applied to the models of all endpoints. If its result
    there would differ, it is restricted to its own endpoint's label.

    Returns:
        The predicates by capability, and the positions of the endpoints whose items must carry their label.
    """
    found: dict[str, Predicates] = {}
    labelled: set[int] = set()
    for position, part in enumerate(parts):
        others = [other for other in parts if other is not part]
        own_labels = sorted({str(i["_label"]) for i in part.listing.items if isinstance(i, dict) and "_label" in i})
        guard = " || ".join(f"_label == {literal(text)}" for text in own_labels or [part.label])
        for capability, own in part.predicates.items():
            for kind, written in own.items():
                target = found.setdefault(capability, {}).setdefault(kind, [])
                for predicate in written:
                    misleads = any(_misleads(predicate, capability, other, kind) for other in others)
                    text = f"({guard}) && ({predicate})" if misleads else predicate
                    if misleads and not own_labels:
                        labelled.add(position)
                    if text not in target and len(target) < MAX_PREDICATES:
                        target.append(text)
    return dict(sorted(found.items())), frozenset(labelled)


def labelled_selector(selector: str, label: str) -> str:
    """The selector, with the label on each of its items."""
    return f"labelled({selector}, {literal(label)})"


def _misleads(predicate: str, capability: str, other: EndpointPredicates, kind: str) -> bool:
    """Whether the predicate says something about another endpoint's models that its own predicates do not."""
    own = other.predicates.get(capability, {})
    if predicate in own.get(kind, ()):
        return False
    states = compile_expression(predicate)
    # Predicates earlier in the order of precedence, and equivalent ones, make a predicate ineffective.
    stronger = PREDICATE_KINDS[: PREDICATE_KINDS.index(kind) + 1]
    silencing = [compile_expression(text) for each in stronger for text in own.get(each, ())]
    return any(
        is_true(states(item)) and not any(is_true(each(item)) for each in silencing)
        for item in other.listing.items[:_MAX_CHECKED_ITEMS]
    )


def capability_rules(
    listings: Sequence[ListCandidate], predicates: Mapping[str, Predicates], patterns: PatternSet, *, only_text: bool
) -> tuple[list[dict[str, Any]], dict[str, Any], list[dict[str, Any]]]:
    """The rule's capability part, a report on how it fits the sample, and its issues.

    The rule shows only the patterns that matter for the sample; the set itself also decides about later models.

    Args:
        listings: The chosen list of each endpoint.
        predicates: The metadata's predicates.
        patterns: The pattern set that the rule names.
        only_text: Whether nearly every model takes and gives text; then a model of unknown name is a chat model.
    """
    models = [model for listing in listings for model in _models(listing)]
    shown = _shown_patterns(patterns, [model_id for model_id, _ in models[:_MAX_NAMES]])
    if only_text:
        chat = predicates.get("chat", {})
        predicates = {**predicates, "chat": {**chat, "weak_evidence": [*chat.get("weak_evidence", ()), ALWAYS]}}
    rules = []
    for capability in sorted({*shown, *predicates}):
        known = predicates.get(capability, {})
        entry: dict[str, Any] = {kind: known[kind] for kind in PREDICATE_KINDS if known.get(kind)}
        if capability in shown:
            entry["regex"] = shown[capability]
        rules.append({"capability": capability, "patterns": entry})
    report, issues = _report(CompiledCapabilities(parse_capability_rules(rules), patterns), models)
    return rules, report, issues


def _shown_patterns(patterns: PatternSet, ids: Sequence[str]) -> dict[str, list[str]]:
    """Of each capability, the patterns of the set that give it to most of these ids, and by themselves to no other."""
    compiled = name_patterns(patterns)
    matching: dict[str, Counter[tuple[int, ...]]] = {}
    for model_id in ids:
        for capability, places in compiled.matching(model_id).items():
            matching.setdefault(capability, Counter())[tuple(places)] += 1
    shown = {}
    for capability in sorted(matching):
        listed = patterns.patterns[capability]
        deciding = Counter[int]()
        for places, count in matching[capability].items():
            deciding[places[0]] += count
        stating = {place for place in deciding if parse_pattern(listed[place])[0]}
        most = set(sorted(stating, key=lambda place: (-deciding[place], place))[:_SHOWN_PATTERNS])
        # What denies a capability is shown where a later pattern would state it.
        denying = {places[0] for places in matching[capability] if not most.isdisjoint(places)} - stating
        if most:
            shown[capability] = [listed[place] for place in sorted(most | denying)]
    return shown


def _report(
    compiled: CompiledCapabilities, models: Sequence[tuple[str, Any]]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Coverage and decisions over the sample; contradictions and overlaps as issues."""
    counts: dict[str, Counter[str]] = {}
    covered, contradicted, overlapping = 0, [], []
    for model_id, item in models:
        by_name = compiled.of_name(model_id)
        decisions = compiled.of_item(item, model_id)
        covered += any(has for has, _ in decisions.values())
        for capability, (has, source) in decisions.items():
            counts.setdefault(capability, Counter())[source if has else "denied"] += 1
            named = by_name.get(capability)
            if source == "evidence" and named is not None and named[0] is not has:
                contradicted.append(f"{model_id}: {capability}")
        if contradicts({capability: has for capability, (has, _) in decisions.items()}):
            overlapping.append(model_id)
    report = {
        "coverage": round(covered / len(models), 4) if models else 0.0,
        "by_capability": {capability: dict(sorted(counts[capability].items())) for capability in sorted(counts)},
    }
    return report, _issues(contradicted, overlapping, len(models))


def _models(listing: ListCandidate) -> list[tuple[str, Any]]:
    read_id = compile_expression(listing.ids[0].expression)
    return [(str(read_id(item)), item) for item in listing.items[:_MAX_MODELS] if read_id(item) is not None]


def _issues(contradicted: list[str], overlapping: list[str], total: int) -> list[dict[str, Any]]:
    issues = []
    if contradicted:
        issues.append(
            issue(
                "contradictory_evidence",
                "info",
                f"the metadata contradicts the name patterns {len(contradicted)} times; the metadata is believed",
                expected="metadata and names that agree",
                actual=f"{len(contradicted)} contradictions in {total} models",
                sample=contradicted[:SAMPLE_SIZE],
                recovery="None needed; override a model by hand where its metadata is wrong.",
            )
        )
    if overlapping:
        issues.append(
            issue(
                "exclusive_capabilities",
                "warning",
                f"{len(overlapping)} of {total} models get capabilities that exclude each other",
                expected="no model that has both",
                actual=len(overlapping),
                sample=overlapping[:SAMPLE_SIZE],
                recovery="Check these models' metadata and the patterns that match their names.",
            )
        )
    return issues
