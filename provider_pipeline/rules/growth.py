"""Finds additions to a listing that its rule does not read: important fields, and further lists of models."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from provider_pipeline.errors import RuleTooCostlyError
from provider_pipeline.rules.capability_rules import PREDICATE_KINDS
from provider_pipeline.rules.document import Endpoint, ExtractionRule
from provider_pipeline.rules.extraction import ItemReader
from provider_pipeline.rules.generation.field_choices import unread_fields
from provider_pipeline.rules.generation.list_search import UNLIKELY
from provider_pipeline.rules.generation.price_context import ListingPrices
from provider_pipeline.rules.generation.samples import ListCandidate, candidates
from provider_pipeline.rules.generation.shape import Column, Shape, shape_of
from provider_pipeline.rules.issues import SHAPE_GREW, issue
from provider_pipeline.rules.matching import CompiledCapabilities
from provider_pipeline.rules.rows import MIN_FILL, lists_of
from provider_pipeline.rules.thresholds import Thresholds

_MIN_ITEMS: Final = 2
_MIN_RELATIVE_SCORE: Final = 0.5
"""Minimum score of a further list of models, as a share of the best one's."""
_READ: Final = 0.9


@dataclass(frozen=True)
class Growth:
    """One addition.

    Attributes:
        expression: The field, or the selector of the list.
        kind: price, limit, date, capability, or list.
        count: The items with the field, or in the list.
        of: The items that the rule reads.
    """

    expression: str
    kind: str
    count: int
    of: int

    def issue(self) -> dict[str, Any]:
        """The addition as the reason of a task."""
        what = (
            f"a list {self.expression} of {self.count} items beside the {self.of} that the rule reads"
            if self.kind == "list"
            else f"{self.expression}, which speaks of a {self.kind}, for {self.count} of {self.of} models"
        )
        return issue(
            SHAPE_GREW,
            "info",
            f"the listing has gained {what}; the rule does not read it",
            expected="a rule that reads all that the listing says",
            actual=self.expression,
            recovery="None needed: a new rule is tried beside the active one.",
        ) | {"field": self.expression}


def growth(
    rule: ExtractionRule, before: Callable[[], Sequence[Any]], after: Sequence[Any], *, endpoint: int = 0
) -> list[Growth]:
    """New parts of the listing that no part of the rule reads; empty if the rule is too costly.

    Args:
        rule: The rule, which reads both.
        before: Loads the parsed pages of the last accepted response; called only if something is unread.
        after: The parsed pages of the new one.
        endpoint: Position of the endpoint in the rule.
    """
    reader = ItemReader(rule.endpoints[endpoint], CompiledCapabilities(()), Thresholds.model_validate({}))
    try:
        return list(_growth(rule, reader, before, after, endpoint))
    except RuleTooCostlyError:
        return []


def _growth(
    rule: ExtractionRule,
    reader: ItemReader,
    before: Callable[[], Sequence[Any]],
    after: Sequence[Any],
    endpoint: int,
) -> Iterator[Growth]:
    items = [item for page in after for item in reader.items(page) or ()]
    shape = shape_of(items)
    unread = _unread(rule, rule.endpoints[endpoint], shape)
    lists = lists_of(after[0]) if after else None
    if not items or (not unread and _containers(lists) < 2):
        return
    pages = before()
    old = shape_of([item for page in pages for item in reader.items(page) or ()])
    if not old.count:
        return
    for column, kind in unread:
        earlier = old.columns.get(column.path)
        if earlier is None or old.fill(earlier) < MIN_FILL:
            yield Growth(column.expression, kind, len(column.values), shape.count)
    if lists != lists_of(pages[0]):
        ids = {reader.id_of(item) for item in items}
        known = {one.selector for one in candidates(reader.answer(pages[0]))}
        yield from _lists(candidates(reader.answer(after[0])), known, ids, len(items))


def _unread(rule: ExtractionRule, read: Endpoint, shape: Shape) -> list[tuple[Column, str]]:
    """The columns of enough items that matter and that no part of the rule reads, each with what it speaks of."""
    expressions = [*read.fields.values(), *(unit.reads for unit in read.units.values() if not isinstance(unit, str))]
    for each in rule.capability_rules:
        expressions += [text for kind in PREDICATE_KINDS for text in getattr(each.patterns, kind)]
    columns = {column.expression: column for column in shape.columns.values()}
    unread = unread_fields(shape, ListingPrices(), expressions, ())
    found = [(columns[one.expression], one.kind) for one in unread if one.expression in columns]
    least = min(_MIN_ITEMS, shape.count)
    return [(column, kind) for column, kind in found if len(column.values) >= least and shape.fill(column) >= MIN_FILL]


def _lists(found: Sequence[ListCandidate], known: set[str], ids: set[str | None], read: int) -> Iterator[Growth]:
    """New lists that look like models and give other ids; of lists that give the same ids only the likeliest."""
    seen = set(ids)
    for one in found:
        theirs = set(one.ids[0].values)
        if (
            one.selector not in known
            and one.score >= _MIN_RELATIVE_SCORE * found[0].score
            and one.reasons["container"] >= UNLIKELY
            and len(theirs & seen) < _READ * len(theirs)
            and not theirs > ids
        ):
            seen |= theirs
            yield Growth(one.selector, "list", len(one.items), read)


def _containers(lists: Any) -> int:
    return sum(map(_containers, lists.values())) if isinstance(lists, dict) else 1
