"""Limits on what is sent, from where and how often: the only state that the API's process keeps.

Here: the size of a body, the token buckets, and what may come from a browser where no token is needed. Not here: who
a token belongs to (`service.py`).
"""

import ipaddress
import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from provider_pipeline.api.problems import CONTENT_TOO_LARGE, problem

_MOST_BUCKETS = 10_000


class BodyLimit:
    """Refuses larger bodies, announced or not.

    Args:
        app: The application.
        most: Bytes.
    """

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        # The server has refused what is no number.
        if int(announced) > self._most:
            await problem(413, CONTENT_TOO_LARGE, self._text())(scope, receive, send)
            return
        received = 0

        async def counting() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._most:
                raise HTTPException(413, self._text())
            return message

        await self._app(scope, counting, send)

    def _text(self) -> str:
        return f"a request may have at most {self._most:,} bytes"


class ThisMachine:
    """Takes requests from this machine's own programs only, where no token tells them from a web page's.

    A page that somebody looks at may send requests to a loopback address, and be told the answers if its own name
    leads there.

    Args:
        app: The application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] == "http":
            headers = dict(scope["headers"])
            asked = f"//{headers.get(b'host', b'').decode('latin-1')}"
            origin = headers.get(b"origin", b"").decode("latin-1")
            if not _is_here(asked) or (origin and not _is_here(origin)):
                text = "without tokens, only this machine's own programs are answered"
                await problem(403, "not-from-here", text)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def is_loopback(host: str) -> bool:
    """Whether an address or name can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_here(url: str) -> bool:
    try:
        return is_loopback(urlsplit(url).hostname or "")
    except ValueError:
        return False


@dataclass
class TokenBuckets:
    """How often each caller may ask: so many times a second in the long run, and so many at once.

    Args:
        per_second: Requests a second.
        burst: Requests at once, after a pause.
        clock: Seconds that never go back.
    """

    per_second: float
    burst: int
    clock: Callable[[], float]
    _buckets: OrderedDict[object, tuple[float, float]] = field(default_factory=OrderedDict, repr=False)
    _alone: Lock = field(default_factory=Lock, repr=False)

    def take(self, caller: object) -> int:
        """Takes one request from a caller's bucket.

        Returns:
            0 if there was one, else the whole seconds until there is.
        """
        now = self.clock()
        with self._alone:
            left, at = self._buckets.pop(caller, (float(self.burst), now))
            left = min(self.burst, left + (now - at) * self.per_second)
            wait = 0 if left >= 1 else math.ceil((1 - left) / self.per_second)
            self._buckets[caller] = (left if wait else left - 1, now)
            if len(self._buckets) > _MOST_BUCKETS:
                self._buckets.popitem(last=False)  # whoever was silent for longest has a full one by now
        return wait
