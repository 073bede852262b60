"""Adds credentials to requests: headers, query parameters, and access tokens that are cached and renewed."""

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
from provider_pipeline.listing.auth.secrets import HEADER_TEXT
from provider_pipeline.listing.error_responses import describe_error_body
from provider_pipeline.listing.policy import with_params
from provider_pipeline.listing.redaction import redact_quote, redacted_url


class Authorizer(AuthBase):
    """Adds headers and query parameters to every request of one listing; `hint` says what to check on a refusal."""

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
        """The values to redact; fetching tokens adds to them."""
        return self._secrets

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Authorise a request."""
        request.headers.update(self._headers)
        request.url = with_params(request.url or "", self._params)
        return request

    def renew(self) -> bool:
        """Drop stale credentials after a 401; whether another attempt would carry new ones."""
        return False


TokenExchange = Callable[[str, Mapping[str, str], Mapping[str, str]], Any]
"""Posts a form (URL, fields, further headers) and returns the response's JSON document, or raises `ListingError`."""

UNSTATED_LIFETIME: Final = 300.0
"""Seconds for which a token without `expires_in` is used."""
MAX_LIFETIME: Final = 24 * 3600.0
_MARGIN: Final = 60.0
"""A token is replaced so many seconds before it expires, or after nine tenths of its lifetime if that is later."""


@dataclass(frozen=True)
class Token:
    """An access token and its lifetime in seconds."""

    text: str = field(repr=False)
    lifetime: float


@dataclass(frozen=True)
class TokenRequest:
    """A request to a token endpoint, and the values in it to redact."""

    url: str
    form: Mapping[str, str] = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)


class TokenCache:
    """Keeps tokens until they expire; thread-safe: one thread fetches for all that wait."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}

    def get(self, key: str, fetch: Callable[[], Token]) -> str:
        """The cached token of a key; a new one is fetched if it is missing or has expired."""
        with self._lock:
            kept = self._kept.setdefault(key, _Kept())
        with kept.lock:
            now = self._clock()
            if kept.text is None or now >= kept.until:
                token = fetch()
                kept.text = token.text
                # Counted from before the request, because the token may have been issued at any time since.
                kept.until = now + token.lifetime - min(_MARGIN, token.lifetime / 10)
            return kept.text

    def drop(self, key: str, text: str) -> None:
        """Drop a token, unless it has been replaced already."""
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
    """The cache key of a provider's token; it changes with the configuration and the secrets, given as `parts`."""
    return f"{slug} {hashlib.sha256(json.dumps([*parts]).encode()).hexdigest()}"


class TokenAuthorizer(Authorizer):
    """Sends `Authorization: Bearer` with a token, which it fetches when there is no usable one.

    Args:
        key: The token's key in the cache.
        request: Makes the request for a token, anew for each fetch, because some are signed with the current time.
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
        # Per thread, so that the refusal of an old token does not drop the one another thread has just fetched.
        self._sent = threading.local()
        self._remembering = threading.Lock()

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Authorise a request, fetching a token first if necessary.

        Raises:
            ModelSyncerError: The token endpoint issued none.
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
            return Token(text, token_lifetime(document.get("expires_in")))
        if isinstance(document, dict) and "error" in document:
            redactor = partial(redact_quote, secrets=self.secrets)
            says = describe_error_body(json.dumps(document).encode(), "JSON", redactor)
            raise ListingRefusedError(f"{where} answered 200 with an error ({says})", status=200, hint=self.hint)
        raise ListingUnreadableError(
            f"{where} answered without a usable access_token", hint="check that this URL is a token endpoint"
        )

    def _remember(self, secrets: Iterable[str]) -> None:
        with self._remembering:
            self._secrets = tuple(dict.fromkeys((*self._secrets, *secrets)))


def token_lifetime(expires_in: object) -> float:
    """A token's lifetime in seconds from its `expires_in`: a number, or, from some servers, its digits in a string."""
    if isinstance(expires_in, str) and expires_in.isascii() and expires_in.isdecimal() and len(expires_in) < 20:
        expires_in = int(expires_in)
    if isinstance(expires_in, bool) or not isinstance(expires_in, (int, float)):
        return UNSTATED_LIFETIME
    return float(min(max(expires_in, 0), MAX_LIFETIME))
