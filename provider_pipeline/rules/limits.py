"""How large a rule may be: counts, and what its parts amount to together.

Here: the bounds that are checked before a rule is compiled, or while it is. Not here: how large one expression or
pattern may be (`language.py`, `patterns.py`) and how much work a rule may make of a listing (`work.py`). Listed in
docs/rules.md. What is wrong is a `ValueError`, for the models of `document.py`.
"""

import functools
from collections.abc import Iterable, Sequence
from typing import Any, Final

from provider_pipeline.errors import InvalidRuleError
from provider_pipeline.rules.patterns import parse_pattern, require_small_programs

MAX_ENDPOINTS: Final = 32
"""Endpoints of a rule."""
MAX_FIELDS: Final = 64
"""Fields of one endpoint."""
MAX_CAPABILITIES: Final = 100
"""Capabilities that a rule speaks of."""
MAX_PATTERNS: Final = 2_000
"""Patterns of one capability."""
MAX_PATTERN_TEXT: Final = 150_000
"""Characters of all different patterns of a rule together."""
MAX_REPEATED_PATTERN_TEXT: Final = 1_000_000
"""The same, but a pattern that several capabilities have counts several times."""
MAX_PREDICATES: Final = 200
"""Predicates of one capability that state it, and as many that deny it."""
MAX_EXPRESSION_TEXT: Final = 200_000
"""Characters of all of a rule's endpoints, and of all its predicates: reading one takes 7 microseconds."""
MAX_LOOKUPS: Final = 100_000
"""Entries of all lookup tables of a rule together."""
MAX_LOOKUP_TEXT: Final = 4_000_000
"""Characters of all of those, with the capabilities they name."""

_NESTS: Final = (dict, list, tuple)


def _characters(value: Any, most: int) -> int:
    """How many characters the texts in a document have; once there are more than `most`, that is enough to know."""
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
    """Checked together: rules made by one version of the generator have most of their thousands in common."""
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
    """Refuse lookup tables that are too large together.

    Raises:
        ValueError: They are.
    """
    if (entries := sum(map(len, tables))) > MAX_LOOKUPS:
        raise ValueError(f"the lookup tables have {entries} entries together; at most {MAX_LOOKUPS} are read")
    if _characters(tables, MAX_LOOKUP_TEXT) > MAX_LOOKUP_TEXT:
        raise ValueError(f"the lookup tables have more than {MAX_LOOKUP_TEXT} characters together")


def require_little_text(value: Any, what: str) -> None:
    """Refuse more text with expressions in it than is read.

    Raises:
        ValueError: There is more in the value.
    """
    if _characters(value, MAX_EXPRESSION_TEXT) > MAX_EXPRESSION_TEXT:
        raise ValueError(f"{what} have more than {MAX_EXPRESSION_TEXT} characters together")


def members(value: Any) -> Iterable[Any]:
    """What an object or a list holds, with the object's keys."""
    return (*value, *value.values()) if isinstance(value, dict) else value
