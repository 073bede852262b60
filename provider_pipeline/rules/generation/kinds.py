"""Which kind of API an answer comes from, told from the answer alone.

Here: weighing the marks of `data/kinds.toml`, and the hints that follow: base URL, path and style of authentication.
Not here: anything that depends on the answer in extraction; a kind only gives hints.
"""

from collections.abc import Mapping
from typing import Any, Final

import re2

from provider_pipeline.rules.generation.selection import Candidate
from provider_pipeline.rules.generation.words import snake
from provider_pipeline.rules.ids import encodable
from provider_pipeline.rules.knowledge import read_table

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
