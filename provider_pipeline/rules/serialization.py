"""The two written forms of a rule, taken apart into the parts of its model.

Here: which key of a document is which part, and capability rules of either form as one list. Not here: the model and
its checks (`document.py`). Both forms are explained in docs/rules.md.
"""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel

from provider_pipeline.errors import InvalidRuleError

ANALYSIS_KEYS: Final = {
    "path": "endpoint",
    "fields": "fields",
    "units": "units",
    "pagination": "pagination",
    "detail": "detail",
    "expect": "expect",
}
PROVENANCE: Final = ("metadata", "evidence", "confidence", "issues")
_STORED_ENDPOINT: Final = ("endpoint", "selector", "fields", "units", "pagination", "detail", "expect")


def analysis_parts(document: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a document of the form `RuleGenerator.analyze_sample` returns."""
    known = {"jmespath_rule", "endpoints", "capability_rules", *ANALYSIS_KEYS.values(), *PROVENANCE}
    _no_others(document, known)
    if "endpoints" in document:
        endpoints = document["endpoints"]
    else:
        if "jmespath_rule" not in document:
            raise InvalidRuleError("expected a rule with 'jmespath_rule' or 'model_list_config'")
        endpoint = {name: document[key] for name, key in ANALYSIS_KEYS.items() if key in document}
        endpoints = [{"selector": document["jmespath_rule"], **endpoint}]
    return {
        "endpoints": endpoints,
        "capability_rules": merged_capability_rules(document.get("capability_rules", [])),
        **{key: document[key] for key in PROVENANCE if key in document},
    }


def stored_parts(document: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a document with `model_list_config` and `endpoints_config`."""
    _no_others(document, {"model_list_config", "endpoints_config", "metadata"})
    config = document["model_list_config"]
    if not isinstance(config, Mapping):
        raise InvalidRuleError(f"model_list_config: expected an object, got {type(config).__name__}")
    _no_others(config, {*_STORED_ENDPOINT, *PROVENANCE})
    listed = config.get("endpoint")
    if not isinstance(listed, list):
        listed = [{key: config[key] for key in _STORED_ENDPOINT if key in config}]
    if not all(isinstance(entry, Mapping) for entry in listed):
        raise InvalidRuleError("model_list_config: every entry of endpoint must be an object")
    provenance = {key: config[key] for key in PROVENANCE if key in config}
    if "metadata" in document and "metadata" not in provenance:
        provenance["metadata"] = document["metadata"]
    return {
        "endpoints": [{("path" if key == "endpoint" else key): entry[key] for key in entry} for entry in listed],
        "capability_rules": merged_capability_rules(document.get("endpoints_config") or {}),
        **provenance,
    }


def merged_capability_rules(rules: Any) -> list[Any]:
    """Capability rules of either form as a list sorted by capability, entries of one capability joined in order.

    Raises:
        InvalidRuleError: The rules are neither a list nor an object, or an entry is not an object.
    """
    if isinstance(rules, Mapping):
        rules = [
            {"capability": name, **entry} if isinstance(entry, Mapping) else entry for name, entry in rules.items()
        ]
    if not isinstance(rules, (list, tuple)):
        raise InvalidRuleError(f"capability rules: expected a list or an object, got {type(rules).__name__}")
    merged: dict[str, dict[str, Any]] = {}
    for rule in rules:
        entry = rule.model_dump(mode="json", exclude_unset=True) if isinstance(rule, BaseModel) else rule
        if not isinstance(entry, Mapping) or not isinstance(entry.get("capability"), str):
            raise InvalidRuleError("capability rules: every entry must be an object that names its capability")
        seen = merged.get(entry["capability"])
        if seen is None:
            merged[entry["capability"]] = {"patterns": {}, **entry}
        else:
            seen["patterns"] = _joined(seen["patterns"], entry.get("patterns"))
    return [merged[name] for name in sorted(merged)]


def _joined(first: Any, second: Any) -> dict[str, Any]:
    if not isinstance(first, Mapping) or not isinstance(second, Mapping):
        raise InvalidRuleError("capability rules: patterns must be an object")
    joined = dict(first)
    for key, value in second.items():
        present = joined.get(key)
        if isinstance(present, Mapping) and isinstance(value, Mapping):
            joined[key] = {**present, **value}
        elif isinstance(present, (list, tuple)) and isinstance(value, (list, tuple)):
            joined[key] = [*present, *value]
        else:
            joined[key] = value
    return joined


def _no_others(document: Mapping[str, Any], known: set[str]) -> None:
    others = sorted(str(key) for key in document if key not in known)
    if others:
        raise InvalidRuleError(f"unknown key {others[0]!r} in the rule; known keys: {', '.join(sorted(known))}")
