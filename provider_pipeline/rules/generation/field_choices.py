"""A rule's fields: ranks paths for each, chooses dates and further facts, and names the fields that no rule reads."""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from provider_pipeline.rules.dates import MILLISECONDS, read_date, seconds_of
from provider_pipeline.rules.generation.price_context import ListingPrices
from provider_pipeline.rules.generation.price_units import positive, rows_where
from provider_pipeline.rules.generation.shape import Column, Shape
from provider_pipeline.rules.issues import issue
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.language import compiled, literal, path_expression, quote_key, snake, words_of
from provider_pipeline.rules.limits import PAGE_STEPS, Work, WorkExceededError
from provider_pipeline.rules.metadata import metadata_reader
from provider_pipeline.rules.money import currency_code
from provider_pipeline.rules.prices import OTHER_CURRENCY, is_size
from provider_pipeline.rules.values import BadValueError, UnitByRow, number, read_text

MIN_PLAUSIBLE: Final = 0.9
MIN_SCORE: Final = 0.15
_DEPTH_DECAY: Final = 0.9
_RANK_PENALTY: Final = 0.004
_AMBIGUOUS_PENALTY: Final = 0.5
_MIN_AGREEMENT: Final = 0.8
_ONE_ODD_AMONG: Final = 3
_MAX_ALTERNATIVES: Final = 6
_SECONDS_SPREAD: Final = 5
_COMMON_SHARE: Final = 0.5
_NEARLY_ALL: Final = 0.9
_ENOUGH: Final = 3
_MAX_DATE_DEPTH: Final = 3
_MAX_FACT_DEPTH: Final = 2
_SAMPLED: Final = 2_000
_MAX_FIELDS: Final = 50
_MAX_NAMED: Final = 6
_MAX_AMOUNT: Final = 80
_AMOUNT: Final = re.compile(
    r"^\d+(?:\.\d+)?\s*x$|[$€£¥￥]\s*\d|\d\s*(?:¢|usd|eur|gbp|cny|rmb|元|credits)|\d\.\d+\s*-\s*\d", re.IGNORECASE
)
_ZERO: Final = "zero"
_MOSTLY_ONE: Final = "the same for most models"


@dataclass(frozen=True)
class FieldChoice:
    """A possible path of a column, with the shares of items with a value and of plausible values."""

    expression: str
    score: float
    fill: float
    plausible: float
    column: Column

    def summary(self) -> dict[str, Any]:
        """The choice as evidence in a rule."""
        return {
            "expression": self.expression,
            "score": round(self.score, 4),
            "fill": round(self.fill, 4),
            "plausible": round(self.plausible, 4),
        }


def choices(shape: Shape, name: str, plausible: Callable[[Any], bool], depth: int = 0) -> list[FieldChoice]:
    """The paths whose name fits a field of `data/fields.toml`, the best first."""
    table: Any = read_table("fields.toml")
    for part in name.split("."):
        table = table[part]
    aliases: list[str] = table["aliases"]
    found = []
    for column in shape.columns.values():
        rank = _alias_rank(column, aliases)
        if rank is None and _has_words(column, name):
            rank = len(aliases)
        if rank is None or column.path[-1].startswith("_"):
            continue
        good = _share_of_plausible(column, plausible)
        fill = shape.fill(column)
        doubt = _AMBIGUOUS_PENALTY if is_ambiguous(column) else 1.0
        decay = _DEPTH_DECAY ** max(0, len(column.path) - 1 - depth)
        score = doubt * (1 - _RANK_PENALTY * rank) * decay * math.sqrt(fill) * good
        found.append(FieldChoice(column.expression, score, fill, good, column))
    found.sort(key=lambda choice: (-choice.score, choice.expression))
    return found[:_MAX_ALTERNATIVES]


def _share_of_plausible(column: Column, plausible: Callable[[Any], bool]) -> float:
    """The share of plausible values; a single odd one among several, such as a specimen's prose, is ignored."""
    count, good = len(column.values), sum(plausible(value) for value in column.values)
    return 1.0 if good == count - 1 and count >= _ONE_ODD_AMONG else good / count


def _alias_rank(column: Column, aliases: list[str]) -> int | None:
    """The position of the alias that fits the path; a dotted alias must fit the path's end.

    `{"context_length": {"value": 8192, "unit": "tokens"}}` is a context length: a last key `value` is passed over.
    """
    path = column.path[:-1] if len(column.path) > 1 and column.leaf == "value" else column.path
    leaf = snake(path[-1])
    dotted = ".".join(snake(key) for key in path)
    for rank, alias in enumerate(aliases):
        if alias == leaf or ("." in alias and (dotted == alias or dotted.endswith("." + alias))):
            return rank
    return None


def _has_words(column: Column, name: str) -> bool:
    """Whether the words of an unknown key make it the field."""
    table: Any = read_table("fields.toml").get(name, {})
    if "words" not in table:
        return False
    words = _own_words(column)
    return not set(column.words) & set(table["never"]) and any(words >= set(row) for row in table["words"])


def _own_words(column: Column) -> set[str]:
    """The words of the last key, and of the key before one that means nothing without it."""
    generic = read_table("fields.toml")["generic"]["keys"]
    near = column.path[-2:] if column.leaf in generic else column.path[-1:]
    return {word for key in near for word in words_of(key)}


def is_ambiguous(column: Column) -> bool:
    """Whether the key, such as `max_tokens`, names an output limit only beside a context length."""
    return column.leaf in read_table("fields.toml")["max_output_tokens"]["needs_context"]


def with_fallbacks(choice: FieldChoice | None, found: list[FieldChoice]) -> FieldChoice | None:
    """The choice, followed by alternatives that agree with it where both have a value and fill its gaps."""
    if choice is None:
        return None
    held = choice.column.by_owner
    parts = [choice.expression]
    for other in found:
        if other is choice or other.plausible < MIN_PLAUSIBLE or is_ambiguous(other.column):
            continue
        theirs = other.column.by_owner
        shared = [owner for owner in theirs if owner in held]
        agreeing = sum(theirs[owner] == held[owner] for owner in shared)
        if len(shared) < len(theirs) and agreeing >= _MIN_AGREEMENT * len(shared):
            parts.append(other.expression)
            held = {**theirs, **held}
    return replace(choice, expression=" || ".join(parts))


Fact = tuple[str, FieldChoice, str | None]
"""A field, its choice, and the reason if the choice says nothing about the models, else None."""


def date_choices(shape: Shape) -> Iterator[Fact]:
    """The dates of a model's life, and the model that follows it."""
    table = read_table("fields.toml")["dates"]
    found = {name: _readable(shape, f"dates.{name}", read_date, _MAX_DATE_DEPTH) for name in table}
    if not found["retires_on"]:
        found["retires_on"] = [one for one in found["deprecated_on"] if one.column.leaf in table["retires_on"]["alone"]]
        found["deprecated_on"] = [one for one in found["deprecated_on"] if one not in found["retires_on"]]
    for name, ranked in found.items():
        if ranked:
            reason = _no_date(ranked[0].column, shape, may_repeat=not table[name].get("constant", False))
            yield name, ranked[0], reason
    for choice in _readable(shape, "successor_model_id", read_text, _MAX_DATE_DEPTH)[:1]:
        yield "successor_model_id", choice, None


def fact_choices(shape: Shape, taken: set[str]) -> Iterator[Fact]:
    """Further facts worth keeping, near the top of the item."""
    for name, entry in read_table("fields.toml")["metadata"].items():
        if "aliases" not in entry:
            continue
        for choice in _readable(shape, f"metadata.{name}", partial(_read_fact, metadata_reader(name))):
            if choice.expression not in taken and _speaks_of_model(choice.column, entry):
                yield name, choice, junk_reason(choice.column) if entry["type"] == "time" else None
                break
    lifecycle = _lifecycle(shape)
    if lifecycle is not None:
        yield "lifecycle", lifecycle, None


def _speaks_of_model(column: Column, entry: dict[str, Any]) -> bool:
    """Whether neither the objects around a fact nor its values are of a kind that the fact's table rules out."""
    around = {snake(key) for key in column.path[:-1]} & set(entry.get("not_in", ()))
    mark = entry.get("without")
    marked = mark and any(isinstance(value, str) and mark in value for value in column.values)
    return not around and not marked


def _read_fact(read: Callable[[Any, Work], Any], value: Any) -> Any:
    return read(value, Work(PAGE_STEPS))


def _readable(shape: Shape, name: str, read: Callable[[Any], Any], depth: int = _MAX_FACT_DEPTH) -> list[FieldChoice]:
    """The paths whose name fits a field, and whose values are nearly all readable and informative, or zeros."""

    def is_readable(value: Any) -> bool:
        try:
            read(value)
        except (BadValueError, WorkExceededError):
            return False
        return True

    return [
        choice
        for choice in choices(shape, name, is_readable)
        if len(choice.column.path) <= depth
        and choice.plausible >= MIN_PLAUSIBLE
        and (
            any(is_readable(value) and read(value) is not None for value in choice.column.values[:_SAMPLED])
            or junk_reason(choice.column) == _ZERO
        )
    ]


def _lifecycle(shape: Shape) -> FieldChoice | None:
    """The provider's word for a model's lifecycle stage; else derived from its booleans."""
    table = read_table("fields.toml")["lifecycle"]
    known = set(table["known"])
    texts = [
        choice
        for choice in choices(shape, "lifecycle", lambda value: isinstance(value, str))
        if choice.plausible >= MIN_PLAUSIBLE and len(choice.column.path) <= _MAX_FACT_DEPTH
    ]
    sure = [choice for choice in texts if choice.column.leaf not in table["unsure"]]
    texts = sure or [one for one in texts if any(known & set(words_of(text)) for text in one.column.values)]
    flags = [
        (column, word)
        for word, keys in table["flags"].items()
        for column in shape.columns.values()
        if column.leaf in keys and len(column.path) <= _MAX_FACT_DEPTH and column.share(bool) >= MIN_PLAUSIBLE
    ]
    if not texts and not flags:
        return None
    parts = [choice.expression for choice in texts[:1]]
    parts += [f"{column.expression} == `true` && {literal(word)}" for column, word in flags]
    found = texts[0] if texts else FieldChoice("", 1.0, shape.fill(flags[0][0]), 1.0, flags[0][0])
    return replace(found, expression=" || ".join([*parts, "`null`"] if flags else parts))


def _no_date(column: Column, shape: Shape, *, may_repeat: bool) -> str | None:
    """Why dates say nothing about the models. Several may share one, such as their end, but not all of them."""
    reason = junk_reason(column)
    few = len(column.values) < _ENOUGH or len(column.values) < _NEARLY_ALL * shape.count
    return None if may_repeat and (reason == _MOSTLY_ONE or (few and reason != _ZERO)) else reason


def junk_reason(column: Column) -> str | None:  # noqa: PLR0911  # one return for each kind of junk reads best
    """Why creation times say nothing about the models; None if they do.

    A constant is often the time of the request or of the server's start, which one sample cannot show; as a field it
    would make every model look changed.
    """
    amounts = [number(value) for value in column.values]
    numeric = [amount for amount in amounts if amount is not None]
    known: dict[str, str] = read_table("fields.toml")["junk"]["constants"]
    common, times = Counter(map(str, column.values)).most_common(1)[0]
    if len(numeric) == len(amounts) and not any(numeric):
        return _ZERO
    if common in known and times >= _COMMON_SHARE * len(column.values):
        return f"the constant of {known[common]}"
    moments = [found for value in column.values if (found := seconds_of(value)) is not None]
    if len(column.values) == 1:
        has_time = moments or type(column.values[0]) in (int, float)
        return "a single model: a date cannot be told from the time of the request" if has_time else None
    if times == len(column.values):
        return "constant"
    if len(column.values) >= 3 and times > _COMMON_SHARE * len(column.values):
        return _MOSTLY_ONE
    if len(moments) == len(amounts) and max(moments) - min(moments) <= _SECONDS_SPREAD:
        return "all within seconds: the time of the request"
    if len(numeric) == len(amounts):
        scale = 1000 if max(numeric) > MILLISECONDS else 1
        if max(numeric) - min(numeric) <= _SECONDS_SPREAD * scale:
            return "all within seconds: the time of the request"
    return None


@dataclass(frozen=True)
class UnreadField:
    """A field that no expression of the rule reads; `kind` (price, limit, date, capability) is what it speaks of."""

    expression: str
    kind: str

    @property
    def reason(self) -> str:
        """Why a person should look at it."""
        return f"speaks of a {self.kind}; no field or predicate reads it"


def unread_fields(
    shape: Shape, prices: ListingPrices, expressions: Iterable[str], left_out: Iterable[str]
) -> list[UnreadField]:
    """The fields of the items that no expression reads, prices first.

    Args:
        shape: The sample's items.
        prices: The prices that the rule reads, and those in lists of the items.
        expressions: The rule's fields, units and predicates.
        left_out: Fields that were left out for a reason.
    """
    texts = {*expressions, *left_out}
    read = {path for text in texts for path in compiled(text).paths}
    whole = " ".join(texts)
    kinds: Mapping[str, Sequence[str]] = read_table("fields.toml")["unread"]["kinds"]
    found: dict[str, str] = {}
    for column in (*shape.columns.values(), *prices.listed.values()):
        # Checked before the values, because nearly all fields are read.
        if column.path not in prices.listed and any(column.path[: len(path)] == path for path in read if path):
            continue
        if (column.lookup is None or column.lookup not in whole) and (kind := _kind(column, kinds)) is not None:
            found.setdefault(column.expression, kind)
    for column in shape.nested.values():
        base = path_expression(column.path[:-1])
        if (
            column.path[:-1] not in read
            and not (f"{base}[" in whole or f"[{base}]" in whole)
            and _kind(column, kinds) == "price"
        ):
            found.setdefault(f"{base}[].{quote_key(column.path[-1])}", "price")
    found |= dict.fromkeys(_in_other_units(shape, prices), "price")
    order = list(kinds)
    named = sorted(found.items(), key=lambda one: (order.index(one[1]), one[0]))
    return [UnreadField(*one) for one in named[:_MAX_FIELDS]]


def _in_other_units(shape: Shape, prices: ListingPrices) -> Iterator[str]:
    """The prices in units that are not kept, of fields whose rows name their units."""
    kept: dict[tuple[str, str], set[str]] = {}
    columns = {one.expression: one for one in (*shape.columns.values(), *prices.listed.values())}
    for one, *_ in prices.choices.values():
        if isinstance(one.unit, UnitByRow):
            kept.setdefault((one.column.expression, one.unit.by), set()).update(one.unit.values)
    for (expression, by), texts in sorted(kept.items()):
        named = columns.get(by)
        for text in sorted({*named.values} - texts) if named is not None and expression in columns else ():
            if named is not None and positive([rows_where(columns[expression], named, {text})]):
                yield f"{expression} (where {by} is {text!r})"


def unread_issue(found: Sequence[UnreadField], *, priced: bool) -> list[dict[str, Any]]:
    """The issue that names the fields; a warning if some are prices and none is read.

    Args:
        found: The fields.
        priced: Whether the rule reads any price.
    """
    if not found:
        return []
    prices = sum(one.kind == "price" for one in found)
    unread = [one.expression for one in found[:_MAX_NAMED]]
    if len(found) > _MAX_NAMED:
        unread.append(f"{len(found) - _MAX_NAMED} more")
    return [
        issue(
            "unread_fields",
            "warning" if prices and not priced else "info",
            f"the rule does not read {', '.join(unread)}",
            expected="fields that speak of prices, limits, dates or capabilities to be read",
            actual=f"{len(found)} unread, {prices} of them about prices",
            sample=[f"{one.expression}: {one.kind}" for one in found],
            recovery="Look at these fields in the sample, and add those that matter to the rule's fields by hand.",
        )
    ]


def currency_issue(prices: ListingPrices) -> list[dict[str, Any]]:
    """The issue that names the currencies other than USD in which a listing has prices."""
    if not prices.others:
        return []
    kept = [text for text in prices.others if prices.choices and currency_code(text)]
    left = [text for text in prices.others if text not in kept]
    parts = [f"prices in {', '.join(kept)} are kept so, and input_price and output_price stay empty"] if kept else []
    parts += [f"prices in {', '.join(left)} are not read"] if left else []
    return [
        issue(
            OTHER_CURRENCY,
            "warning",
            "; ".join(parts),
            expected="prices in USD; nothing is converted",
            actual=", ".join(prices.others),
            recovery="Look at `prices` for amounts in their own currency, or state prices in USD as overrides.",
        )
    ]


def _kind(column: Column, kinds: Mapping[str, Sequence[str]]) -> str | None:
    values = [value for value in column.values if value not in ("", [], {}) and not isinstance(value, dict)]
    if not values:
        return None
    own, words = _own_words(column), set(column.words)
    if is_size(column.path[-1]) and any((amount := number(value)) is not None and amount % 1 for value in values):
        return "price"  # though no word says so
    for kind, about in kinds.items():
        # A price may be named by what is around it (`pricing.image`); the others by their own key.
        near = words if kind in ("price", "capability") else own
        if any(word.startswith(tuple(about)) if kind == "price" else word in about for word in near) and _fits(
            kind, values
        ):
            return kind
    return None


def _fits(kind: str, values: Sequence[Any]) -> bool:
    if kind in ("price", "limit"):
        amounts = (each for value in values for each in (value if isinstance(value, list) else [value]))
        return any(number(amount) not in (None, 0) or _is_amount(amount) for amount in amounts)
    if kind == "date":
        return any(isinstance(value, str) or number(value) for value in values)
    return any(isinstance(value, (bool, list)) for value in values)


def _is_amount(value: Any) -> bool:
    """Whether a text is an amount of money that cannot be read as a number, such as one in yuan."""
    return isinstance(value, str) and len(value) <= _MAX_AMOUNT and _AMOUNT.search(value) is not None
