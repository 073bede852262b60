"""What is asked of a server, and what may come of it, as data.

Here: requests, answers, redirects and failures. Not here: sending and reading them (`exchange`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from provider_pipeline.errors import ListingError, Stage

NOT_MODIFIED: Final = 304


@dataclass(frozen=True)
class Answer:
    """A successful answer.

    Attributes:
        url: Where it came from, after redirects, without credentials.
        shown_url: The same, redacted.
        where: The same, with the provider, as an error's text begins.
        named: The server named the URL; see `Wanted`.
        status: 200, 203, or 304 if that was asked for.
        headers: As received.
        content: The body, decompressed, with secrets masked unless it is a token that was asked for; empty for a 304.
        received_at: When it was complete.
    """

    url: str = field(repr=False)
    shown_url: str
    where: str
    named: bool
    status: int
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)
    received_at: datetime


@dataclass(frozen=True)
class Failure:
    """One failed attempt; `reason` continues the words "GET <url>"."""

    reason: str
    kind: type[ListingError]
    transient: bool
    hint: str | None = None
    status: int | None = None
    retry_after: float | None = None
    stage: Stage = "listing"


@dataclass(frozen=True)
class Wanted:
    """A request: a GET of a listing's page, or a form for a token endpoint.

    Attributes:
        url: Without credentials.
        form: What is posted; None for a GET.
        headers: Further headers.
        named: The server named the URL; its query is not shown, since it may quote an earlier request.
    """

    url: str = field(repr=False)
    form: Mapping[str, str] | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    named: bool = False

    @property
    def method(self) -> str:
        """Its method, as texts name it."""
        return "GET" if self.form is None else "POST"


@dataclass(frozen=True)
class Redirect:
    """An answer that names another URL."""

    status: int
    location: str
