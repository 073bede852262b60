"""Rate limits, limits on concurrent slow requests, and the loopback-only mode: the only state an API process keeps."""

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


class LoopbackOnly:
    """Middleware that accepts loopback `Host` and `Origin` headers only.

    A web page can send requests to a loopback address (CSRF), and can read the answers once its own name resolves to
    one (DNS rebinding).

    Args:
        app: The application behind it.
        text: The refusal.
        any_host: Whether other machines may call, as long as no web page does.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        text: str = "without tokens, only programs on this machine may call the API, and no web pages",
        any_host: bool = False,
    ) -> None:
        self._app = app
        self._text = text
        self._any_host = any_host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] == "http":
            headers = dict(scope["headers"])
            host = f"//{headers.get(b'host', b'').decode('latin-1')}"
            origin = headers.get(b"origin", b"").decode("latin-1")
            is_host_accepted = self._any_host or _is_loopback_url(host)
            if not is_host_accepted or (origin and not _is_loopback_url(origin)):
                await problem(403, "not-from-here", self._text)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def is_loopback(host: str) -> bool:
    """Whether an address or name is reachable from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_loopback_url(url: str) -> bool:
    try:
        return is_loopback(urlsplit(url).hostname or "")
    except ValueError:
        return False


@dataclass
class TokenBuckets:
    """Rate limit per caller: `per_second` requests on average, `burst` at once. For the event loop's thread only.

    `clock` is monotonic, in seconds.
    """

    per_second: float
    burst: int
    clock: Callable[[], float]
    _buckets: OrderedDict[object, tuple[float, float]] = field(default_factory=OrderedDict, repr=False)

    def take(self, caller: object) -> int:
        """Takes one request from a caller's bucket.

        Returns:
            0 if the request was admitted, else the whole seconds until the next one will be.
        """
        now = self.clock()
        left, at = self._buckets.pop(caller, (float(self.burst), now))
        left = min(self.burst, left + (now - at) * self.per_second)
        wait = 0 if left >= 1 else math.ceil((1 - left) / self.per_second)
        self._buckets[caller] = (left if wait else left - 1, now)
        if len(self._buckets) > _MAX_BUCKETS:
            self._buckets.popitem(last=False)  # the one idle for longest: it has refilled by now
        return wait

    def put_back(self, caller: object) -> None:
        """Returns one request to a caller's bucket."""
        if caller in self._buckets:
            left, at = self._buckets[caller]
            self._buckets[caller] = (left + 1, at)


@dataclass
class Slots:
    """Limit on concurrent requests of one slow kind. For the event loop's thread only.

    `kind` is a plural noun, for the refusal.
    """

    limit: int
    kind: str
    _taken: int = field(default=0, repr=False)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Holds a slot.

        Raises:
            ProblemError: 429: all slots are taken.
        """
        if self._taken >= self.limit:
            raise ProblemError(
                429,
                "too-many-at-once",
                f"{self.limit} {self.kind} are already running, which is the limit",
                hint="try again when one has finished",
                headers={"Retry-After": str(_RETRY_SECONDS)},
            )
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1
