"""Issues of a rule or a listing, written for an operator, their guards, and escaping of text from outside.

It imports nothing of the project, because the command line's help needs the guards' names alone.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final, Literal

_BREAKS: Final = "\t\n\x0b\x0c\r\x1c-\x1e\x85\u2028\u2029"
# What moves the cursor, starts a line or reorders text: C0 (escape sequences), DEL, C1, line and paragraph separators,
# bidirectional controls, and lone surrogates, which no terminal takes; and characters that cannot be seen.
_OTHERS: Final = (
    "\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e007f"  # letters that programs read but people cannot see
)
# Joiners make one sign of two, in emoji and in scripts such as Persian; beside ASCII they only hide.
_STRAY_JOINER: Final = re.compile(r"(?<![^\x00-\x7f])[\u200c\u200d]+|[\u200c\u200d]+(?![^\x00-\x7f])")
_BREAK: Final = re.compile(f"[{_BREAKS}]+")
_CONTROL: Final = re.compile(f"[{_OTHERS}{_BREAKS}]")
_CONTROL_OF_PROSE: Final = re.compile(f"(?![\t\n])[{_OTHERS}{_BREAKS}]")


def escaped(text: str) -> str:
    """The text as one line that is safe to show anywhere, with control characters as Python escapes."""
    return text if text.isprintable() else _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)


def one_line(text: str) -> str:
    """The text with line breaks as spaces and without control and invisible characters."""
    if text.isprintable():
        return text
    return _STRAY_JOINER.sub("", _CONTROL.sub("", _BREAK.sub(" ", text))).strip()


def prose(text: str) -> str:
    """The text without control characters other than tabs and newlines."""
    return text if text.isprintable() else _CONTROL_OF_PROSE.sub("", text)


def has_controls(text: str) -> bool:
    """Whether the text holds any control character."""
    return not text.isprintable() and _CONTROL.search(text) is not None


def code_span(text: str) -> str:
    """A Markdown code span of any text, safe in a table cell."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    space = " " if longest else ""
    escaped = text.replace("|", "\\|")
    return f"{fence}{space}{escaped}{space}{fence}"


Severity = Literal["error", "warning", "info"]
SAMPLE_SIZE: Final = 5
REGENERATE: Final = "The listing's shape has probably changed: regenerate the rule from a fresh sample."
"""What an operator should do when a rule no longer fits."""
SHAPE_GREW: Final = "shape_grew"
"""Type of the issue that requests a rule for additions to an accepted listing."""
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
        kind: The problem in snake_case, by which operators filter.
        severity: Only `error` makes the listing invalid.
        message: One sentence: the expected and the actual state.
        expected: The bound or form.
        actual: The actual value.
        sample: Offenders; only the first few are kept.
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
    """A value from outside, shortened, and safe to print and to store as JSON."""
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


GUARDS: Final[Mapping[str, frozenset[str]]] = {
    "shrink": frozenset({"listing_shrunk"}),
    "growth": frozenset({"listing_grew"}),
    "turnover": frozenset({"listing_turned_over", "id_form_changed"}),
    "prices": frozenset({"prices_jumped", "prices_moved"}),
    "limits": frozenset({"limits_shrank", "limits_moved"}),
    "fields": frozenset({"field_vanished", "one_value_for_all"}),
}
"""Guards by the name a person accepts them under, each with the issue types it raises."""

PLAUSIBILITY_ISSUES: Final = frozenset().union(*GUARDS.values())
"""Issue types that only a comparison with accepted listings raises."""


def remedy(guard: str, threshold: str) -> str:
    """How a person lets listings pass a guard, once or always."""
    return f"accept it once (--accept {guard} --reason WHY), or set the provider's threshold {threshold}"


def blocking_guards(issues: Iterable[Mapping[str, Any]]) -> list[str]:
    """The guards that alone block the listing; empty if another error would block it too."""
    errors = {issue["type"] for issue in issues if issue["severity"] == "error"}
    return [name for name, kinds in GUARDS.items() if kinds & errors] if errors <= PLAUSIBILITY_ISSUES else []


def accepted_by_hand(issues: Iterable[dict[str, Any]], guards: Collection[str]) -> list[dict[str, Any]]:
    """The issues, with the errors of accepted guards turned into warnings that say so."""
    taken = frozenset().union(*(GUARDS[guard] for guard in guards))
    return [
        {**entry, "severity": "warning", "recovery": "Accepted by hand."}
        if entry["type"] in taken and entry["severity"] == "error"
        else entry
        for entry in issues
    ]
