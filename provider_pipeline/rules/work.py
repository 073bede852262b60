"""How much work a rule may make of a listing, counted in steps.

Here: the bounds, and the counter that expressions spend from. Not here: what costs how much (`interpreter.py`,
`closures.py`) and what follows when too much is spent (`extraction.py`, `judge.py`). Steps are counted and not timed:
the same listing always gets the same verdict. One takes about 0.1 microseconds, and makes some ten bytes at most.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar

T = TypeVar("T")

PAGE_STEPS: Final = 10_000_000
"""Steps of a selector on one page, and of any expression that is evaluated by itself."""
ITEM_STEPS: Final = 200_000
"""Steps of one expression on one item, so that no single one fills the memory."""
LISTING_STEPS: Final = 10_000_000
"""Steps of all expressions on a whole listing, besides `STEPS_PER_ITEM`."""
STEPS_PER_ITEM: Final = 3_000
"""Steps that each item of a listing adds to those of the whole; ordinary rules take some hundred."""
ITEMS_PER_ELEMENT: Final = 4
"""Items that a selector may give for each element of the page."""
FEW_ITEMS: Final = 1_000
"""Items that a selector may give of any page."""
ROW_BYTES: Final = 4_096
"""JSON of a row besides `ROW_PER_ITEM`."""
ROW_PER_ITEM: Final = 2
"""How much more a row's JSON may be for each byte of its item."""
KEPT_BYTES: Final = 64 << 20
"""JSON of all rows of a listing with several endpoints, which are held in memory."""

CHARACTERS_PER_STEP: Final = 8
"""Characters that are made in one step."""
OBJECT_STEPS: Final = 16
"""What making an object costs, besides one step for each member."""
LIST_STEPS: Final = 8
"""What making a list costs, besides one step for each element."""


class WorkExceededError(Exception):
    """No steps are left for what the text names, if it does. Expressions do not take it for an error of their own."""


class Work:
    """The steps that are left to a rule on one listing. Not to be shared between threads.

    Attributes:
        left: Steps left. Whoever takes some for each model takes them here, and looks whether it is below zero, which
            is much faster than `spend`.
        most: Steps that one evaluation may take.
    """

    __slots__ = ("_floor", "_items", "interpreter", "left", "most")

    def __init__(self, left: int = PAGE_STEPS) -> None:
        self.left = left
        self.most = PAGE_STEPS
        self._floor = self._items = 0
        self.interpreter: Any = None
        """What evaluates expressions at the expense of these steps, made when it is first needed."""

    def spend(self, steps: int) -> None:
        """Take steps.

        Raises:
            WorkExceededError: There are not so many left.
        """
        self.left -= steps
        if self.left < self._floor:
            raise WorkExceededError

    def grant(self, items: int) -> None:
        """Add the steps that so many items of a listing add; of several endpoints, that with the most items counts."""
        more = max(0, items - self._items)
        self._items += more
        self.left += STEPS_PER_ITEM * more

    def at_most(self, evaluate: Callable[..., T], *arguments: Any) -> T:
        """What a function gives that takes no more than the steps of one evaluation.

        Raises:
            WorkExceededError: It would take more, or there are not so many left.
        """
        floor = self._floor
        self._floor = max(floor, self.left - self.most)
        try:
            return evaluate(*arguments)
        finally:
            self._floor = floor

    def weigh(self, value: Any) -> None:
        """Take the steps of looking at all of a value, shared parts as often as they are met.

        Raises:
            WorkExceededError: There are not so many left.
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
    """Whether there are as many elements in a document as could be items: objects, and what lists and maps hold.

    An object is a map if it has more than `FEW_ITEMS` members: no single thing has so many fields.
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
    """About how many bytes a value is as JSON, each shared part counted once."""
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
