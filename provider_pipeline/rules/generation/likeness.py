"""Whether a listing lists models, and not users, files or the weather.

Here: weighing the marks of `data/likeness.toml` on an answer and the rule that was written for it. Not here: finding
the list in the answer (`selection`), which any list of things with ids passes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.generation.words import snake
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.language import compile_expression

_MOST = 0.5


@dataclass(frozen=True)
class Likeness:
    """How much an answer is like a listing of models.

    Attributes:
        weight: The sum of what speaks for it and against.
        reasons: What that was.
    """

    weight: float
    reasons: tuple[str, ...]

    @property
    def is_enough(self) -> bool:
        """Whether it is one, beyond doubt."""
        return bool(self.weight >= float(read_table("likeness.toml")["enough"]))


def model_likeness(sample: Any, rule: ExtractionRule, rows: Sequence[Mapping[str, Any]]) -> Likeness:
    """Weighs what speaks for models.

    Args:
        sample: The answer.
        rule: What the generator wrote for it.
        rows: What the rule reads of it.
    """
    if not rows:
        return Likeness(0.0, ("the rule reads no row of it",))
    marks = [mark for mark in _marks(sample, rule, rows) if mark[0]]
    return Likeness(round(sum(weight for weight, _ in marks), 3), tuple(reason for _, reason in marks))


def _marks(sample: Any, rule: ExtractionRule, rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[float, str]]:
    table = read_table("likeness.toml")
    kind = rule.metadata.get("provider_kind") or {}
    if kind.get("kind") and kind["confidence"] >= table["kind"]["least_confidence"]:
        yield table["kind"]["weight"], f"it has the marks of {kind['title']}"
    known = sum(row["family"] is not None for row in rows) / len(rows)
    yield round(table["names"]["weight"] * known, 3), f"{known:.0%} of the ids are names of known model families"
    endpoint = rule.endpoints[0]
    fields = [name for name in table["fields"]["names"] if name in endpoint.fields]
    yield table["fields"]["weight"] * len(fields), f"its items state {', '.join(fields)}"
    words = {snake(part) for part in endpoint.selector.replace("[", ".").replace("(", ".").replace(")", ".").split(".")}
    if words & set(table["container"]["words"]):
        yield table["container"]["weight"], "the list is under the name of models"
    if any("evidence" in row["capability_sources"].values() for row in rows):
        yield table["evidence"]["weight"], "its items state what models can do"
    items = compile_expression(endpoint.selector)(sample)
    objects = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    for mark in ("keys", "others"):
        for key in table[mark]["keys"]:
            if objects and sum(key in item for item in objects) > _MOST * len(objects):
                yield table[mark]["weight"], f"its items have {key!r}"
