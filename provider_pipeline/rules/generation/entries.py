"""Lists of named entries inside an item, such as `[{"type": "input", "price": 0.5}, {"type": "output", "price": 2}]`.

Here: each entry's values with the path and the JMESPath by which a rule reads them. Not here: what they mean
(`fieldmap.py`, `prices.py`). The names of labels are data (`data/fields.toml`).
"""

from collections.abc import Iterator
from typing import Any, Final

from provider_pipeline.rules.generation.words import Path, snake, words_of
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.language import literal, quote_key
from provider_pipeline.rules.units import number

_MAX_ENTRIES: Final = 40
_MAX_LABEL: Final = 80
_MAX_NESTING: Final = 2

Entry = tuple[Path, str, Any]
"""The path of a value, the JMESPath that reads it from the item, and the value."""


def named_entries(elements: list[Any], path: Path, base: str, nesting: int = 0) -> Iterator[Entry]:
    """The values of the entries that a label tells apart: properties with a `value`, and prices.

    Args:
        elements: The list.
        path: Keys from the item to the list.
        base: JMESPath from the item to the list.
        nesting: How many such lists this one is inside of.
    """
    entries = [element for element in elements[:_MAX_ENTRIES] if isinstance(element, dict)]
    label = _label(entries)
    if label is None:
        return
    for entry in entries:
        text = entry[label]
        here, chosen = (*path, text), f"{base}[?{quote_key(label)} == {literal(text)}]"
        if "value" in entry:
            value, lookup = entry["value"], f"({chosen}.value | [0])"
            if isinstance(value, list) and nesting < _MAX_NESTING:
                yield from named_entries(value, here, lookup, nesting + 1)
            elif not isinstance(value, (list, dict, type(None))):
                yield here, lookup, value
        else:
            yield from _prices(entry, label, here, chosen)


def _label(entries: list[dict[str, Any]]) -> str | None:
    """The key whose texts tell the entries apart."""
    for key in read_table("fields.toml")["entries"]["labels"]:
        texts = [entry.get(key) for entry in entries]
        named = texts and all(isinstance(text, str) and 0 < len(text) <= _MAX_LABEL for text in texts)
        if named and len(set(texts)) == len(texts):
            return str(key)
    return None


def _prices(entry: dict[str, Any], label: str, path: Path, chosen: str) -> Iterator[Entry]:
    """The numbers of an entry that speaks of money, with the texts that say what they mean."""
    table = read_table("fields.toml")["price"]
    money, texts = set(table["money"]), {*table["unit_keys"], *table["currency_keys"]}
    known = bool(money & {word for key in path for word in words_of(key)})
    for key, value in entry.items():
        told = snake(key) in texts and isinstance(value, str)
        amount = key != label and number(value) is not None and (known or bool(money & set(words_of(key))))
        if told or amount:
            yield (*path, key), f"({chosen}.{quote_key(key)} | [0])", value
