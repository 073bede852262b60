"""The documented row: its columns, its change hash, and manual overrides on top of it.

Here: what a row is once it is extracted. Not here: how it is extracted (`extraction.py`) or stored. See docs/rules.md.
"""

import hashlib
import json
import operator
from collections.abc import Mapping
from typing import Any, Final

import orjson

from provider_pipeline.errors import InvalidRuleError

ROW_COLUMNS: Final = (
    "model_id",
    "display_name",
    "family",
    "context_length",
    "max_output_tokens",
    "input_modalities",
    "output_modalities",
    "input_price",
    "output_price",
    "capabilities",
    "capability_sources",
    "metadata_json",
    "meta_hash",
)

_MEANINGFUL: Final = tuple(sorted(set(ROW_COLUMNS) - {"capability_sources", "meta_hash"}))
_meaningful = operator.itemgetter(*_MEANINGFUL)
_FIXED: Final = frozenset({"model_id", "meta_hash", "capability_sources"})
_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode


def canonical_json(value: Any) -> str:
    """The one JSON text of a value: sorted keys, no spaces, ASCII. Equal values have equal texts."""
    return _canonical(value)


def digest_of(value: Any) -> str:
    """The SHA-256 of the canonical JSON, as 64 hexadecimal characters."""
    return hashlib.sha256(_canonical(value).encode("ascii")).hexdigest()


def content_digest(value: Any) -> str:
    """A SHA-256 that equal values share, whatever the order of their keys: `digest_of`, several times as fast.

    The two are not comparable with each other. Numbers must be finite.
    """
    try:
        text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # integers of more than 64 bits and halves of surrogate pairs
        return digest_of(value)
    return hashlib.sha256(text).hexdigest()


def meta_hash(row: Mapping[str, Any]) -> str:
    """The hash that changes exactly when a meaningful column of the row does.

    Provenance (`capability_sources`) and the hash itself are not meaningful; fields that change by themselves never get
    into a row.
    """
    return content_digest(
        _meaningful(row) if len(row) >= len(ROW_COLUMNS) else tuple(row.get(column) for column in _MEANINGFUL)
    )


def apply_override(row: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """A new row with an operator's values on top.

    Args:
        row: A documented row; it is not changed.
        override: Any columns but `model_id`, `meta_hash` and `capability_sources`; `capabilities` and `metadata_json`
            are merged key by key, everything else replaces. A capability set to None becomes unknown again.

    Raises:
        InvalidRuleError: The override names a column that does not exist or cannot be overridden.
    """
    unknown = sorted(str(key) for key in override if key not in ROW_COLUMNS or key in _FIXED)
    if unknown:
        allowed = ", ".join(column for column in ROW_COLUMNS if column not in _FIXED)
        raise InvalidRuleError(f"cannot override {', '.join(unknown)}; columns that can be: {allowed}")
    changed = {column: row.get(column) for column in ROW_COLUMNS}
    capabilities = dict(row.get("capabilities") or {})
    sources = dict(row.get("capability_sources") or {})
    for column, value in override.items():
        if column == "capabilities":
            for capability, state in (value or {}).items():
                if state is not None and not isinstance(state, bool):
                    raise InvalidRuleError(f"capability {capability} can be true, false or null, not {state!r}")
                capabilities.pop(capability, None)
                sources.pop(capability, None)
                if state is not None:
                    capabilities[capability], sources[capability] = state, "override"
        elif column == "metadata_json":
            changed[column] = {**(row.get(column) or {}), **(value or {})}
        elif column.endswith("_modalities") and value is not None:
            changed[column] = sorted({str(modality) for modality in value})
        else:
            changed[column] = value
    changed["capabilities"] = dict(sorted(capabilities.items()))
    changed["capability_sources"] = dict(sorted(sources.items()))
    changed["meta_hash"] = meta_hash(changed)
    return changed
