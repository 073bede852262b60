"""Where the entries of a list of prices say for which sizes of the prompt they hold."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.language import quote_key, snake
from provider_pipeline.rules.values import number

_PAIR: Final = 2
_SOME_TIME: Final = 1_000_000_000
"""From here on, a number is rather the seconds since 1970 than tokens of a prompt."""


class Size(NamedTuple):
    """Location of the prompt size in an entry: its JMESPath, and the path's steps."""

    expression: str
    steps: tuple[str | int, ...]

    def read(self, entry: Any) -> float | None:
        """The size in an entry."""
        for step in self.steps:
            try:
                entry = entry[step]
            except (KeyError, IndexError, TypeError):
                return None
        return number(entry)


def size_in(entries: list[dict[str, Any]], kind: str) -> Size | None:
    """Location of the entries' lower or upper prompt size."""
    found = (size for size in _possible_sizes(entries, kind) if _are_sizes([size.read(entry) for entry in entries]))
    return next(found, None)


def _possible_sizes(entries: list[dict[str, Any]], kind: str) -> Iterator[Size]:
    table = read_table("prices.toml")["tiers"]
    for key in dict.fromkeys(key for entry in entries for key in entry):
        held = [entry.get(key) for entry in entries]
        if snake(key) in table[kind]:
            yield Size(quote_key(key), (key,))
        if snake(key) in table["range"] and all(isinstance(each, list) and len(each) == _PAIR for each in held):
            place = int(kind == "to")
            yield Size(f"{quote_key(key)}[{place}]", (key, place))
        if snake(key) in table["inside"]:
            for inner in dict.fromkeys(inner for each in held if isinstance(each, dict) for inner in each):
                if snake(inner) in table[kind]:
                    yield Size(f"{quote_key(key)}.{quote_key(inner)}", (key, inner))


def _are_sizes(values: list[float | None]) -> bool:
    sizes = [value for value in values if value is not None]
    return all(size.is_integer() and (size == 0 or 1_000 <= size < _SOME_TIME) for size in sizes) and any(sizes)
