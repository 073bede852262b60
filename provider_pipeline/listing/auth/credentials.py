"""Credentials at work: headers and parameters for a request, and access tokens with their renewal."""

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from requests import PreparedRequest
from requests.auth import AuthBase

from provider_pipeline.errors import ListingRefusedError, ListingUnreadableError
from provider_pipeline.listing.addresses import with_params
from provider_pipeline.listing.auth.secrets import HEADER_TEXT
from provider_pipeline.listing.error_responses import what_it_says
from provider_pipeline.listing.redaction import redact_quote, redacted_url


class Authorizer(AuthBase):
    """Adds the same headers and query parameters to every request of one listing.

    Attributes:
        hint: What an operator should check when the server refuses.
    """

    def __init__(
        self,
        *,
        hint: str,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        secrets: tuple[str, ...] = (),
    ) -> None:
        self.hint = hint
        self._headers = dict(headers or {})
        self._params = dict(params or {})
        self._secrets = secrets

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values that no text may show; more of them once tokens were fetched."""
        return self._secrets

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Authorise one request that is about to be sent."""
        request.headers.update(self._headers)
        request.url = with_params(request.url or "", self._params)
        return request

    def renew(self) -> bool:
        """After a refusal (401): let go of what may have gone stale.

        Returns:
            Whether one more attempt makes sense, because it would carry something new.
        """
        return False


TokenExchange = Callable[[str, Mapping[str, str], Mapping[str, str]], Any]
"""Sends a form (URL, fields, further headers) in one bounded POST and returns the answer's JSON document.

It raises the errors of a listing that fails.
"""

UNSTATED_LIFETIME: Final = 300.0
"""Seconds for which a token is used that came without `expires_in`."""
LONGEST_LIFETIME: Final = 24 * 3600.0
MARGIN: Final = 60.0
"""Seconds before its end from which on a token is not used any more; at most a tenth of its lifetime."""


@dataclass(frozen=True)
class Token:
    """An access token and the seconds it may be used for."""

    text: str = field(repr=False)
    lifetime: float


@dataclass(frozen=True)
class TokenRequest:
    """What to send to which token endpoint; `secrets` are the values in it that no text may show."""

    url: str
    form: Mapping[str, str] = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)


class TokenCache:
    """Keeps tokens for as long as they may be used; thread-safe, and one thread fetches for all that wait.

    Args:
        clock: Seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}

    def get(self, key: str, fetch: Callable[[], Token]) -> str:
        """The token kept under a key, fetched if there is none, or none that can still be used."""
        with self._lock:
            kept = self._kept.setdefault(key, _Kept())
        with kept.lock:
            now = self._clock()
            if kept.text is None or now >= kept.until:
                token = fetch()
                kept.text = token.text
                # Counted from before the request: when it was issued in between is not known.
                kept.until = now + token.lifetime - min(MARGIN, token.lifetime / 10)
            return kept.text

    def drop(self, key: str, text: str) -> None:
        """Let go of a token, unless another one has taken its place already."""
        with self._lock:
            kept = self._kept.setdefault(key, _Kept())
        with kept.lock:
            if kept.text == text:
                kept.text = None


@dataclass
class _Kept:
    lock: threading.Lock = field(default_factory=threading.Lock)
    text: str | None = field(default=None, repr=False)
    until: float = 0.0


def cache_key(slug: str, parts: Iterable[object]) -> str:
    """The key under which a provider's token is kept: another one once its configuration or a secret changes."""
    return f"{slug} {hashlib.sha256(json.dumps([*parts]).encode()).hexdigest()}"


class TokenAuthorizer(Authorizer):
    """Sends `Authorization: Bearer` with a token that it fetches when there is none to use.

    Args:
        slug: The provider.
        hint: What to check when it, or its token endpoint, refuses.
        headers: Static headers.
        tokens: Where tokens are kept.
        key: Under which key.
        exchange: How a token endpoint is asked.
        request: Makes the request for a token; called for each fetch, since some are signed with the time of day.
        secrets: The values it is made from.
    """

    def __init__(
        self,
        slug: str,
        *,
        hint: str,
        headers: Mapping[str, str],
        tokens: TokenCache,
        key: str,
        exchange: TokenExchange,
        request: Callable[[], TokenRequest],
        secrets: tuple[str, ...],
    ) -> None:
        super().__init__(hint=hint, headers=headers, secrets=secrets)
        self._slug = slug
        self._tokens = tokens
        self._key = key
        self._exchange = exchange
        self._request = request
        # Of each thread, so that a refusal of an older token does not drop the one that another thread just fetched.
        self._sent = threading.local()
        self._remembering = threading.Lock()

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Authorise one request; fetches a token first if need be.

        Raises:
            ModelSyncerError: The token endpoint gave none.
        """
        token = self._tokens.get(self._key, self._fetch)
        self._remember((token,))
        self._sent.token = token
        request = super().__call__(request)
        request.headers["Authorization"] = f"Bearer {token}"
        return request

    def renew(self) -> bool:
        """Drop the token that this thread sent last."""
        token = getattr(self._sent, "token", None)
        if token is None:
            return False
        self._tokens.drop(self._key, token)
        return True

    def _fetch(self) -> Token:
        request = self._request()
        self._remember(request.secrets)
        document = self._exchange(request.url, request.form, request.headers)
        where = f"{self._slug}: POST {redacted_url(request.url, self.secrets)}"
        text = document.get("access_token") if isinstance(document, dict) else None
        if isinstance(text, str) and HEADER_TEXT.fullmatch(text):
            self._remember((text,))
            return Token(text, lifetime(document.get("expires_in")))
        if isinstance(document, dict) and "error" in document:
            said = partial(redact_quote, secrets=self.secrets)
            says = what_it_says(json.dumps(document).encode(), "JSON", said)
            raise ListingRefusedError(f"{where} answered 200 with an error ({says})", status=200, hint=self.hint)
        raise ListingUnreadableError(
            f"{where} answered without a usable access_token", hint="check that this URL is a token endpoint"
        )

    def _remember(self, secrets: Iterable[str]) -> None:
        with self._remembering:
            self._secrets = tuple(dict.fromkeys((*self._secrets, *secrets)))


def lifetime(expires_in: object) -> float:
    """The seconds a token may be used for, from its `expires_in`: a number, or as some servers have it, its digits."""
    if isinstance(expires_in, str) and expires_in.isascii() and expires_in.isdecimal() and len(expires_in) < 20:
        expires_in = int(expires_in)
    if isinstance(expires_in, bool) or not isinstance(expires_in, (int, float)):
        return UNSTATED_LIFETIME
    return float(min(max(expires_in, 0), LONGEST_LIFETIME))
