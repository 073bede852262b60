"""Creation times that say nothing: constants, zero, the time of the request.

Here: telling junk from dates, so that a field that changes by itself never makes a model look changed. Not here: which
field holds the creation time (`fieldmap.py`). Known constants are data (`data/fields.toml`).
"""

from collections import Counter
from typing import Any, Final

from provider_pipeline.rules.generation.shape import Column
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.values import number

_MILLISECONDS: Final = 1e11
_SECONDS_SPREAD: Final = 5
_COMMON_SHARE: Final = 0.5


def junk_reason(column: Column) -> str | None:  # noqa: PLR0911  # one return for each kind of junk reads best
    """Why the creation times say nothing about the models; None if they do.

    Unchanging junk would do no harm in the change hash, but constants are often the time of the request or of the
    server's start, which one sample cannot show.
    """
    amounts = [number(value) for value in column.values]
    numeric = [amount for amount in amounts if amount is not None]
    known: dict[str, str] = read_table("fields.toml")["junk"]["constants"]
    common, times = Counter(map(str, column.values)).most_common(1)[0]
    if numeric and all(amount == 0 for amount in numeric):
        return "zero"
    if common in known and times >= _COMMON_SHARE * len(column.values):
        return f"the constant of {known[common]}"
    if len(column.values) == 1:
        return (
            "a single model: a date cannot be told from the time of the request"
            if _is_number(column.values[0])
            else None
        )
    if times == len(column.values):
        return "constant"
    if len(column.values) >= 3 and times > _COMMON_SHARE * len(column.values):
        return "the same for most models"
    if len(numeric) == len(amounts):
        scale = 1000 if max(numeric) > _MILLISECONDS else 1
        if max(numeric) - min(numeric) <= _SECONDS_SPREAD * scale:
            return "all within seconds: the time of the request"
        if scale == 1000:
            return "milliseconds"
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
