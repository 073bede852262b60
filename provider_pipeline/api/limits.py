"""Limits on how often, how many at once and from where: the only state that the API's process keeps.

Not here: who a token belongs to (`access.py`), the size of bodies (`routing.py`) and slow connections
(`connections.py`).
"""

import ipaddress
import math
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from provider_pipeline.api.problems import ProblemError, problem

_MAX_BUCKETS = 10_000
_RETRY_SECONDS = 5


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

    Used by the event loop alone.

    Args:
        per_second: Requests a second.
        burst: Requests at once, after a pause.
        clock: Seconds that never go back.
    """

    per_second: float
    burst: int
    clock: Callable[[], float]
    _buckets: OrderedDict[object, tuple[float, float]] = field(default_factory=OrderedDict, repr=False)

    def take(self, caller: object) -> int:
        """Takes one request from a caller's bucket.

        Returns:
            0 if there was one, else the whole seconds until there is.
        """
        now = self.clock()
        left, at = self._buckets.pop(caller, (float(self.burst), now))
        left = min(self.burst, left + (now - at) * self.per_second)
        wait = 0 if left >= 1 else math.ceil((1 - left) / self.per_second)
        self._buckets[caller] = (left if wait else left - 1, now)
        if len(self._buckets) > _MAX_BUCKETS:
            self._buckets.popitem(last=False)  # the caller that was silent for longest has a full one by now
        return wait

    def put_back(self, caller: object) -> None:
        """Returns a request that was taken from a caller's bucket."""
        if caller in self._buckets:
            left, at = self._buckets[caller]
            self._buckets[caller] = (left + 1, at)


@dataclass
class Slots:
    """How many requests of a slow kind may be in progress at once. Used by the event loop alone.

    Args:
        most: So many.
        what: What they are, for the refusal.
    """

    most: int
    what: str
    _taken: int = field(default=0, repr=False)

    @contextmanager
    def one(self) -> Iterator[None]:
        """Holds a slot.

        Raises:
            ProblemError: 429: all are taken.
        """
        if self._taken >= self.most:
            raise ProblemError(
                429,
                "too-many-at-once",
                f"{self.most} {self.what} are in progress, and no more are done at once",
                hint="try again when one has ended",
                headers={"Retry-After": str(_RETRY_SECONDS)},
            )
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1
