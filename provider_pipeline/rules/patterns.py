"""RE2 patterns from rules: checked one by one, bounded together, and matched in one pass.

Here: what patterns amount to once they are compiled, and anchored, case-insensitive matching of many at a time. Not
here: what the patterns mean (`matching.py`). Only RE2 runs a pattern that comes from data: its time is linear in the
text whatever the pattern, but also in the size of the compiled program, which a few characters can make large.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import re2

from provider_pipeline.errors import InvalidRuleError
from provider_pipeline.rules.caching import SizedCache

MAX_PATTERN_LENGTH: Final = 2_000
MAX_PROGRAM: Final = 40_000
"""RE2 instructions of all different patterns of a rule together; those that are shipped make about half of that."""
MAX_UNICODE_CLASSES: Final = 100
"""Unicode classes in all different patterns of a rule together: RE2 takes half a millisecond to read one."""
_MAX_MEMORY: Final = 4 << 20
_SET_MEMORY: Final = 1 << 20
_SET_MEMORY_PER_INSTRUCTION: Final = 200
"""Memory of a set; with less than a few dozen bytes for each instruction RE2 finds nothing, and does not say so."""
_CACHED_CHARACTERS: Final = 2_000_000


def _options(memory: int) -> Any:
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    options.never_capture = True
    options.max_mem = memory
    return options


_PROGRAMS: Final = SizedCache[str, int](_CACHED_CHARACTERS)
"""Only sizes are kept of patterns that were compiled to be checked: what matches is the set of them all."""


def program_size(pattern: str) -> int:
    """The instructions of the compiled pattern, or the steps between them where those are more.

    Raises:
        InvalidRuleError: RE2 does not take the pattern, or it is too large.
    """
    size = _PROGRAMS.get(pattern)
    if size is None:
        program = _compile(pattern)
        # An instruction that many others follow at once costs as much as these: `a?` a thousand times over.
        steps = sum(count << power for power, count in enumerate(program.programfanout))
        size = max(program.programsize, steps)
        _PROGRAMS.put(pattern, size, len(pattern) + 100)
    return size


def require_small_programs(patterns: Iterable[str]) -> None:
    """Refuse patterns that are too large together, as soon as they are.

    Raises:
        InvalidRuleError: They are, or RE2 does not take one of them.
    """
    total = classes = 0
    for pattern in patterns:
        classes += pattern.count("\\p") + pattern.count("\\P")
        if classes > MAX_UNICODE_CLASSES:
            raise InvalidRuleError(
                f"the patterns have more than {MAX_UNICODE_CLASSES} Unicode classes such as \\pL together"
            )
        total += program_size(pattern)
        if total > MAX_PROGRAM:
            raise InvalidRuleError(
                f"the patterns have more than {MAX_PROGRAM} RE2 instructions together; "
                "write fewer, or without counted repetitions such as x{100}"
            )


def _compile(pattern: str) -> Any:
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

    Attributes:
        memory: Bytes that it may take.

    Raises:
        InvalidRuleError: A pattern does not compile, or all together are too large.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._set: Any = None
        self.memory = _SET_MEMORY + _SET_MEMORY_PER_INSTRUCTION * sum(map(program_size, patterns))
        if patterns:
            self._set = re2.Set.FullMatchSet(_options(self.memory))
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
