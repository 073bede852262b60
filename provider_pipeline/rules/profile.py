"""The profile: what an extraction looks like as a whole, in bounded space.

Here: counts, fill rates and distributions, built row by row. Not here: comparing a listing with an earlier profile
(`plausibility.py`). Which models are the same ones is told by their rows (`history.py`), never by profiles.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from provider_pipeline.errors import ConfigurationError
from provider_pipeline.rules.model_columns import LIMIT_COLUMNS, PRICE_COLUMNS
from provider_pipeline.rules.rows import ROW_COLUMNS

DISTINCT_CAP: Final = 16
NUMERIC: Final = (*LIMIT_COLUMNS, *PRICE_COLUMNS)
_TEXTUAL: Final = ("display_name", "input_modalities", "output_modalities")
FILLED: Final = (*_TEXTUAL, *NUMERIC)
_EMPTY_ROW: Final[Mapping[str, Any]] = dict.fromkeys(ROW_COLUMNS)


class Profile(BaseModel):
    """What a whole extraction looks like. Equal listings have equal profiles, whatever their order.

    Attributes:
        count: Rows.
        listed: Models that counted as listed once the listing was accepted: the rows, and known models whose items were
            refused.
        with_slash: Ids with an owner before a slash.
        filled: Rows with a value, by column.
        distinct: Different numbers, up to `DISTINCT_CAP`, by column.
        capabilities: Rows that have it, by capability.
        covered: Rows with any capability.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    count: int = 0
    listed: int = 0
    with_slash: int = 0
    filled: dict[str, int] = Field(default_factory=dict)
    distinct: dict[str, int] = Field(default_factory=dict)
    capabilities: dict[str, int] = Field(default_factory=dict)
    covered: int = 0

    @classmethod
    def of_rows(cls, rows: Iterable[Mapping[str, Any]]) -> "Profile":
        """The profile of rows held in memory."""
        builder = ProfileBuilder()
        builder.add([row if len(row) >= len(ROW_COLUMNS) else {**_EMPTY_ROW, **row} for row in rows])
        return builder.profile()

    def to_json(self) -> dict[str, Any]:
        """The profile as plain JSON."""
        return self.model_dump(mode="json")

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Profile":
        """The profile a document of `to_json` holds.

        Raises:
            ConfigurationError: The document is no profile.
        """
        try:
            return cls.model_validate({"listed": document.get("count", 0), **document})
        except ValidationError as error:
            raise ConfigurationError(f"not a stored profile: {error.errors(include_url=False)[0]['msg']}") from error

    def fill_rate(self, column: str) -> float:
        """The share of the models that have a value in the column."""
        return self.filled.get(column, 0) / self.count if self.count else 0.0


class ProfileBuilder:
    """Builds a profile page by page."""

    def __init__(self) -> None:
        self._count = self._with_slash = 0
        self._filled: Counter[str] = Counter()
        self._combinations: Counter[tuple[tuple[str, ...], tuple[bool, ...]]] = Counter()
        self._numbers: list[tuple[str, set[float]]] = [(column, set()) for column in NUMERIC]

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Count some rows, column by column."""
        self._count += len(rows)
        self._with_slash += sum("/" in str(row["model_id"]) for row in rows)
        for column in _TEXTUAL:
            self._fill(column, len(rows) - [row[column] for row in rows].count(None))
        for column, distinct in self._numbers:
            values = [value for row in rows if (value := row[column]) is not None]
            self._fill(column, len(values))
            for value in values:
                if len(distinct) == DISTINCT_CAP:
                    break
                if type(value) is int or type(value) is float:
                    distinct.add(value)
        held = [row["capabilities"] or {} for row in rows]
        self._combinations.update([(tuple(capabilities), tuple(capabilities.values())) for capabilities in held])

    def _fill(self, column: str, count: int) -> None:
        if count:
            self._filled[column] += count

    def profile(self) -> Profile:
        """The profile of the rows so far."""
        capabilities: Counter[str] = Counter()
        covered = 0
        for (names, states), count in self._combinations.items():
            held = [capability for capability, has in zip(names, states, strict=True) if has]
            covered += count if held else 0
            capabilities.update(dict.fromkeys(held, count))
        return Profile(
            count=self._count,
            listed=self._count,
            with_slash=self._with_slash,
            filled=dict(sorted(self._filled.items())),
            distinct={column: len(values) for column, values in self._numbers if values},
            capabilities=dict(sorted(capabilities.items())),
            covered=covered,
        )
