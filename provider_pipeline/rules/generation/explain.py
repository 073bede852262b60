"""Arrange a rule's evidence for people: what was chosen, from which alternatives, and why."""

from collections.abc import Iterable, Mapping
from typing import Any

from provider_pipeline.rules.capability_rules import PREDICATE_KINDS
from provider_pipeline.rules.document import Endpoint, ExtractionRule
from provider_pipeline.rules.extraction import FIELD_COLUMNS, ItemReader
from provider_pipeline.rules.generation.capability_rules import labelled_selector
from provider_pipeline.rules.language import getter_within
from provider_pipeline.rules.limits import LISTING_STEPS, Work
from provider_pipeline.rules.matching import CompiledCapabilities
from provider_pipeline.rules.prices import price_field
from provider_pipeline.rules.stated_rule import StatedRule
from provider_pipeline.rules.thresholds import Thresholds


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


def column_sources(
    rule: ExtractionRule, pages: Iterable[tuple[int, Any]], stated: StatedRule | None = None
) -> list[dict[str, Any]]:
    """Where each column of a row comes from, with the first model that has a value there.

    Args:
        rule: The rule.
        pages: A response: the position of each page's endpoint, and its document.
        stated: The parts of the rule that a person has stated.

    Returns:
        For each field of each endpoint: `endpoint`, `column`, `expression`, `unit`, `stated`, and the example: `model`,
        `listed` (the value as the provider writes it) and `value` (in the row), None if no model has one.

    Raises:
        RuleTooCostlyError: The rule needs more work on the response than any rule may.
    """
    capabilities = CompiledCapabilities.of(rule)
    readers = [ItemReader(each, capabilities, Thresholds.model_validate({})) for each in rule.endpoints]
    items: list[list[Any]] = [[] for _ in readers]
    for place, document in pages:
        if place < len(readers):
            items[place] += readers[place].items(document) or []
    alone = len(rule.endpoints) == 1
    return [
        {
            "endpoint": endpoint.path,
            "column": _column(name),
            "expression": expression,
            "unit": endpoint.model_dump(mode="json")["units"].get(name),
            "stated": stated is not None and name in stated.at(endpoint.path, alone=alone).fields,
            **_example(readers[place], items[place], name, expression),
        }
        for place, endpoint in enumerate(rule.endpoints)
        for name, expression in endpoint.fields.items()
    ]


def _column(field: str) -> str:
    if field in FIELD_COLUMNS:
        return FIELD_COLUMNS[field]
    if price_field(field) is not None:
        return f"prices.{field.removeprefix('price.')}"
    return field if field in ("currency", "base_model") else f"metadata_json.{field}"


def _example(reader: ItemReader, items: list[Any], field: str, expression: str) -> dict[str, Any]:
    read = getter_within(expression, Work(LISTING_STEPS))
    for item in items:
        if (listed := read(item)) is not None and isinstance(row := reader.row(item), dict):
            return {"model": row["model_id"], "listed": listed, "value": _value(row, field)}
    return {"model": None, "listed": None, "value": None}


def _value(row: Mapping[str, Any], field: str) -> Any:
    if field in FIELD_COLUMNS:
        return row[FIELD_COLUMNS[field]]
    priced = price_field(field)
    if priced is None:
        return row["metadata_json"].get(field)
    return None if priced.above or priced.is_tiers else row["prices"].get(priced.component)


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
