"""The pages of a listing, and the check that together they are complete."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from provider_pipeline.errors import RuleTooCostlyError
from provider_pipeline.listing.redaction import one_line, redact_quote
from provider_pipeline.rules.ids import CompactIds
from provider_pipeline.rules.language import getter_within
from provider_pipeline.rules.limits import LISTING_STEPS, Work


@dataclass(frozen=True)
class KnownPage:
    """A stored page, for asking whether it has changed.

    Attributes:
        load: Reads its content.
        fingerprint: See `Page`; None if it was not stored.
    """

    etag: str | None
    last_modified: str | None
    load: Callable[[], bytes] = field(repr=False)
    fingerprint: str | None = None


class Body:
    """A page's content and document, each loaded on first use."""

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
        status: The response's status; 304 for a page that has not changed.
        headers: The headers worth keeping, by lower-case name, redacted. It holds a validator (`etag`,
            `last-modified`) only if an unchanged body also means unchanged following pages, which is not so where a
            Link header names the next one.
        fetched_at: When the response came, in UTC.
        not_modified: The server said that the page has not changed, or sent the same bytes again.
        body: Its content and document.
        fingerprint: SHA-256 of content type and bytes, to recognise the same response without parsing it; None if the
            endpoint may have more pages.
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
        """The body, decompressed; as received, except that secrets are masked."""
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


VALIDATORS: Final = ("etag", "last-modified")
_KEPT_HEADERS: Final = (
    *("content-type", "date", *VALIDATORS),
    *("request-id", "x-request-id", "x-amzn-requestid", "apim-request-id", "cf-ray"),
)
_VALIDATOR: Final = re.compile(r"[\x21-\x7e]+(?: [\x21-\x7e]+)*")
_MAX_HEADER: Final = 200


def kept_headers(headers: Mapping[str, str], secrets: Iterable[str]) -> dict[str, str]:
    """The headers worth keeping with a page, by lower-case name, redacted.

    A validator that cannot be sent back exactly as it came is left out.
    """
    kept = {name: redact_quote(headers[name], secrets) for name in _KEPT_HEADERS if name in headers}
    for name, value in list(kept.items()):
        if name not in VALIDATORS:
            kept[name] = one_line(value, _MAX_HEADER)
        elif len(value) > _MAX_HEADER or value != headers[name] or not _VALIDATOR.fullmatch(value):
            del kept[name]
    return kept


_BATCH: Final = 10_000
"""Items counted between two looks at the clock."""


class CompletenessCheck:
    """Counts the items and ids of one endpoint's pages; for one listing.

    A rule whose expressions are too costly counts nothing here: judging the listing refuses it for that.

    Args:
        selector: The rule's expression for a page's items; None to count nothing.
        id_field: The rule's expression for an item's id.
        keep_pace: Called between batches of items; raises when the listing has taken too long.
    """

    def __init__(self, selector: str | None, id_field: str | None, keep_pace: Callable[[], None]) -> None:
        self._work = Work(LISTING_STEPS)
        self._select = getter_within(selector, self._work) if selector else None
        self._id = getter_within(id_field, self._work) if id_field else None
        self._keep_pace = keep_pace
        self._seen = CompactIds()
        self._uncounted: list[Any] | None = None
        self._pages = 0
        self._items = 0
        self._first_seen = 0
        self._repeated_within_pages = 0

    def items(self, document: Any) -> list[Any] | None:
        """The items on a page; None if there is no selector, or it finds no list."""
        try:
            found = self._select(document) if self._select else None
        except RuleTooCostlyError:
            return None
        if not isinstance(found, list):
            return None
        self._work.grant(self._items + len(found))
        return found

    def only_repeats(self, items: list[Any]) -> bool:
        """Count the next page's items in; whether all their ids were on earlier pages."""
        self._pages += 1
        if self._pages == 1:
            # Most listings have one page, so the first page's ids are not counted until another page or a total comes.
            self._uncounted = items
            return False
        self._count_first_page()
        return self._count(items)

    def disagreement(self, total: int) -> str | None:
        """How the items that came differ from an announced total, or None.

        A server may count a model that it lists twice as one or as two, and a page may repeat items of the one before
        because the listing grew meanwhile.
        """
        self._count_first_page()
        counts = {self._items, self._first_seen, self._first_seen + self._repeated_within_pages}
        if total in counts:
            return None
        came = f"{self._items:,} came"
        if self._first_seen != self._items:
            came += f", {self._first_seen:,} of them different"
        return f"announces a total of {total:,} items, but {came}"

    def _count_first_page(self) -> None:
        if self._uncounted is not None:
            self._count(self._uncounted)
            self._uncounted = None

    def _count(self, items: list[Any]) -> bool:
        hashes = self._hashes(items)
        new = {each for each in hashes if self._seen.get(each) is None}
        without_id = len(items) - len(hashes)
        self._items += len(items)
        self._first_seen += len(new) + without_id
        self._repeated_within_pages += sum(map(new.__contains__, hashes)) - len(new)
        for each in new:
            self._seen.add(each)
        return bool(hashes) and not new

    def _hashes(self, items: list[Any]) -> list[int]:
        hashes: list[int] = []
        if self._id is None:
            return hashes
        try:
            for start in range(0, len(items), _BATCH):
                self._keep_pace()
                ids = map(self._id, items[start : start + _BATCH])
                # A number counts as the same id as its digits. As text, because integers hash to themselves.
                hashes += [
                    hash(str(each)) for each in ids if isinstance(each, (str, int)) and not isinstance(each, bool)
                ]
        except RuleTooCostlyError:
            return []
        return hashes
