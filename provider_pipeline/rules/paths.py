"""The paths a rule may request: below the provider's base URL, and impossible to read as any other path."""

import re
from typing import Annotated, Final
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, Field

# Escapes that a server or proxy may decode once more before routing: dot, slash, backslash, percent, ?, #, ;.
_ENCODED: Final = re.compile(r"%(?:2[ef35]|3[bf]|5c)", re.IGNORECASE)
_BROKEN_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


def checked_path(path: str) -> str:
    """The path, which may hold a query, if it can only be read as one below the base URL.

    Raises:
        ValueError: The reason, as the end of a sentence that begins with the path.
    """
    own, _, query = path.partition("?")
    if path.startswith("//") or urlsplit(path).scheme:
        raise ValueError("is not a path below the base URL: expected one such as /v1/models")
    if not path.isprintable() or "\\" in path or "#" in path:
        raise ValueError("holds a backslash, a fragment or a control character")
    if _BROKEN_ESCAPE.search(path):
        raise ValueError("holds a % that does not begin an escape such as %20")
    if escape := _ENCODED.search(own):
        raise ValueError(f"holds the escape {escape[0]}, which servers may decode into another path")
    for part in (own, query):
        try:
            decoded = unquote(part, errors="strict")
        except UnicodeDecodeError as error:
            raise ValueError("holds escapes that are not UTF-8") from error
        if not decoded.isprintable():
            raise ValueError("holds an escaped control character")
    if has_dot_segments(own):
        raise ValueError("holds a segment . or .., which may lead out of the base URL")
    return path


def has_dot_segments(path: str) -> bool:
    """Whether a segment is `.` or `..`, even with `;parameters` after it."""
    return any(part.partition(";")[0] in (".", "..") for part in path.split("/"))


EndpointPath = Annotated[str, Field(max_length=2_000), AfterValidator(checked_path)]
"""A checked path; empty for the base URL itself."""
