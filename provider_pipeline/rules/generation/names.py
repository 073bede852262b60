"""Capability rules from the sample's ids and its metadata, checked against each other.

Here: which of the known name patterns go into a rule, and the report on coverage, overlap and contradiction. Not here:
the patterns (`../families.py`) and the predicates (`evidence.py`).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import re2

from provider_pipeline.rules.document import CapabilityRule, Patterns
from provider_pipeline.rules.generation.capability_predicates import Predicates
from provider_pipeline.rules.generation.list_detection import Candidate
from provider_pipeline.rules.generation.shape import snake
from provider_pipeline.rules.ids import capability_patterns, encodable, normalise_id
from provider_pipeline.rules.issues import SAMPLE_SIZE, issue
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.language import compile_expression
from provider_pipeline.rules.matching import CompiledCapabilities, contradicts
from provider_pipeline.rules.patterns import PatternSet, parse_pattern

_MAX_MODELS: Final = 20_000
_MAX_NAMES: Final = 1_000


def capability_rules(
    listings: Sequence[Candidate], predicates: Mapping[str, Predicates], *, only_text: bool
) -> tuple[list[dict[str, Any]], dict[str, Any], list[dict[str, Any]]]:
    """The rule's capability part, a report on it, and its issues.

    Every rule carries all known patterns, for the next listing may have models of families this sample lacks.

    Args:
        listings: The list that was chosen as the listing, of each endpoint.
        predicates: What the metadata says.
        only_text: Whether nearly every model takes and gives text: then a name that says nothing is a chat model's.
    """
    patterns = capability_patterns()
    rules = []
    for capability in sorted({*patterns, *predicates}):
        entry: dict[str, Any] = {}
        known = predicates.get(capability, Predicates())
        if known.evidence:
            entry["evidence"] = known.evidence
        if known.counter:
            entry["counter_evidence"] = known.counter
        if patterns.get(capability):
            entry["regex"] = [*patterns[capability], *([".*"] if capability == "chat" and only_text else [])]
        rules.append({"capability": capability, "patterns": entry})
    report, problems = _report(rules, listings)
    return rules, report, problems


def _report(rules: list[dict[str, Any]], listings: Sequence[Candidate]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    parsed = [
        CapabilityRule(capability=rule["capability"], patterns=Patterns.model_validate(rule["patterns"]))
        for rule in rules
    ]
    compiled = CompiledCapabilities(parsed)
    pairs = [pair for listing in listings for pair in _models(listing)]
    ids = tuple(model_id for model_id, _ in pairs)
    counts: dict[str, dict[str, int]] = {}
    covered, contradicted, overlapping = 0, [], []
    for model_id, item in pairs:
        by_name = compiled.of_name(model_id)
        decisions = compiled.of_item(item, model_id)
        covered += any(has for has, _ in decisions.values())
        for capability, (has, source) in decisions.items():
            entry = counts.setdefault(capability, {"evidence": 0, "regex": 0, "denied": 0})
            entry[source if has else "denied"] += 1
            named = by_name.get(capability)
            if source == "evidence" and named is not None and named[0] is not has:
                contradicted.append(f"{model_id}: {capability}")
        if contradicts({capability: has for capability, (has, _) in decisions.items()}):
            overlapping.append(model_id)
    report = {
        "coverage": round(covered / len(ids), 4) if ids else 0.0,
        "by_capability": {capability: counts[capability] for capability in sorted(counts)},
        "patterns": _matching(rules, ids[:_MAX_NAMES]),
    }
    return report, [*_contradictions(contradicted, len(ids)), *_overlaps(overlapping, len(ids))]


def _models(listing: Candidate) -> list[tuple[str, Any]]:
    read_id = compile_expression(listing.ids[0].expression)
    return [(str(read_id(item)), item) for item in listing.items[:_MAX_MODELS] if read_id(item) is not None]


def _matching(rules: list[dict[str, Any]], ids: tuple[str, ...]) -> dict[str, dict[str, int]]:
    """How many patterns of each capability match anything in the sample; the others are for models it lacks."""
    texts = {
        rule["capability"]: [parse_pattern(text)[1] for text in rule["patterns"].get("regex", ())] for rule in rules
    }
    patterns = sorted({pattern for listed in texts.values() for pattern in listed})
    matcher = PatternSet(patterns)
    names = {normalise_id(model_id) for model_id in ids} - {""}
    used = {patterns[position] for name in names for position in matcher.matches(name)}
    return {
        capability: {"known": len(listed), "matching": sum(pattern in used for pattern in listed)}
        for capability, listed in texts.items()
        if listed
    }


def _contradictions(found: list[str], total: int) -> list[dict[str, Any]]:
    if not found:
        return []
    return [
        issue(
            "contradictory_evidence",
            "info",
            f"the metadata contradicts the name patterns {len(found)} times; the metadata is believed",
            expected="metadata and names that agree",
            actual=f"{len(found)} contradictions in {total} models",
            sample=found[:SAMPLE_SIZE],
            recovery="None needed; override a model by hand where its metadata is wrong.",
        )
    ]


def _overlaps(found: list[str], total: int) -> list[dict[str, Any]]:
    if not found:
        return []
    return [
        issue(
            "exclusive_capabilities",
            "warning",
            f"{len(found)} of {total} models get capabilities that exclude each other",
            expected="no model that has both",
            actual=len(found),
            sample=found[:SAMPLE_SIZE],
            recovery="Check these models' metadata and the patterns that match their names.",
        )
    ]


_MOST: Final = 0.8
_SURE: Final = 4.0


def detect_kind(sample: Any, listing: Candidate) -> dict[str, Any]:
    """The kind of API, with confidence, evidence and hints; the kind is None where nothing speaks for any.

    Args:
        sample: The answer.
        listing: The list that was chosen as the listing.
    """
    weights: dict[str, float] = {}
    evidence: dict[str, list[str]] = {}
    for name, entry in read_table("kinds.toml")["kind"].items():
        for mark in entry["marks"]:
            told = _holds(mark, sample, listing)
            if told:
                weights[name] = weights.get(name, 0.0) + float(mark["weight"])
                evidence.setdefault(name, []).append(told)
    if not weights:
        return {"kind": None, "confidence": 0.0, "evidence": [], "hints": {}}
    ranked = sorted(weights, key=lambda name: (-weights[name], name))
    best = ranked[0]
    total = sum(weights[name] for name in ranked if name == best or name != "openai-compatible")
    confidence = min(1.0, weights[best] / _SURE) * weights[best] / total
    entry = read_table("kinds.toml")["kind"][best]
    hints = {key: entry[key] for key in ("base_url", "path", "auth") if key in entry}
    return {
        "kind": best,
        "title": entry["title"],
        "confidence": round(confidence, 2),
        "evidence": evidence[best],
        "hints": hints,
        "others": [name for name in ranked[1:4] if name != "openai-compatible"],
    }


def _holds(mark: Mapping[str, Any], sample: Any, listing: Candidate) -> str | None:
    columns = listing.shape.columns
    if "top" in mark:
        held = isinstance(sample, dict) and all(key in sample for key in mark["top"])
        return f"the answer has {', '.join(mark['top'])}" if held else None
    if "item" in mark:
        held = all((key,) in columns and listing.shape.fill(columns[key,]) >= 0.5 for key in mark["item"])
        return f"items have {', '.join(mark['item'])}" if held else None
    if "value" in mark:
        ((key, text),) = mark["value"].items()
        return f"{key} is {text}" if _mostly((key,), text, listing) else None
    if "created" in mark:
        return f"created is always {mark['created']}" if _mostly(("created",), mark["created"], listing) else None
    if "list" in mark:
        return (
            f"the listing is under {listing.path[-1]}"
            if listing.path and snake(listing.path[-1]) == mark["list"]
            else None
        )
    ids = listing.ids[0].values
    matching = sum(re2.fullmatch(mark["id"], encodable(text)) is not None for text in ids[:200])
    return f"ids match {mark['id']}" if matching >= _MOST * min(len(ids), 200) else None


def _mostly(path: tuple[str, ...], wanted: Any, listing: Candidate) -> bool:
    column = listing.shape.columns.get(path)
    if column is None or listing.shape.fill(column) < 0.5:
        return False
    return sum(1 for value in column.values if value == wanted) >= _MOST * len(column.values)
