"""What a rule may hold: how much, as listed in docs/rules.md, and which paths, those below the provider's base URL.

Violations are `ValueError`s, for the models of `document.py`. The bounds of one expression or pattern are in
`language.py` and `patterns.py`, those of running a rule in `work.py`.
"""

import functools
import re
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Final
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, Field

from provider_pipeline.errors import InvalidRuleError
from provider_pipeline.rules.patterns import parse_pattern, require_small_programs

MAX_ENDPOINTS: Final = 32
MAX_FIELDS: Final = 64
"""Of one endpoint."""
MAX_CAPABILITIES: Final = 100
MAX_PATTERNS: Final = 2_000
"""Of one capability."""
MAX_PATTERN_TEXT: Final = 150_000
"""Characters of all distinct patterns of a rule."""
MAX_REPEATED_PATTERN_TEXT: Final = 1_000_000
"""The same, counting a pattern once for each capability that has it."""
MAX_PREDICATES: Final = 200
"""Predicates for one capability, and as many against it."""
MAX_EXPRESSION_TEXT: Final = 200_000
"""Characters of all endpoints, and of all predicates; parsing takes 7 microseconds per character."""
MAX_LOOKUPS: Final = 100_000
"""Entries of all lookup tables of a rule."""
MAX_LOOKUP_TEXT: Final = 4_000_000
"""Characters of those, with the capabilities they name."""

_NESTS: Final = (dict, list, tuple)


def _characters(value: Any, most: int) -> int:
    """Characters of all texts in a document; stops counting beyond `most`."""
    count, pending = 0, [value]
    while pending and count <= most:
        node = pending.pop()
        if isinstance(node, str):
            count += len(node)
        elif isinstance(node, _NESTS):
            pending += members(node)
    return count


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


def require_small_tables(tables: Sequence[Any]) -> None:
    """Refuse lookup tables that are too large together."""
    if (entries := sum(map(len, tables))) > MAX_LOOKUPS:
        raise ValueError(f"the lookup tables have {entries} entries together; at most {MAX_LOOKUPS} are read")
    if _characters(tables, MAX_LOOKUP_TEXT) > MAX_LOOKUP_TEXT:
        raise ValueError(f"the lookup tables have more than {MAX_LOOKUP_TEXT} characters together")


def require_little_text(value: Any, what: str) -> None:
    """Refuse a value whose texts are longer than `MAX_EXPRESSION_TEXT`; `what` names it."""
    if _characters(value, MAX_EXPRESSION_TEXT) > MAX_EXPRESSION_TEXT:
        raise ValueError(f"{what} have more than {MAX_EXPRESSION_TEXT} characters together")


def members(value: Any) -> Iterable[Any]:
    """The entries of a list, or the keys and values of an object."""
    return (*value, *value.values()) if isinstance(value, dict) else value


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
