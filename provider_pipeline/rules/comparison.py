"""Compares two rules' rows of the same models: values that agree, differ, are lost or gained, by column.

Rows are only counted, page by page. `RowComparer` serves the gates (`sync/repair/promotion.py`), `RowDifferences`
people.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from provider_pipeline.rules.issues import SAMPLE_SIZE
from provider_pipeline.rules.model_columns import PROVIDER_MODEL_COLUMNS
from provider_pipeline.rules.model_prices import flat_changes
from provider_pipeline.rules.rows import FILLED

COMPARED_FIELDS: Final = FILLED
"""Columns compared one by one; capabilities are compared besides."""
EXAMPLES: Final = 3
_COMPARED: Final = tuple(column.name for column in PROVIDER_MODEL_COLUMNS if column.compared)
_BY_KEY: Final = ("capabilities", "metadata_json")


@dataclass(frozen=True)
class FieldComparison:
    """Counts of models in both extractions, for one field.

    Attributes:
        agree: Both have the same value.
        differ: Both have a value, and the values differ.
        lost: Only the first has a value.
        gained: Only the second has a value.
        sample: The first few differences and losses, as `model: before -> after`.
    """

    agree: int = 0
    differ: int = 0
    lost: int = 0
    gained: int = 0
    sample: tuple[str, ...] = ()

    @property
    def known_before(self) -> int:
        """Models with a value in the first extraction."""
        return self.agree + self.differ + self.lost

    @property
    def known_after(self) -> int:
        """Models with a value in the second extraction."""
        return self.agree + self.differ + self.gained

    @property
    def contradictions(self) -> float:
        """Share of differing values where both have one; 0 if both never do."""
        both = self.agree + self.differ
        return self.differ / both if both else 0.0

    @property
    def losses(self) -> float:
        """Share of the first extraction's values that the second lacks."""
        return self.lost / self.known_before if self.known_before else 0.0

    @property
    def kept(self) -> float:
        """Share of the first extraction's values that the second has too; 1 if it had none."""
        return self.agree / self.known_before if self.known_before else 1.0

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return {**vars(self), "sample": list(self.sample)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "FieldComparison":
        """The inverse of `to_json`."""
        return cls(**{**document, "sample": tuple(document["sample"])})


@dataclass(frozen=True)
class Comparison:
    """Two extractions of the same models.

    Attributes:
        before: Models of the first.
        after: Models of the second.
        shared: Models of both.
        gone: The first few ids that only the first has.
        new: The first few ids that only the second has.
        fields: By column, over the shared models.
        capabilities: Over all pairs of a shared model and a capability known to either.
    """

    before: int
    after: int
    shared: int
    gone: tuple[str, ...]
    new: tuple[str, ...]
    fields: Mapping[str, FieldComparison]
    capabilities: FieldComparison

    def without(self, columns: Iterable[str]) -> "Comparison":
        """The same without the counts of some columns."""
        nothing = {name: FieldComparison() for name in columns if name in self.fields}
        return replace(self, fields={**self.fields, **nothing})

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return {
            **vars(self),
            "gone": list(self.gone),
            "new": list(self.new),
            "fields": {name: each.to_json() for name, each in self.fields.items()},
            "capabilities": self.capabilities.to_json(),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Comparison":
        """The inverse of `to_json`."""
        return cls(
            **{name: document[name] for name in ("before", "after", "shared")},
            gone=tuple(document["gone"]),
            new=tuple(document["new"]),
            fields={name: FieldComparison.from_json(each) for name, each in document["fields"].items()},
            capabilities=FieldComparison.from_json(document["capabilities"]),
        )


@dataclass
class _Count:
    agree: int = 0
    differ: int = 0
    lost: int = 0
    gained: int = 0
    sample: list[str] = field(default_factory=list)

    def add(self, name: str, was: Any, now: Any) -> None:
        if was is None and now is None:
            return
        if was is None:
            self.gained += 1
        elif was == now:
            self.agree += 1
        else:
            self.lost += now is None
            self.differ += now is not None
            if len(self.sample) < SAMPLE_SIZE:
                self.sample.append(f"{name}: {was} -> {now}")

    def done(self) -> FieldComparison:
        return FieldComparison(self.agree, self.differ, self.lost, self.gained, tuple(self.sample))


class RowComparer:
    """Compares rows page by page. Not thread-safe."""

    def __init__(self) -> None:
        self._fields = {name: _Count() for name in COMPARED_FIELDS}
        self._capabilities = _Count()
        self._before = self._after = self._shared = 0
        self._gone: list[str] = []
        self._new: list[str] = []

    def add(self, before: Iterable[Mapping[str, Any]], after: Iterable[Mapping[str, Any]]) -> None:
        """Compare the rows of one page; a model's two rows must come in the same call."""
        old = {row["model_id"]: row for row in before}
        new = {row["model_id"]: row for row in after}
        self._before += len(old)
        self._after += len(new)
        _sample(self._gone, (model_id for model_id in old if model_id not in new))
        _sample(self._new, (model_id for model_id in new if model_id not in old))
        for model_id, was in old.items():
            now = new.get(model_id)
            if now is None:
                continue
            self._shared += 1
            for column, count in self._fields.items():
                count.add(model_id, _plain(was[column]), _plain(now[column]))
            for capability in was["capabilities"].keys() | now["capabilities"].keys():
                name = f"{model_id} {capability}"
                self._capabilities.add(name, was["capabilities"].get(capability), now["capabilities"].get(capability))

    def comparison(self) -> Comparison:
        """The counts so far."""
        return Comparison(
            self._before,
            self._after,
            self._shared,
            tuple(self._gone),
            tuple(self._new),
            {name: count.done() for name, count in self._fields.items()},
            self._capabilities.done(),
        )


def _sample(sample: list[str], ids: Iterable[str]) -> None:
    for model_id in ids:
        if len(sample) >= SAMPLE_SIZE:
            return
        sample.append(model_id)


def _plain(value: Any) -> Any:
    """A Decimal from the database as a float, the type of a rule's numbers."""
    return value if value is None or isinstance(value, (str, int, list)) else float(value)


@dataclass
class ColumnChange:
    """One column, price (`prices.cache_read`), or key of another JSON column (`metadata_json.owned_by`).

    Attributes:
        column: Its name.
        differ: Models that would have another value.
        gained: Models that would gain a value.
        lost: Models that would lose their value.
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
    """Effects of another rule on the same listing.

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
