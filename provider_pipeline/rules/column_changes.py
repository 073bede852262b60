"""Which columns of how many models another rule would fill differently, with the first examples."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from provider_pipeline.rules.model_columns import PROVIDER_MODEL_COLUMNS
from provider_pipeline.rules.model_prices import flat_changes

EXAMPLES: Final = 3
_COMPARED: Final = tuple(column.name for column in PROVIDER_MODEL_COLUMNS if column.compared)
_BY_KEY: Final = ("capabilities", "metadata_json")


@dataclass
class ColumnChange:
    """One column, price (`prices.cache_read`), or key of another JSON column (`metadata_json.owned_by`).

    Attributes:
        column: Its name.
        differ: Models that would have another value.
        gained: Models that would have a value, and had none.
        lost: Models that would have none any more.
        examples: The first few: model, value before, value after; None is no value.
    """

    column: str
    differ: int = 0
    gained: int = 0
    lost: int = 0
    examples: list[tuple[str, Any, Any]] = field(default_factory=list)

    def add(self, model_id: str, was: Any, now: Any) -> None:
        """Count a model whose value differs."""
        self.gained += was is None
        self.lost += now is None
        self.differ += was is not None and now is not None
        if len(self.examples) < EXAMPLES:
            self.examples.append((model_id, was, now))

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        examples = [dict(zip(("model", "before", "after"), each, strict=True)) for each in self.examples]
        return {**vars(self), "examples": examples}


@dataclass(frozen=True)
class Differences:
    """What another rule would make of the same listing.

    Attributes:
        models: Models that both rules find.
        gone: Models that only the first one finds.
        new: Models that only the second one finds.
        columns: The columns with a difference, in the order of the table.
    """

    models: int
    gone: int
    new: int
    columns: tuple[ColumnChange, ...]

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return {**vars(self), "columns": [each.to_json() for each in self.columns]}


class RowDifferences:
    """Compares the rows of two rules page by page; a model's two rows must come in the same call."""

    def __init__(self) -> None:
        self._columns: dict[str, ColumnChange] = {}
        self._models = self._gone = self._new = 0

    def add(self, before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> None:
        """Compare the rows of one page."""
        old = {row["model_id"]: row for row in before}
        new = {row["model_id"]: row for row in after}
        self._gone += len(old.keys() - new.keys())
        self._new += len(new.keys() - old.keys())
        for model_id in (each for each in old if each in new):
            self._models += 1
            for name, was, now in _changed(old[model_id], new[model_id]):
                self._columns.setdefault(name, ColumnChange(name)).add(model_id, was, now)

    def differences(self) -> Differences:
        """The counts so far."""
        columns = sorted(
            self._columns.values(), key=lambda each: (_COMPARED.index(each.column.partition(".")[0]), each.column)
        )
        return Differences(self._models, self._gone, self._new, tuple(columns))


def _changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    pairs = {column: (old[column], new[column]) for column in _COMPARED if old[column] != new[column]}
    for column, (was, now) in flat_changes(pairs).items():
        if column not in _BY_KEY:
            yield column, was, now
            continue
        for key in sorted({*was, *now}):
            if was.get(key) != now.get(key):
                yield f"{column}.{key}", was.get(key), now.get(key)
