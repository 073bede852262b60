"""How much an answer looks like a listing of models: the signs and their weights are in `detection.toml`."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.language import compile_expression, snake


@dataclass(frozen=True)
class ListingScore:
    """How much an answer looks like a listing of models: the sum of the signs' weights, and the signs in words."""

    weight: float
    reasons: tuple[str, ...]

    @property
    def is_enough(self) -> bool:
        """Whether it is taken for a listing of models."""
        return bool(self.weight >= float(detection_table()["enough"]))


def score_listing(
    sample: Any, rule: ExtractionRule, rows: Sequence[Mapping[str, Any]], *, path: str = ""
) -> ListingScore:
    """Weigh the signs that an answer at a path lists models, given its generated rule and the rows that it extracts."""
    if not rows:
        return ListingScore(0.0, ("the rule extracts no row from it",))
    return _weighed(_signs(sample, rule, rows, path))


def _weighed(signs: Iterable[tuple[float, str]]) -> ListingScore:
    known = [sign for sign in signs if sign[0]]
    return ListingScore(round(sum(weight for weight, _ in known), 3), tuple(reason for _, reason in known))


def _signs(
    sample: Any, rule: ExtractionRule, rows: Sequence[Mapping[str, Any]], path: str
) -> Iterator[tuple[float, str]]:
    table = detection_table()
    yield from _signs_around(path, re.split(r"[.\[()]", rule.endpoints[0].selector))
    kind = rule.metadata.get("provider_kind") or {}
    if kind.get("kind") and kind["confidence"] >= table["kind"]["least_confidence"]:
        yield table["kind"]["weight"], f"it has the marks of {kind['title']}"
    known = sum(row["family"] is not None for row in rows) / len(rows)
    yield round(table["names"]["weight"] * known, 3), f"{known:.0%} of the ids are names of known model families"
    endpoint = rule.endpoints[0]
    fields = [name for name in table["fields"]["names"] if name in endpoint.fields]
    yield table["fields"]["weight"] * len(fields), f"its items state {', '.join(fields)}"
    if any("evidence" in row["capability_sources"].values() for row in rows):
        yield table["evidence"]["weight"], "its items state what models can do"
    items = compile_expression(endpoint.selector)(sample)
    objects = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    for sign in ("keys", "others"):
        for key in table[sign]["keys"]:
            if objects and sum(key in item for item in objects) > 0.5 * len(objects):
                yield table[sign]["weight"], f"its items have {key!r}"


def _signs_around(path: str, keys: Iterable[str]) -> Iterator[tuple[float, str]]:
    """The signs in a listing's path, and in the keys that lead to its list."""
    table = detection_table()
    if set(re.split(r"[/?]", path)) & set(table["path"]["words"]):
        yield table["path"]["weight"], "its path speaks of models"
    if {snake(key) for key in keys} & set(table["container"]["words"]):
        yield table["container"]["weight"], "the list's key speaks of models"


def score_empty_listing(document: Any, path: str) -> ListingScore:
    """Weigh the signs that an answer without items is an empty listing of models."""
    envelope = detection_table()["envelope"]
    has_it = isinstance(document, dict) and document.get(envelope["key"]) == envelope["value"]
    sign = (envelope["weight"] if has_it else 0.0, "it has the envelope of an OpenAI-compatible listing")
    return _weighed((*_signs_around(path, document), sign))


@cache
def detection_table() -> dict[str, Any]:
    """What `detection.toml` says."""
    return tomllib.loads((resources.files(__package__) / "detection.toml").read_text(encoding="utf-8"))
