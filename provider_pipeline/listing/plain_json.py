"""Reading plain JSON at full speed.

Here: orjson, and the proof that nothing was lost on what it has read. Not here: which documents are accepted, and what
is said of the others (`documents`). The concept: orjson takes nothing that the strict parser refuses, but for what is
looked for here: keys given twice, of which it keeps one; integers of more than 64 bits, which it rounds; deep nesting.
What it writes just as it was has lost neither.
"""

import gc
from typing import Any, Final

import orjson

_DIGITS_AS_ZEROS: Final = bytes.maketrans(b"123456789", b"0" * 9)
_LONG_NUMBER: Final = b"0" * 19
"""Integers of 18 digits fit into 64 bits, with any sign."""
_PIECE: Final = 64 * 1024
_ESCAPED_QUOTE: Final = b"\\u0022"


class NotPlainError(ValueError):
    """This may be JSON and may be none; the strict parser has to tell."""


def read_plain(content: bytes, *, deepest: int) -> Any:
    """The document in a body, if it is plain JSON; then it is exactly what the strict parser reads.

    Args:
        content: The body.
        deepest: How many levels of nesting are allowed; a document that has them all need not be plain.

    Raises:
        NotPlainError: It is not plain, or no JSON.
    """
    try:
        document = orjson.loads(content)
        written = orjson.dumps(document)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError) as error:
        raise NotPlainError from error
    if (written != content and _may_have_lost(content, written)) or _may_be_deeper(document, deepest):
        raise NotPlainError
    return document


def _may_have_lost(content: bytes, written: bytes) -> bool:
    # A key that was dropped has taken its quotes with it.
    return _ESCAPED_QUOTE in content or _holds_long_number(content) or written.count(b'"') != content.count(b'"')


def _holds_long_number(content: bytes) -> bool:
    # In pieces that overlap by what a number across two of them needs; memory for a whole copy costs more than reading.
    pieces = (content[start : start + _PIECE + len(_LONG_NUMBER) - 1] for start in range(0, len(content), _PIECE))
    return any(_LONG_NUMBER in piece.translate(_DIGITS_AS_ZEROS) for piece in pieces)


def _may_be_deeper(document: Any, levels: int) -> bool:
    """Whether nothing rules out that there are more levels; False is certain."""
    level = [document]
    # The garbage collector tracks every list and dict, except perhaps a dict of scalars, which would be the last level.
    for _ in range(levels - 1):
        level = list(filter(gc.is_tracked, gc.get_referents(*level)))
        if not level:
            return False
    return True
