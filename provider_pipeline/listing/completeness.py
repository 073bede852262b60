"""Pages of a listing, and the checks that each is new and none is missing."""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import chain
from typing import Any, Final

from provider_pipeline.errors import RuleTooCostlyError
from provider_pipeline.rules.language import getter_within
from provider_pipeline.rules.work import LISTING_STEPS, Work


@dataclass(frozen=True)
class KnownPage:
    """A page as it was kept, for asking whether it has changed.

    Attributes:
        etag: The ETag it came with.
        last_modified: The Last-Modified it came with.
        load: Reads its content, when that is needed.
        fingerprint: What the same bytes would be told by, where that was kept; see `Page`.
    """

    etag: str | None
    last_modified: str | None
    load: Callable[[], bytes] = field(repr=False)
    fingerprint: str | None = None


class Body:
    """A page's bytes and what they say, each read when first asked for.

    Args:
        load: Gives the bytes.
        parse: Gives the document they hold.
    """

    def __init__(self, load: Callable[[], bytes], parse: Callable[[bytes], Any]) -> None:
        self._load = load
        self._parse = parse

    @cached_property
    def content(self) -> bytes:
        """The bytes."""
        return self._load()

    @cached_property
    def document(self) -> Any:
        """The document: any JSON value, null included."""
        return self._parse(self.content)


@dataclass(frozen=True)
class Page:
    """One page of a listing.

    Attributes:
        endpoint: Index of its endpoint in the source.
        number: 1 for an endpoint's first page.
        url: Where it came from, redacted.
        status: The answer's status; 304 for a page that has not changed.
        headers: The answer's headers worth keeping, by lower-case name, redacted. A validator (`etag`,
            `last-modified`) is among them only if asking with it is safe: an unchanged body must mean that what
            follows the page is unchanged too, which is not so where a Link header says how the listing goes on.
        fetched_at: When the answer came, in UTC.
        not_modified: The page is still what was known of it: the server says so, or sent the same bytes.
        body: Its content and document.
        fingerprint: A SHA-256 of the answer's bytes and content type, by which the same answer can be told without
            reading it; None if the page is not the endpoint's only one.
    """

    endpoint: int
    number: int
    url: str
    status: int
    headers: Mapping[str, str] = field(repr=False)
    fetched_at: datetime
    not_modified: bool
    body: Body = field(repr=False)
    fingerprint: str | None = None

    @property
    def content(self) -> bytes:
        """The body, decompressed; as received, but that an echoed key is masked."""
        return self.body.content

    @property
    def document(self) -> Any:
        """The body, parsed: any JSON value, null included."""
        return self.body.document

    @property
    def etag(self) -> str | None:
        """The validator to ask with next time, if there is one."""
        return self.headers.get("etag")

    @property
    def last_modified(self) -> str | None:
        """The other validator to ask with."""
        return self.headers.get("last-modified")


_AT_ONCE: Final = 10_000
"""Items that are looked at before the clock is."""


class SeenIds:
    """A set of ids that needs at most 24 bytes for each, by their 64-bit hashes.

    The hashes are in sorted runs that are merged as they grow. Most new ones need not be looked for there: each hash in
    the set has a mark, by its last bits, and a place without one stands for none.
    """

    def __init__(self) -> None:
        self._runs: list[array[int]] = []
        self._size = 0
        self._marks = bytearray(1)

    def new_of(self, hashes: Iterable[int]) -> set[int]:
        """Those that are not in the set."""
        marks, last_bits = self._marks, len(self._marks) - 1
        new = set(hashes)
        marked = [each for each in new if marks[each & last_bits]]
        return new.difference(each for each in marked if any(_holds(run, each) for run in self._runs))

    def add(self, hashes: Iterable[int]) -> None:
        """Put in hashes that are not in the set yet."""
        added = run = array("q", sorted(hashes))
        while self._runs and len(self._runs[-1]) <= 2 * len(run):
            # Sorting two sorted runs merges them.
            run = array("q", sorted([*self._runs.pop(), *run]))
        if run:
            self._runs.append(run)
        self._size += len(added)
        if len(self._marks) < 4 * self._size:
            self._marks = bytearray(1 << (8 * self._size).bit_length())
            self._mark(chain.from_iterable(self._runs))
        else:
            self._mark(added)

    def _mark(self, hashes: Iterable[int]) -> None:
        marks, last_bits = self._marks, len(self._marks) - 1
        for each in hashes:
            marks[each & last_bits] = 1


class PageProofs:
    """What the pages of one endpoint have brought so far; for one listing.

    Nothing is counted where the rule's expressions take too much work: whoever judges the listing refuses it for that.

    Args:
        selector: The rule's expression for a page's items; without one nothing is counted.
        id_field: The rule's expression for an item's id.
        keep_pace: Called every so many items; raises when the listing has taken too long.
    """

    def __init__(self, selector: str | None, id_field: str | None, keep_pace: Callable[[], None]) -> None:
        self._work = Work(LISTING_STEPS)
        self._select = getter_within(selector, self._work) if selector else None
        self._id = getter_within(id_field, self._work) if id_field else None
        self._keep_pace = keep_pace
        self._seen = SeenIds()
        self._uncounted: list[Any] | None = None
        self._pages = 0
        self._items = 0
        self._first_seen = 0
        self._repeated_within_pages = 0

    def items(self, document: Any) -> list[Any] | None:
        """The items on a page; None where the selector finds no list, or there is no selector."""
        try:
            found = self._select(document) if self._select else None
        except RuleTooCostlyError:
            return None
        if not isinstance(found, list):
            return None
        self._work.grant(self._items + len(found))
        return found

    def brings_nothing_new(self, items: list[Any]) -> bool:
        """Take in the next page's items, and say whether all their ids were on earlier pages."""
        self._pages += 1
        if self._pages == 1:
            # Most listings have one page only; the first one's ids are looked at when there is need to.
            self._uncounted = items
            return False
        self._count_first()
        return self._count(items)

    def disagrees_with(self, total: int) -> str | None:
        """How the items that came differ from an announced total, if they do.

        A server may count a model that it lists twice as one or as two, and a page may repeat items of the one before
        because the listing grew meanwhile.
        """
        self._count_first()
        counts = {self._items, self._first_seen, self._first_seen + self._repeated_within_pages}
        if total in counts:
            return None
        came = f"{self._items:,} came"
        if self._first_seen != self._items:
            came += f", {self._first_seen:,} of them different"
        return f"announces a total of {total:,} items, but {came}"

    def _count_first(self) -> None:
        if self._uncounted is not None:
            self._count(self._uncounted)
            self._uncounted = None

    def _count(self, items: list[Any]) -> bool:
        """Count items in; whether all their ids were there before."""
        hashes = self._hashes(items)
        new = self._seen.new_of(hashes)
        without_id = len(items) - len(hashes)
        self._items += len(items)
        self._first_seen += len(new) + without_id
        self._repeated_within_pages += sum(map(new.__contains__, hashes)) - len(new)
        self._seen.add(new)
        return bool(hashes) and not new

    def _hashes(self, items: list[Any]) -> list[int]:
        hashes: list[int] = []
        if self._id is None:
            return hashes
        try:
            for start in range(0, len(items), _AT_ONCE):
                self._keep_pace()
                ids = map(self._id, items[start : start + _AT_ONCE])
                # Numbers hash to themselves; an id is the same as a number and as its digits.
                hashes += [
                    hash(str(each)) for each in ids if isinstance(each, (str, int)) and not isinstance(each, bool)
                ]
        except RuleTooCostlyError:
            return []
        return hashes


def _holds(run: "array[int]", value: int) -> bool:
    place = bisect_left(run, value)
    return place < len(run) and run[place] == value
