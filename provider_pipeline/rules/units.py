"""Price units: what a number in a listing is worth in USD per million tokens.

Here: the units a rule may declare and the conversion. Not here: guessing the unit (`generation/prices.py`). The units
are data (`data/units.toml`).
"""

import functools
import math
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from provider_pipeline.errors import InvalidRuleError
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.language import compiled
from provider_pipeline.rules.work import Work


class UnitByRow(BaseModel):
    """A unit that each row names itself: `by` is read from the model object and looked up in `values`.

    A row whose text is not in `values` has no token price.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    by: Annotated[str, Field(min_length=1)]
    values: dict[str, str]


_PRICE_TEXT = re.compile(
    r"(?:usd|us\$|\$)?\s*([0-9]{1,9}(?:,[0-9]{3})*(?:\.[0-9]{1,15})?)\s*(?:usd|\$)?"
    r"\s*(?:(?:/|per)\s*(?:1\s?)?(?:[mkb]|million|thousand|billion|1,?000(?:,?000)?)?\s*(?:input|output|prompt|completion)?\s*(?:tokens?|toks?)?)?",
    re.IGNORECASE,
)
"""A price as people write it: `$0.59 / 1M tokens`."""
_IS_NOT_ZERO = re.compile(r"[^eE]*[1-9]")

Unit = str | UnitByRow
Factor = Callable[[Any, Work], float | None]


@functools.cache
def unit_factors() -> Mapping[str, float]:
    """USD per million tokens for one of each unit."""
    return {name: float(entry["factor"]) for name, entry in read_table("units.toml")["unit"].items()}


def parse_unit(document: Any) -> Unit:
    """A declared unit.

    Raises:
        InvalidRuleError: No unit has that name, or the expression that chooses it does not compile.
    """
    if isinstance(document, UnitByRow):
        document = document.model_dump()
    if isinstance(document, str):
        _known(document)
        return document
    if (
        not isinstance(document, Mapping)
        or set(document) != {"by", "values"}
        or not isinstance(document["values"], Mapping)
    ):
        raise InvalidRuleError("a unit is a name, or an object with 'by' and 'values'")
    compiled(document["by"])
    for name in document["values"].values():
        _known(name)
    return UnitByRow(by=document["by"], values={str(key): str(name) for key, name in document["values"].items()})


def unit_factor(unit: Unit | None) -> Factor:
    """A function from a raw model object to the factor its prices are multiplied by; None for no token price."""
    if isinstance(unit, UnitByRow):
        named = compiled(unit.by)
        factors = {text: unit_factors()[name] for text, name in unit.values.items()}

        def by_row(item: Any, work: Work) -> float | None:
            work.spend(named.cost)
            text = named.evaluate(item, work)
            return factors.get(text) if isinstance(text, str) else None

        return by_row
    factor = unit_factors()[unit or "usd_per_million_tokens"]
    return lambda _item, _work: factor


def number(value: Any) -> float | None:
    """The finite number a JSON value states, as itself or as text (`$0.59 / 1M tokens`); None for anything else.

    A boolean is no number, and neither is a text of other digits than 0 to 9 or beyond a double's range.
    """
    if isinstance(value, str):
        return _written_number(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def decimal_number(literal: str) -> float | None:
    """The number of a decimal literal; None if a double cannot hold it: it would read as infinite, or as zero.

    Raises:
        ValueError: It is no literal.
    """
    found = float(literal)
    if not math.isfinite(found) or (found == 0 and _IS_NOT_ZERO.match(literal)):
        return None
    return found


def _written_number(text: str) -> float | None:
    literal = text.strip().lstrip("$")
    # Python's own literals may have underscores, and digits of any script.
    if literal.isascii() and "_" not in literal:
        try:
            return decimal_number(literal)
        except ValueError:
            pass  # it may be a price as people write it
    written = _PRICE_TEXT.fullmatch(text.strip()) if len(text) <= 80 else None
    return float(written[1].replace(",", "")) if written else None


@functools.lru_cache(maxsize=4096)
def converted(value: float, factor: float) -> float:
    """The price in USD per million tokens, without the dust of binary fractions and without a sign on zero."""
    return float(f"{value * factor:.10g}") + 0.0


def _known(name: Any) -> None:
    if not isinstance(name, str) or name not in unit_factors():
        raise InvalidRuleError(f"unknown unit {name!r}; known units: {', '.join(sorted(unit_factors()))}")
