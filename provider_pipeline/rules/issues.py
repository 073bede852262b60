"""Issues: what is wrong with a rule or a listing, said so that an operator can act on it.

Here: the one shape of an issue. Not here: the checks that raise them (`judge.py`, `plausibility.py`, `generation/`).
"""

from collections.abc import Iterable
from typing import Any, Final, Literal

from provider_pipeline.rules.controls import escaped

Severity = Literal["error", "warning", "info"]
SAMPLE_SIZE: Final = 5
_TEXT_SIZE: Final = 120


def issue(
    kind: str,
    severity: Severity,
    message: str,
    *,
    expected: Any = None,
    actual: Any = None,
    sample: Iterable[Any] = (),
    recovery: str = "",
) -> dict[str, Any]:
    """One issue as plain JSON.

    Args:
        kind: What went wrong, in snake_case: the name operators filter by.
        severity: `error` makes the listing invalid; `warning` and `info` do not.
        message: One sentence: what was expected and what came.
        expected: The bound or form that was expected.
        actual: What came instead.
        sample: The first few offenders; capped.
        recovery: What an operator should do.
    """
    return {
        "type": kind,
        "severity": severity,
        "message": message,
        "expected": shown(expected),
        "actual": shown(actual),
        "sample": [shown(entry) for _, entry in zip(range(SAMPLE_SIZE), sample, strict=False)],
        "recovery": recovery,
    }


def shown(value: Any, depth: int = 3) -> Any:  # noqa: PLR0911  # one return for each JSON type
    """A value from outside, short and safe to print and to store as JSON."""
    if depth == 0 and isinstance(value, (list, tuple, dict)):
        return "..."
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**53 else f"an integer of {value.bit_length()} bits"
    if isinstance(value, float):
        return value if value - value == 0 else str(value)
    if isinstance(value, (list, tuple)):
        return [shown(entry, depth - 1) for entry in value[:SAMPLE_SIZE]]
    if isinstance(value, dict):
        return {str(shown(str(key))): shown(entry, depth - 1) for key, entry in list(value.items())[:SAMPLE_SIZE]}
    text = str(value)
    return escaped(text if len(text) <= _TEXT_SIZE else text[: _TEXT_SIZE - 3] + "...")
