"""Bounds of a rule: its size, the paths it may request, and the steps it may take on a listing.

docs/rules.md lists the bounds; those of one expression or pattern are in `language.py` and `patterns.py`.
"""

import re
import time
from collections.abc import Callable, Iterable, Sequence
from threading import Lock
from typing import Annotated, Any, Final, Generic, TypeVar
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, Field

from provider_pipeline.errors import RuleTooCostlyError

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")

MAX_ENDPOINTS: Final = 32
MAX_FIELDS: Final = 64
"""Of one endpoint."""
MAX_CAPABILITIES: Final = 100
MAX_PATTERNS: Final = 2_000
"""Of one capability."""
MAX_PREDICATES: Final = 200
"""Predicates for one capability; the same limit applies to those against it."""
MAX_EXPRESSION_TEXT: Final = 200_000
"""Characters of all endpoints, and of all predicates; parsing takes 7 microseconds per character."""
MAX_LOOKUPS: Final = 100_000
"""Entries of all lookup tables of a rule."""
MAX_LOOKUP_TEXT: Final = 4_000_000
"""Characters of those, with the capabilities they name."""
PAGE_STEPS: Final = 10_000_000
"""Steps of a selector on one page, and of any expression evaluated by itself."""
ITEM_STEPS: Final = 200_000
"""Steps of one expression on one item, so that no single expression can fill the memory."""
LISTING_STEPS: Final = 10_000_000
"""Steps of all expressions on a whole listing, besides `STEPS_PER_ITEM`."""
STEPS_PER_ITEM: Final = 3_000
"""Further steps that each item of a listing grants; ordinary rules take a few hundred."""
FREE_MATCHING: Final = 1_000_000_000
"""RE2 instructions times characters of a listing's names that are matched whatever they take, a few seconds at most."""
MATCHING_SECONDS: Final = 1.0
"""Processor time for matching further names of a listing, besides `MATCHING_MICROSECONDS_PER_ITEM`."""
MATCHING_MICROSECONDS_PER_ITEM: Final = 200
"""Further processor time that each item of a listing grants; a name of a real listing takes half of it at most."""
ITEMS_PER_ELEMENT: Final = 4
"""Items that a selector may give per element of the page."""
FEW_ITEMS: Final = 1_000
"""Items that a selector may give even for a small page."""
ROW_BYTES: Final = 4_096
"""JSON bytes of a row, besides `ROW_PER_ITEM`."""
ROW_PER_ITEM: Final = 2
"""Further JSON bytes of a row per byte of its item."""
KEPT_BYTES: Final = 64 << 20
"""JSON bytes of all rows of a listing with several endpoints, which stay in memory."""
CHARACTERS_PER_STEP: Final = 8
OBJECT_STEPS: Final = 16
"""Cost of making an object, besides one step per member."""
LIST_STEPS: Final = 8
"""Cost of making a list, besides one step per element."""
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


class WorkExceededError(Exception):
    """No steps are left. The text, if any, names the operation. Expressions never swallow it."""


class Work:
    """The steps a rule has left on one listing. Not thread-safe.

    Steps are counted, not timed, so the same listing always gets the same verdict. A step takes about 0.1 microseconds
    and allocates some ten bytes at most. Only RE2, which counts nothing, is timed, and only after `FREE_MATCHING`: the
    same patterns take a hundred times as long for some names as for others of the same length.

    Attributes:
        left: Steps left. Hot loops subtract here and test for a negative value, which is much faster than `spend`.
        most: Steps that one evaluation may take.
        interpreter: The expression interpreter that spends these steps, created on first use.
        clock: Processor time in seconds.
    """

    __slots__ = ("_floor", "_free_matching", "_items", "_matching_seconds", "clock", "interpreter", "left", "most")

    def __init__(self, left: int = PAGE_STEPS, clock: Callable[[], float] = time.thread_time) -> None:
        self.left = left
        self.clock = clock
        self._free_matching = FREE_MATCHING
        self._matching_seconds = MATCHING_SECONDS
        self.most = PAGE_STEPS
        self._floor = self._items = 0
        self.interpreter: Any = None

    def spend(self, steps: int) -> None:
        """Take steps.

        Raises:
            WorkExceededError: Too few are left.
        """
        self.left -= steps
        if self.left < self._floor:
            raise WorkExceededError

    def grant(self, items: int) -> None:
        """Add the steps that a listing's items grant; of several endpoints, the one with the most items counts."""
        more = max(0, items - self._items)
        self._items += more
        self.left += STEPS_PER_ITEM * more
        self._matching_seconds += MATCHING_MICROSECONDS_PER_ITEM * more / 1_000_000

    def match(self, matches: Callable[[str], T], name: str, instructions: int) -> T:
        """Call a function that matches a name with patterns of so many RE2 instructions.

        Raises:
            RuleTooCostlyError: The patterns have taken too much processor time on this listing's names.
        """
        self._free_matching -= instructions * len(name)
        if self._free_matching >= 0:
            return matches(name)
        began = self.clock()
        found = matches(name)
        self._matching_seconds -= self.clock() - began
        if self._matching_seconds < 0:
            seconds = MATCHING_SECONDS + MATCHING_MICROSECONDS_PER_ITEM * self._items / 1_000_000
            raise RuleTooCostlyError(
                f"matching the listing's names with the rule's patterns, {instructions:,} RE2 instructions, takes more "
                f"than {seconds:.1f} s of processor time",
                hint="write fewer patterns, and few with .* or a repetition at their beginning; name the pattern set "
                "`shipped` instead of its patterns",
            )
        return found

    def at_most(self, evaluate: Callable[..., T], *arguments: Any) -> T:
        """Call a function that may take the steps of one evaluation (`most`).

        Raises:
            WorkExceededError: It takes more, or too few are left.
        """
        floor = self._floor
        self._floor = max(floor, self.left - self.most)
        try:
            return evaluate(*arguments)
        finally:
            self._floor = floor

    def weigh(self, value: Any) -> None:
        """Take the steps of visiting a whole value; shared parts count each time.

        Raises:
            WorkExceededError: Too few are left.
        """
        pending = [value]
        while pending:
            node = pending.pop()
            if isinstance(node, str):
                self.spend(1 + len(node) // CHARACTERS_PER_STEP)
            elif isinstance(node, list):
                self.spend(1 + len(node))
                pending += node
            elif isinstance(node, dict):
                self.spend(1 + 2 * len(node) + sum(map(len, node)) // CHARACTERS_PER_STEP)
                pending += node.values()
            else:
                self.spend(1)


def has_elements(document: Any, count: int) -> bool:
    """Whether a document has at least `count` elements that could be items: objects, and entries of lists and maps.

    An object with more than `FEW_ITEMS` members is a map: no single item has that many fields.
    """
    pending = [document]
    while pending and count > 0:
        node = pending.pop()
        if isinstance(node, dict):
            count -= 1
            if len(node) > FEW_ITEMS:
                count -= sum(not isinstance(value, (dict, list)) for value in node.values())
            pending += [value for value in node.values() if isinstance(value, (dict, list))]
        else:
            inner = [value for value in node if isinstance(value, (dict, list))] if isinstance(node, list) else []
            count -= len(node) - len(inner) if isinstance(node, list) else 0
            pending += inner
    return count <= 0


def json_bytes(value: Any) -> int:
    """Roughly the size of a value as JSON; shared parts count once."""
    size, seen, pending = 0, set[int](), [value]
    while pending:
        node = pending.pop()
        if isinstance(node, (str, list, dict)):
            if id(node) in seen:
                continue
            seen.add(id(node))
        if isinstance(node, str):
            size += len(node) if node.isascii() else len(node.encode("utf-8", "replace"))
        elif isinstance(node, list):
            pending += node
        elif isinstance(node, dict):
            pending += node
            pending += node.values()
        size += 8
    return size


class SizedCache(Generic[K, V]):
    """A thread-safe cache bounded by total size, in a unit of the caller's; the oldest entries leave first.

    A cache that counts entries would hold thousands of the largest ones that a hostile rule can contain.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._left = most
        self._entries: dict[K, tuple[V, int]] = {}
        self._lock = Lock()

    def get(self, key: K) -> V | None:
        """The cached value, or None."""
        found = self._entries.get(key)
        return None if found is None else found[0]

    def put(self, key: K, value: V, size: int) -> None:
        """Cache a value, unless it is larger than the whole cache."""
        with self._lock:
            if size > self._most or key in self._entries:
                return
            self._entries[key] = (value, size)
            self._left -= size
            while self._left < 0:
                oldest = next(iter(self._entries))
                self._left += self._entries.pop(oldest)[1]
