"""Reading JSON at full speed.

Here: orjson, and the proofs that nothing was lost on what was read. Not here: which documents are accepted, and what is
said of the others (`documents`). The concept: orjson takes nothing that the strict parser refuses, but for what is
looked for here: keys given twice, of which it keeps one; integers of more than 64 bits, which it rounds; numbers too
small for a double, which it takes for zero; deep nesting. What it writes just as it was has lost nothing. Every proof
is linear in the bytes, whatever they are.
"""

import functools
import gc
import re
from contextlib import suppress
from typing import Any, Final

import orjson

_ALIKE: Final = bytes.maketrans(b"123456789E,[- \t\r\n", b"0" * 9 + b"e:::::::")
"""All digits are one then, and all that a number may come after."""
_LONG_INTEGER: Final = b":" + b"0" * 19
"""Integers of 18 digits fit into 64 bits, with any sign."""
_LONG_NUMBER: Final = b"0" * 200
_SMALL_NUMBER: Final = b"0e:000"
_SMALL_EXPONENT: Final = re.compile(rb"e-0*[1-9][0-9]{2,}(?:[\s,\]}]|\Z)", re.IGNORECASE)
"""With fewer than 200 digits, and 99 places to the right at the most, a number is not too small for a double."""
_SHORT: Final = 4096
_PIECE: Final = 64 * 1024
_ESCAPED_QUOTE: Final = b"\\u0022"
_MOST_LEVELS: Final = 10_000


class NotPlainError(ValueError):
    """This may be JSON and may be none; the strict parser has to tell."""


def read_plain(content: bytes, *, deepest: int) -> Any:
    """The document in a body, if it is plain JSON; then it is exactly what the strict parser reads.

    Args:
        content: The body, in UTF-8.
        deepest: How many levels of nesting are allowed.

    Raises:
        NotPlainError: It is not plain, or no JSON.
    """
    # In so many lists, a document that is too deep is too deep for orjson: that costs no walk through it.
    around = 0 if _is_shallow(content, deepest) else _levels_written() - deepest
    try:
        document = nested = orjson.loads(content)
        for _ in range(around):
            nested = [nested]
        written = orjson.dumps(nested)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError) as error:
        raise NotPlainError from error
    unchanged = len(written) == len(content) + 2 * around and written.startswith(content, around)
    if not unchanged and (has_odd_numbers(content) or written.count(b'"') != quotes_in(content)):
        raise NotPlainError
    return document


def _is_shallow(content: bytes, levels: int) -> bool:
    """Whether a short body cannot have more levels; False says nothing."""
    return len(content) <= _SHORT and content.count(b"[") + content.count(b"{") <= levels


def quotes_in(content: bytes) -> int:
    r"""How many quotes a document has, if each in its strings is written as `\"`, as orjson and json write it.

    A key that a reader dropped has taken its quotes with it.
    """
    quotes = content.count(b'"')
    if _ESCAPED_QUOTE in content:
        # Without the pairs of backslashes, which stand for one, each that is left begins an escape.
        quotes += content.replace(b"\\\\", b"").count(_ESCAPED_QUOTE)
    return quotes


def has_odd_numbers(content: bytes) -> bool:
    """Whether there may be an integer of more than 64 bits, or a number too small for a double; False is certain.

    Numbers in texts may count, but for those that a text begins with.
    """
    if content[:1].isdigit():  # nothing comes before it
        return True
    small = False
    # In pieces that overlap by what a number across two of them needs; memory for a whole copy costs more than reading.
    for start in range(0, len(content), _PIECE):
        alike = content[start : start + _PIECE + len(_LONG_NUMBER) - 1].translate(_ALIKE)
        if _LONG_INTEGER in alike or _LONG_NUMBER in alike:
            return True
        small = small or _SMALL_NUMBER in alike
    return small and _SMALL_EXPONENT.search(content) is not None


def is_deeper(document: Any, levels: int) -> bool:
    """Whether a parsed document has more levels of nesting than these."""
    level = [document]
    # The garbage collector tracks every list and dict, except perhaps a dict of scalars, which is a last level.
    for _ in range(levels - 1):
        level = list(filter(gc.is_tracked, gc.get_referents(*level)))
        if not level:
            return False
    return any(isinstance(each, (dict, list)) for each in gc.get_referents(*level))


@functools.cache
def _levels_written() -> int:
    """How many levels of nesting orjson writes; it refuses more."""
    nested: list[Any] = []
    levels = 0
    with suppress(orjson.JSONEncodeError):
        while levels < _MOST_LEVELS:
            orjson.dumps(nested)
            nested = [nested]
            levels += 1
    return levels
