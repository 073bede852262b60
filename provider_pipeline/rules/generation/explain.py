"""Arrange a rule's evidence for people: what was chosen, from which alternatives, and why."""

from collections.abc import Mapping
from typing import Any

from provider_pipeline.rules.capability_document import PREDICATE_KINDS
from provider_pipeline.rules.document import Endpoint, ExtractionRule
from provider_pipeline.rules.generation.capability_rules import labelled_selector


def explain_rule(analysis: Mapping[str, Any] | ExtractionRule) -> dict[str, Any]:
    """What a rule chose and why, with the alternatives it rejected.

    Args:
        analysis: A rule in either written form; a hand-written one has no evidence, so its lists are empty.

    Returns:
        `summary` (selector, id, models in the sample, confidence, provider kind, pagination), `candidates` (lists that
        could be the listing, best first, `chosen` on the winner), `ids` (fields that could be the id, likewise),
        `fields` (per field: expression, unit, and the alternatives with score, fill and plausibility), `left_out` (junk
        and unread fields, and why), `capabilities` (per capability: predicates, pattern count, and how many models of
        the sample each source decided) and `issues`. `further_endpoints` repeats the parts of one endpoint for
        each but the first.
    """
    rule = ExtractionRule.parse(analysis)
    evidence: Mapping[str, Any] = rule.evidence
    kind = rule.metadata.get("provider_kind") or {}
    by_endpoint = evidence.get("endpoints") or [evidence]
    first, *further = [
        _endpoint(endpoint, by_endpoint[place] if place < len(by_endpoint) else {})
        for place, endpoint in enumerate(rule.endpoints)
    ]
    return {
        **first,
        "summary": {
            **first["summary"],
            "models": rule.metadata.get("sample_model_count"),
            "confidence": rule.confidence,
            "provider_kind": kind.get("title") or kind.get("kind"),
            "provider_kind_confidence": kind.get("confidence"),
            "provider_kind_evidence": kind.get("evidence", []),
            "hints": kind.get("hints", {}),
        },
        "further_endpoints": further,
        "capabilities": [_capability(entry, evidence.get("capabilities", {})) for entry in rule.capability_rules],
        "coverage": evidence.get("capabilities", {}).get("coverage"),
        "issues": [dict(entry) for entry in rule.issues],
    }


def _endpoint(endpoint: Endpoint, evidence: Mapping[str, Any]) -> dict[str, Any]:
    written = endpoint.model_dump(mode="json", exclude_unset=True)
    found = [entry["selector"] for entry in evidence.get("candidates", [])]
    labelled = {labelled_selector(selector, endpoint.path or ""): selector for selector in found}
    return {
        "summary": {
            "endpoint": endpoint.path,
            "selector": endpoint.selector,
            "id": endpoint.fields["id"],
            "pagination": endpoint.pagination or {"type": "none"},
            "pagination_from": evidence.get("pagination"),
            "detail": written.get("detail"),
        },
        "candidates": _chosen(
            evidence.get("candidates", []), "selector", labelled.get(endpoint.selector, endpoint.selector)
        ),
        "ids": _chosen(evidence.get("ids", []), "expression", endpoint.fields["id"]),
        "fields": [
            {
                "field": name,
                "expression": expression,
                "unit": written.get("units", {}).get(name),
                "alternatives": _chosen(evidence.get("fields", {}).get(name, []), "expression", expression),
            }
            for name, expression in endpoint.fields.items()
        ],
        "left_out": [
            {"expression": path, "reason": reason}
            for path, reason in (evidence.get("junk", {}) | evidence.get("unread", {})).items()
        ],
    }


def _chosen(entries: list[Mapping[str, Any]], key: str, value: str) -> list[dict[str, Any]]:
    return [{**entry, "chosen": entry.get(key) in (value, *value.split(" || "))} for entry in entries]


def _capability(entry: Any, report: Mapping[str, Any]) -> dict[str, Any]:
    counts = report.get("by_capability", {}).get(entry.capability, {})
    return {
        "capability": entry.capability,
        **{kind: list(getattr(entry.patterns, kind)) for kind in PREDICATE_KINDS},
        "patterns": len(entry.patterns.regex),
        "lookup_entries": len(entry.patterns.lookup_table),
        "models_by_evidence": counts.get("evidence", 0),
        "models_by_name": counts.get("regex", 0),
        "models_by_weak_evidence": counts.get("weak_evidence", 0),
        "models_denied": counts.get("denied", 0),
    }
