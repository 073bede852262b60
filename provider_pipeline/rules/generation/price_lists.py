"""Reads an item's lists of prices, whose entries differ by label or prompt size, or hold further lists."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from provider_pipeline.rules.generation.price_sizes import Size, size_in
from provider_pipeline.rules.generation.price_words import counts_no_tokens, is_about_money, price_name
from provider_pipeline.rules.generation.shape import Column, Shape
from provider_pipeline.rules.generation.special_prices import Variant, component_by_size
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.language import Path, literal, quote_key, snake
from provider_pipeline.rules.rows import MAX_DEPTH
from provider_pipeline.rules.values import number

_MAX_ENTRIES: Final = 40
_MAX_TEXTS: Final = 40
_MAX_LABEL: Final = 80
_MAX_NESTING: Final = 3
_MAX_RANGES: Final = 8
_CLOCK: Final = r"(?:[01]?\d|2[0-4]):[0-5]\d(?::[0-5]\d)?(?:\s*(?:am|pm|utc|z))?"
_TIME_OF_DAY: Final = re.compile(rf"{_CLOCK}(?:\s*(?:-|\u2013|to|~)\s*{_CLOCK})?", re.IGNORECASE)
"""Such as `16:30` and `16:30-00:30`."""
_OF_A_VARIANT: Final = {"image", "video", "audio", "time", "condition"}


class _Listed(NamedTuple):
    """A list of an item: the item's position, and the list's objects."""

    owner: int
    entries: list[dict[str, Any]]


@dataclass(frozen=True)
class ListedPrices:
    """The prices in lists.

    Args:
        columns: Amounts, and the texts that name their unit and currency, by path; a path includes the labels' texts.
        tiers: Lists of `above` and `amount` by path, the result of a rule's expression for `price.COMPONENT.tiers`.
        variants: Amounts by size or quality, by the expression with which a rule looks them up.
        conditional: Amounts valid only under a condition, such as some hours of the day; not the model's prices.
    """

    columns: dict[Path, Column] = field(default_factory=dict)
    tiers: dict[Path, Column] = field(default_factory=dict)
    variants: dict[str, Variant] = field(default_factory=dict)
    conditional: dict[Path, Column] = field(default_factory=dict)

    def add(self, path: Path, lookup: str, owner: int, value: Any) -> None:
        """Add one item's value."""
        _append(self.columns, path, lookup, owner, value)


def _append(columns: dict[Path, Column], path: Path, lookup: str, owner: int, value: Any) -> None:
    column = columns.setdefault(path, Column(path, lookup=lookup))
    if column.lookup == lookup and owner not in column.owners[-1:]:
        column.values.append(value)
        column.owners.append(owner)


def listed_prices(shape: Shape) -> ListedPrices:
    """The prices in all lists of the items."""
    found = ListedPrices()
    for path, column in shape.columns.items():
        base = column.expression
        lists = list(_lists(zip(column.owners, column.values, strict=True)))
        if lists:
            _read(path, base, lists, found, 0)
    return found


def _lists(values: Iterable[tuple[int, Any]]) -> Iterator[_Listed]:
    for owner, value in values:
        if isinstance(value, list) and value and isinstance(value[0], dict):
            yield _Listed(owner, [entry for entry in value[:_MAX_ENTRIES] if isinstance(entry, dict)])


def _read(path: Path, base: str, lists: list[_Listed], found: ListedPrices, nesting: int) -> None:
    if nesting >= _MAX_NESTING:
        return
    lists, base = _at_all_hours(path, *_in_force(lists, base), found)
    if not lists or _read_tiers(path, base, lists, found) or _read_variants(path, base, lists, found):
        return
    labels = _labels(lists)
    if not labels:
        if is_about_money(path) and all(len(entries) == 1 for _, entries in lists):
            # A single price now may be followed by several, such as one per date: then none is known to be valid.
            _read_single(path, f"([{base}][?length(@) == `1`] | [0])[0]", lists, found)
        else:
            _name_unread(path, f"{base}[]", lists, found)
        return
    nested: dict[tuple[Path, str], list[_Listed]] = {}
    for owner, entries in lists:
        for entry in entries:
            # A price per image or second differs from one per token even if their labels are equal.
            units = [key for key, value in entry.items() if key not in labels and _is_other_unit(key, value)]
            keys = [*labels, *units]
            texts = tuple(str(entry[key]) for key in keys)
            wanted = " && ".join(f"{quote_key(key)} == {literal(entry[key])}" for key in keys)
            chosen = f"({base}[?{wanted}] | [0])"
            _read_entry((*path, *texts), chosen, entry, labels, owner, found, nested)
    for (inner, lookup), inner_lists in nested.items():
        _read(inner, lookup, inner_lists, found, nesting + 1)


def _read_entry(
    path: Path,
    chosen: str,
    entry: Mapping[str, Any],
    labels: Sequence[str],
    owner: int,
    found: ListedPrices,
    nested: dict[tuple[Path, str], list[_Listed]],
) -> None:
    table = read_table("fields.toml")["price"]
    explaining = {*table["unit_keys"], *table["currency_keys"]}
    for key, value in entry.items():
        here, lookup = (*path, key), f"{chosen}.{quote_key(key)}"
        if isinstance(value, list):
            for one in _lists([(owner, value)]):
                nested.setdefault((here if key != "value" else path, lookup), []).append(one)
        elif isinstance(value, dict):
            for inner, amount in value.items():
                if number(amount) is not None and is_about_money((*here, inner)):
                    found.add((*here, inner), f"{lookup}.{quote_key(inner)}", owner, amount)
        elif (isinstance(value, str) and snake(key) in explaining) or (
            key not in labels and number(value) is not None and is_about_money(here)
        ):
            found.add(here, lookup, owner, value)


def _read_single(path: Path, chosen: str, lists: list[_Listed], found: ListedPrices) -> None:
    nested: dict[tuple[Path, str], list[_Listed]] = {}
    for owner, entries in lists:
        _read_entry(path, chosen, entries[0], (), owner, found, nested)


def _name_unread(path: Path, base: str, lists: list[_Listed], found: ListedPrices) -> None:
    """Keep the amounts in indistinguishable entries, and in lists inside them, to report them as unread."""
    if len(path) > MAX_DEPTH:
        return
    for owner, entries in lists:
        for entry in entries:
            for key, value in entry.items():
                here, lookup = (*path, key), f"{base}.{quote_key(key)}"
                if number(value) is not None and is_about_money(here):
                    _append(found.conditional, here, lookup, owner, value)
                _name_unread(here, f"{lookup}[]", [*_lists([(owner, value)])], found)


def _in_force(lists: list[_Listed], base: str) -> tuple[list[_Listed], str]:
    """The entries that a boolean marks as current; all if there is no such mark."""
    keys = read_table("prices.toml")["current"]["keys"]
    entries = [entry for each in lists for entry in each.entries]
    for key in keys:
        if entries and all(isinstance(entry.get(key), bool) for entry in entries):
            kept = [_Listed(owner, [entry for entry in held if entry[key]]) for owner, held in lists]
            return [each for each in kept if each.entries], f"({base}[?{quote_key(key)}])"
    return lists, base


def _at_all_hours(path: Path, lists: list[_Listed], base: str, found: ListedPrices) -> tuple[list[_Listed], str]:
    """The entries valid at any time of day; the others are reported as unread."""
    hours = dict.fromkeys(
        key for each in lists for entry in each.entries for key, value in entry.items() if _is_time_of_day(value)
    )
    if not hours:
        return lists, base
    for owner, held in lists:
        for entry in held:
            told = [key for key in hours if _is_true(entry.get(key))]
            for key, value in entry.items() if told else ():
                if number(value) is not None and is_about_money((*path, key)):
                    lookup = f"{base}[?{quote_key(told[0])}].{quote_key(key)}"
                    _append(found.conditional, (*path, told[0], key), lookup, owner, value)
    free = " && ".join(f"!{quote_key(key)}" for key in hours)
    kept = [
        _Listed(owner, [entry for entry in held if not any(_is_true(entry.get(key)) for key in hours)])
        for owner, held in lists
    ]
    return [each for each in kept if each.entries], f"({base}[?{free}])"


def _is_time_of_day(value: Any) -> bool:
    return isinstance(value, str) and _TIME_OF_DAY.fullmatch(value.strip()) is not None


def _read_variants(path: Path, base: str, lists: list[_Listed], found: ListedPrices) -> bool:
    """Read a list with an entry for each size or quality of its component; returns whether it is one."""
    entries = [entry for each in lists for entry in each.entries]
    table = read_table("fields.toml")["price"]
    explaining = {*table["unit_keys"], *table["currency_keys"]}
    keys = list(dict.fromkeys(key for entry in entries for key in entry if snake(key) not in explaining))
    amounts = [key for key in keys if is_about_money((key,)) and component_by_size((*path, key))]
    labels = [key for key in keys if key not in amounts]
    told = [[tuple(_told(key, entry.get(key)) for key in labels) for entry in held] for _, held in lists]
    texts_of_labels = {entry[key] for entry in entries for key in labels if isinstance(entry.get(key), str)}
    if any(price_name((text,)).meaning - _OF_A_VARIANT for text in texts_of_labels):
        return False  # such as "input": a component, not a size
    if not amounts or not labels or not all(len({*texts}) == len(texts) and all(map(any, texts)) for texts in told):
        return False
    for (owner, held), texts in zip(lists, told, strict=True):
        for entry, parts in zip(held, texts, strict=True):
            wanted = " && ".join(f"{quote_key(key)} == {literal(entry.get(key))}" for key in labels)
            for key in (key for key in amounts if number(entry.get(key)) is not None):
                lookup = f"({base}[?{wanted}] | [0]).{quote_key(key)}"
                named = Variant((*path, key), "_".join(filter(None, parts)), Column((*path, key), lookup=lookup))
                column = found.variants.setdefault(lookup, named).column
                column.values.append(entry[key])
                column.owners.append(owner)
    return True


def _told(key: str, value: Any) -> str:
    """The words that an entry's label adds to its price's name; none without a label."""
    if value is None or isinstance(value, (list, dict)):
        return ""
    if isinstance(value, bool):
        return snake(key) if value else f"no_{snake(key)}"
    return snake(value.lower()) if isinstance(value, str) else snake(f"{key} {value}")


def _labels(lists: list[_Listed]) -> list[str]:
    """The keys whose texts distinguish the entries of every item; empty if there are none.

    Units are labels only if the other keys do not suffice; otherwise a rule reads them from each row.
    """
    entries = [entry for each in lists for entry in each.entries]
    table = read_table("fields.toml")["price"]
    named = [key for key in entries[0] if all(_is_label(entry.get(key)) for entry in entries)]
    units = [key for key in named if snake(key) in table["unit_keys"] and isinstance(entries[0][key], str)]
    telling = [
        key for key in named if key not in units and snake(key) not in table["currency_keys"] and _tells(key, lists)
    ]
    counted = any(snake(key) in table["count_keys"] and number(value) for key, value in entries[0].items())
    if (not telling and not units) or (counted and not any(snake(key) in table["count_keys"] for key in named)):
        return []  # such as one of an unknown number of units
    for labels in (telling, [*telling, *units]):
        if labels and all(
            len({tuple(entry[label] for label in labels) for entry in held}) == len(held) for _, held in lists
        ):
            return labels
    return []


def _is_other_unit(key: str, value: Any) -> bool:
    is_unit = isinstance(value, str) and snake(key) in read_table("fields.toml")["price"]["unit_keys"]
    return is_unit and counts_no_tokens(value)


def _is_label(value: Any) -> bool:
    if isinstance(value, str):
        return 0 < len(value) <= _MAX_LABEL and number(value) is None
    return type(value) is int and value in (1, 1_000, 1_000_000, 1_000_000_000)


def _tells(key: str, lists: list[_Listed]) -> bool:
    """Whether a key's values are few and are words about prices (kinds of a price, not names of models)."""
    entries = [entry[key] for each in lists for entry in each.entries]
    if not all(isinstance(entry, str) for entry in entries):
        # A count of units, such as 1,000,000 under "per"; the same for all in a list that has no other.
        return snake(key) in read_table("fields.toml")["price"]["count_keys"]
    held = [{entry[key] for entry in each.entries} for each in lists]
    texts = set().union(*held)
    if len(texts) > _MAX_TEXTS:
        return False
    if len(lists) > 1 and sum(map(len, held)) == len(texts) and len(texts) > len(lists):
        return False
    modalities = read_table("fields.toml")["modality"]["values"]
    return any(
        price_name((text,)).meaning or text in modalities or snake(text) in ("price", "pricing", "standard")
        for text in texts
    )


def _read_tiers(path: Path, base: str, lists: list[_Listed], found: ListedPrices) -> bool:
    """Read a list with an entry for each range of prompt sizes; returns whether it is one."""
    entries = [entry for each in lists for entry in each.entries]
    start, end = size_in(entries, "from"), size_in(entries, "to")
    if start is None:
        return end is not None and _read_tiers_by_end(path, base, lists, end, found)
    used = {each.steps[0] for each in (start, end) if each is not None}
    table = read_table("fields.toml")["price"]
    keys = list(dict.fromkeys(key for entry in entries for key in entry))
    amounts = [
        key
        for key in keys
        if key not in used
        and is_about_money((*path, key))
        and _is_price_key(path, key)
        and any(number(entry.get(key)) is not None for entry in entries)
    ]
    if not amounts:
        return False
    texts = {*table["unit_keys"], *table["currency_keys"]}
    # A key in only some entries is a condition, such as their hours of the day.
    conditions = [
        key
        for key in keys
        if key not in amounts
        and key not in used
        and snake(key) not in texts
        and not all(_is_true(entry.get(key)) for entry in entries)
    ]
    free = "".join(f" && !{quote_key(key)}" for key in conditions)
    size = start.expression
    for key in amounts:
        own, name = (*path, key), quote_key(key)
        tiers = f"{base}[?{size} && {size} != `0`{free}].{{above: {size}, amount: {name}}}"
        first = f"({base}[?(!{size} || {size} == `0`){free}] | [0]).{name}"
        for owner, held in lists:
            plain = [entry for entry in held if not any(_is_true(entry.get(one)) for one in conditions)]
            sized = [(start.read(entry), entry.get(key)) for entry in plain]
            above = [{"above": at, "amount": amount} for at, amount in sized if at]
            if above:
                _append(found.tiers, own, tiers, owner, above)
            base_amounts = [amount for at, amount in sized if not at and amount is not None]
            if base_amounts:
                _append(found.columns, own, first, owner, base_amounts[0])
            for entry in held:
                told = [one for one in conditions if _is_true(entry.get(one))]
                if told and number(entry.get(key)) is not None:
                    where = f"{base}[?{quote_key(told[0])}]"
                    _append(found.conditional, (where, key), f"{where}.{name}", owner, entry[key])
    return True


def _read_tiers_by_end(path: Path, base: str, lists: list[_Listed], end: Size, found: ListedPrices) -> bool:
    """Read a list with an entry for each range of prompt sizes, of which only the upper end is stated.

    An entry begins where the one before it ends, and the last may have no end.
    """
    ordered = [_Listed(owner, sorted(held, key=lambda entry: end.read(entry) or math.inf)) for owner, held in lists]
    most = max(len(held) for _, held in ordered)
    keys = list(dict.fromkeys(key for _, held in ordered for entry in held for key in entry if key != end.steps[0]))
    table = read_table("fields.toml")["price"]
    texts = {*table["unit_keys"], *table["currency_keys"]}
    amounts = [key for key in keys if is_about_money((*path, key)) and _is_price_key(path, key)]
    ends = [[end.read(entry) for entry in held] for _, held in ordered]
    if (
        not amounts
        or not 1 < most <= _MAX_RANGES
        or any(len({*each}) < len(each) for each in ends)
        or any(key not in amounts and snake(key) not in texts for key in keys)
    ):
        return False
    size = end.expression
    in_order = f"[sort_by({base}[?{size}], &{size}), {base}[?!{size}]][]"
    for key in amounts:
        own, name = (*path, key), quote_key(key)
        above = ", ".join(f"{{above: [{at}].{size}, amount: [{at + 1}].{name}}}" for at in range(most - 1))
        for (owner, held), sizes in zip(ordered, ends, strict=True):
            found.add(own, f"({in_order} | [0].{name})", owner, held[0].get(key))
            tiers = [{"above": at, "amount": entry.get(key)} for at, entry in zip(sizes, held[1:], strict=False) if at]
            if tiers:
                _append(found.tiers, own, f"({in_order} | [{above}][?above])", owner, tiers)
    return True


def _is_price_key(path: Path, key: str) -> bool:
    name = price_name((*path, key))
    return bool(name.components) and "condition" not in name.meaning


def _is_true(value: Any) -> bool:
    return value is not None and value is not False and value not in ("", [], {})
