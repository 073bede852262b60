"""RE2 patterns from rules: checked one by one, bounded together, matched in one anchored, case-insensitive pass.

Patterns from data run on RE2 only. Its time is linear in the text, but also in the size of the compiled program, and a
few characters can make that large.
"""

import functools
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import re2

from provider_pipeline.errors import InvalidRuleError
from provider_pipeline.rules.limits import SizedCache

MAX_PATTERN_LENGTH: Final = 2_000
MAX_PATTERN_TEXT: Final = 150_000
"""Characters of all distinct patterns of a rule."""
MAX_REPEATED_PATTERN_TEXT: Final = 1_000_000
"""The same, counting a pattern once for each capability that has it."""
MAX_PROGRAM: Final = 40_000
"""RE2 instructions of all distinct patterns of a rule; the shipped set makes about half of that."""
MAX_UNICODE_CLASSES: Final = 100
"""Unicode classes in all distinct patterns of a rule: RE2 needs half a millisecond to parse one."""
_MAX_MEMORY: Final = 4 << 20
_SET_MEMORY: Final = 8 << 20
"""With less, RE2 forgets the shipped set's states and builds them anew: names take 30 times as long."""
_SET_MEMORY_PER_INSTRUCTION: Final = 200
"""With less than a few dozen bytes per instruction, an RE2 set silently matches nothing."""
_CACHED_CHARACTERS: Final = 2_000_000
_NO_LEAST: Final = re.compile(r"(?<!\\)\{,(\d+)\}")
"""A repetition in Python's `re`; RE2 reads it as literal text, which no id contains."""


def _options(memory: int) -> Any:
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    options.never_capture = True
    options.max_mem = memory
    return options


_PROGRAMS: Final = SizedCache[str, int](_CACHED_CHARACTERS)
"""Sizes of checked patterns; matching compiles sets of them separately."""


def program_size(pattern: str) -> int:
    """The instructions of the compiled pattern, or the edges between them if those are more.

    Raises:
        InvalidRuleError: RE2 rejects the pattern, or it is too large.
    """
    size = _PROGRAMS.get(pattern)
    if size is None:
        program = _compile(pattern)
        # An instruction with many successors costs as much as these do: `a?` a thousand times over.
        steps = sum(count << power for power, count in enumerate(program.programfanout))
        size = max(program.programsize, steps)
        _PROGRAMS.put(pattern, size, len(pattern) + 100)
    return size


def require_small_programs(patterns: Iterable[str]) -> None:
    """Refuse patterns that are too large together; stops compiling at the first one too many.

    Raises:
        InvalidRuleError: They are too large, or RE2 rejects one.
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


@functools.lru_cache(maxsize=32)
def require_small_patterns(texts: tuple[tuple[str, ...], ...]) -> None:
    """Refuse patterns that are too large together.

    Cached, because rules written by one version of the generator share nearly all of their thousands of patterns.
    """
    repeated = sum(len(text) + 1 for each in texts for text in each)
    if repeated > MAX_REPEATED_PATTERN_TEXT:
        raise ValueError(
            f"the patterns of all capabilities have {repeated} characters; at most {MAX_REPEATED_PATTERN_TEXT} are read"
        )
    different = dict.fromkeys(text for each in texts for text in each)
    size = sum(map(len, different))
    if size > MAX_PATTERN_TEXT:
        raise ValueError(f"the patterns have {size} characters together; at most {MAX_PATTERN_TEXT} are read")
    try:
        require_small_programs(dict.fromkeys(parse_pattern(text)[1] for text in different))
    except InvalidRuleError as error:
        raise ValueError(error.message) from error


def _compile(pattern: str) -> Any:
    shown = pattern if len(pattern) <= 80 else pattern[:77] + "..."
    if len(pattern) > MAX_PATTERN_LENGTH:
        raise InvalidRuleError(
            f"pattern of {len(pattern)} characters; at most {MAX_PATTERN_LENGTH} are read: {shown!r}"
        )
    if repeated := _NO_LEAST.search(pattern):
        raise InvalidRuleError(f"{repeated[0]} is text to RE2, no repetition: write {{0,{repeated[1]}}} in {shown!r}")
    try:
        return re2.compile(pattern, options=_options(_MAX_MEMORY))
    except (re2.error, UnicodeError) as error:
        reason = error.args[0] if error.args else "not understood"
        reason = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise InvalidRuleError(f"not an RE2 pattern: {shown!r}: {' '.join(reason.split())}") from error


def parse_pattern(text: str) -> tuple[bool | None, str]:
    """Split a rule's pattern into its decision (False with a leading `!`, None with `?`) and the RE2 pattern."""
    if text.startswith("!"):
        return False, text[1:]
    if text.startswith("?"):
        return None, text[1:]
    return True, text


class RegexSet:
    """Many patterns, matched against a whole text in one pass.

    Attributes:
        instructions: RE2 instructions of all patterns; a name's time grows with these times its length.
        memory: Upper bound in bytes.

    Raises:
        InvalidRuleError: A pattern does not compile, or all together are too large.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._set: Any = None
        self._patterns = patterns
        self.instructions = sum(map(program_size, patterns))
        self.memory = _SET_MEMORY + _SET_MEMORY_PER_INSTRUCTION * self.instructions
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

    def path_matches(self, path: str, known: Sequence[int]) -> list[int]:
        """The patterns that match a path, but not only its owner, as `falcon.*` does in `falcons/...`.

        Args:
            path: The text; without a slash, this is `matches`.
            known: Positions that need no check, as they match the name by itself.
        """
        found = self.matches(path)
        name = path.rpartition("/")[2]
        doubtful = {each for each in found if "/" not in self._patterns[each]}.difference(known)
        if name != path and doubtful:
            doubtful.difference_update(self.matches(name))
            return [each for each in found if each not in doubtful]
        return found
