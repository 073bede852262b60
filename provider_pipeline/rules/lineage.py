"""Column lineage: the item fields that each column of a row comes from, read off the rule without running it.

Everything that can change a column's value is a source of it: fields tested by a condition count too.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from provider_pipeline.rules.document import Endpoint, ExtractionRule
from provider_pipeline.rules.extraction import FIELD_COLUMNS
from provider_pipeline.rules.language import parse_expression, path_expression
from provider_pipeline.rules.model_columns import PRICE_COLUMNS
from provider_pipeline.rules.prices import CURRENCY_FIELD, PriceField, field_name, price_field
from provider_pipeline.rules.rows import MEANINGFUL_COLUMNS

Path = tuple[str, ...]

_NOTHING: Final[frozenset[Path]] = frozenset()
_CHOOSING: Final = frozenset({"labelled", "max_by", "min_by", "not_null", "reverse", "sort_by", "to_array"})
"""Functions that return (parts of) their arguments: a key of the result is a key of those."""


@lru_cache(maxsize=4_096)  # rules share most of their expressions, and each event of a provider asks again
def item_paths(expression: str) -> frozenset[str]:
    """The paths that an expression reads in an item; `@` is the item itself.

    Array positions and filters are left out: `parts[?kind == 'in'].price` reads `parts.kind` and `parts.price`.

    Raises:
        InvalidRuleError: The expression does not parse.
    """
    reader = _Reader()
    result = reader.read(parse_expression(expression), _Value(frozenset({()})))
    return frozenset(path_expression(path) for path in result.paths | reader.looked_at)


def fact_sources(rule: ExtractionRule) -> dict[str, tuple[str, ...]]:
    """The facts that the rule reads, each with its sorted item fields.

    A fact is a column, or one key of a column as overrides name it: `prices.cache_read`, `capabilities.vision`,
    `metadata_json.owner`. With several endpoints, a field is prefixed with its endpoint's path: `/v1/models: id`.
    """
    found: dict[str, set[str]] = {}
    for endpoint in rule.endpoints:
        prefix = f"{endpoint.path}: " if len(rule.endpoints) > 1 else ""
        for fact, paths in _endpoint_sources(endpoint, rule).items():
            found.setdefault(fact, set()).update(prefix + path for path in paths)
    return {fact: tuple(sorted(paths)) for fact, paths in found.items() if paths}


def column_sources(rule: ExtractionRule) -> dict[str, tuple[str, ...]]:
    """The columns that the rule fills, each with its sorted item fields, named as in `fact_sources`."""
    found: dict[str, set[str]] = {}
    for fact, paths in fact_sources(rule).items():
        column, _, key = fact.partition(".")
        for name in ("capabilities", "capability_sources") if column == "capabilities" and key else (column,):
            found.setdefault(name, set()).update(paths)
    found["meta_hash"] = set().union(*(paths for column, paths in found.items() if column in MEANINGFUL_COLUMNS))
    return {column: tuple(sorted(paths)) for column, paths in found.items() if paths}


def _endpoint_sources(endpoint: Endpoint, rule: ExtractionRule) -> dict[str, frozenset[str]]:
    fields = {name: item_paths(expression) for name, expression in endpoint.fields.items()}
    for name, unit in endpoint.units.items():
        if not isinstance(unit, str) and name in fields:
            fields[name] |= item_paths(unit.reads)
    currency = fields.pop(CURRENCY_FIELD, frozenset())
    found: dict[str, frozenset[str]] = {}
    for name, paths in fields.items():
        for fact in _facts(name):
            found[fact] = found.get(fact, frozenset()) | paths | (currency if price_field(name) else frozenset())
    telling = fields["id"] | fields.get("base_model", frozenset())
    found["family"] = telling
    for each in rule.capability_rules:
        looked_at = frozenset[str]().union(*map(item_paths, each.patterns.predicates))
        by_name = each.patterns.regex or each.patterns.lookup_table
        found[f"capabilities.{each.capability}"] = looked_at | (telling if by_name else frozenset())
    return found


def _facts(name: str) -> Iterator[str]:
    """The facts that a field of a rule is read into."""
    price = price_field(name)
    if price is None:
        yield FIELD_COLUMNS.get(name) or f"metadata_json.{name}"
        return
    yield f"prices.{price.component}"
    if price == PriceField(price.component) and field_name(price.component) in PRICE_COLUMNS:
        yield field_name(price.component)


@dataclass(frozen=True)
class _Value:
    """Paths a value may come from; `whole` if it is the value found there, so that a key of it is a longer path."""

    paths: frozenset[Path]
    whole: bool = True

    def key(self, name: str) -> "_Value":
        return _Value(frozenset((*path, name) for path in self.paths)) if self.whole else self


class _Reader:
    """Walks a JMESPath tree; collects the fields that are only tested, such as those in conditions."""

    def __init__(self) -> None:
        self.looked_at: set[Path] = set()

    def read(self, node: Mapping[str, Any], here: _Value) -> _Value:
        """The sources of the node's result."""
        kind, children = node["type"], node.get("children", [])
        if kind == "field":
            value = here.key(str(node["value"]))
        elif kind in ("identity", "current", "index", "slice"):
            value = here
        elif kind == "filter_projection":
            source, taken, condition = children
            element = self.read(source, here)
            self.looked_at |= self.read(condition, element).paths
            value = self.read(taken, element)
        elif kind in ("subexpression", "index_expression", "pipe", "projection", "value_projection"):
            value = here
            for child in children:
                value = self.read(child, value)
        elif kind == "function_expression":
            value = self._called(str(node["value"]), children, here)
        else:  # an alternative of several, a new list or object of them, a comparison, a literal
            value = _either([self.read(child, here) for child in children])
            if kind not in ("or_expression", "and_expression", "flatten"):
                value = _Value(value.paths, whole=False)
        return value

    def _called(self, name: str, arguments: list[Mapping[str, Any]], here: _Value) -> _Value:
        """A function's result comes from its arguments; an `&expression` applies to the items of the others."""
        given = _either([self.read(each, here) for each in arguments if each["type"] != "expref"])
        for each in arguments:
            if each["type"] == "expref":
                self.looked_at |= self.read(each["children"][0], given).paths
        return _Value(given.paths, whole=given.whole and name in _CHOOSING)


def _either(values: list[_Value]) -> _Value:
    paths = _NOTHING.union(*(value.paths for value in values))
    return _Value(paths, whole=all(value.whole for value in values))
