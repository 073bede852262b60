"""RE2 patterns from rules: compiled one by one to be checked, and together to be matched.

Here: anchored, case-insensitive matching of many patterns in one pass. Not here: what the patterns mean
(`matching.py`). Only RE2 runs a pattern that comes from data: its time is linear in the text whatever the pattern.
"""

import functools
from collections.abc import Sequence
from typing import Any, Final

import re2

from provider_pipeline.errors import InvalidRuleError

MAX_PATTERN_LENGTH: Final = 2_000
_MAX_MEMORY: Final = 4 << 20
_SET_MEMORY: Final = 16 << 20


def _options(memory: int) -> Any:
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    options.never_capture = True
    options.max_mem = memory
    return options


@functools.lru_cache(maxsize=8192)
def compile_pattern(pattern: str) -> Any:
    """The compiled pattern.

    Raises:
        InvalidRuleError: RE2 does not take the pattern, or it is too large.
    """
    shown = pattern if len(pattern) <= 80 else pattern[:77] + "..."
    if len(pattern) > MAX_PATTERN_LENGTH:
        raise InvalidRuleError(
            f"pattern of {len(pattern)} characters; at most {MAX_PATTERN_LENGTH} are read: {shown!r}"
        )
    try:
        return re2.compile(pattern, options=_options(_MAX_MEMORY))
    except (re2.error, UnicodeError) as error:
        reason = error.args[0] if error.args else "not understood"
        reason = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise InvalidRuleError(f"not an RE2 pattern: {shown!r}: {' '.join(reason.split())}") from error


def parse_pattern(text: str) -> tuple[bool | None, str]:
    """A rule's pattern as what it decides and the RE2 pattern itself.

    A leading `!` decides that the model does not have the capability, a leading `?` that it stays unknown.
    """
    if text.startswith("!"):
        return False, text[1:]
    if text.startswith("?"):
        return None, text[1:]
    return True, text


class PatternSet:
    """Many patterns, matched against a whole text in one pass.

    Raises:
        InvalidRuleError: A pattern does not compile, or all together are too large.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._count = len(patterns)
        self._set: Any = None
        if patterns:
            self._set = re2.Set.FullMatchSet(_options(_SET_MEMORY))
            try:
                for pattern in patterns:
                    self._set.Add(pattern)
                self._set.Compile()
            except re2.error as error:
                raise InvalidRuleError(f"the {len(patterns)} patterns of the rule are too large together") from error

    def matches(self, text: str) -> list[int]:
        """The positions of the patterns that match the whole text."""
        if self._set is None:
            return []
        found: list[int] | None = self._set.Match(text.encode("utf-8", "replace"))
        return found or []
