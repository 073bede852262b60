"""The HTTP session of a listing: it connects only to allowed addresses, and a deadline can end its connections."""

import functools
import importlib.metadata
import os
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit
from urllib.request import getproxies, getproxies_environment

import requests
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar, extract_cookies_to_jar
from requests.structures import CaseInsensitiveDict
from requests.utils import get_environ_proxies, select_proxy
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import ConnectionPool
from urllib3.exceptions import (
    ConnectTimeoutError,
    LocationParseError,
    NameResolutionError,
    NewConnectionError,
    SSLError,
)
from urllib3.util.connection import allowed_gai_family
from urllib3.util.ssl_ import create_urllib3_context

from provider_pipeline.listing.auth.credentials import Authorizer
from provider_pipeline.listing.limits import Deadline
from provider_pipeline.listing.policy import Refusal, RequestPolicy, address_refusal, url_refusal
from provider_pipeline.listing.redaction import quiet_url_logging


class AddressRefused(Exception):  # noqa: N818 - a signal to the transport
    """The provider's policy forbids the address; nothing was sent."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal


@dataclass(frozen=True)
class CaBundle:
    """Trusted certificates as they are now: a file or a folder, and when it was written."""

    file: str | None
    folder: str | None
    written: tuple[int, ...]

    @classmethod
    def at(cls, file: str | None, folder: str | None) -> Self:
        """The bundle as it is at this moment.

        Raises:
            SSLError: The bundle cannot be read.
        """
        try:
            found = [Path(place).stat() for place in (file, folder) if place is not None]
        except OSError as error:
            raise SSLError(error) from error
        return cls(file, folder, tuple(number for each in found for number in (each.st_mtime_ns, each.st_size)))

    def context(self) -> ssl.SSLContext:
        """A new context that trusts these certificates.

        Raises:
            SSLError: They cannot be read.
        """
        context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
        try:
            context.load_verify_locations(self.file, self.folder)
        except OSError as error:
            raise SSLError(error) from error
        return context


class TlsContextPool:
    """TLS contexts that are not in use; thread-safe.

    Loading the usual bundle costs more than the rest of a request, so contexts are reused until it changes. Only one
    listing uses a context at a time, because urllib3 configures it anew for each connection.
    """

    def __init__(self) -> None:
        self._idle: list[tuple[CaBundle, ssl.SSLContext]] = []

    def take(self, bundle: CaBundle) -> ssl.SSLContext:
        """A context for a bundle; idle ones for other versions of it are dropped.

        Raises:
            SSLError: The certificates cannot be read.
        """
        while True:
            try:
                kept, context = self._idle.pop()
            except IndexError:
                return bundle.context()
            if kept == bundle:
                return context

    def put(self, bundle: CaBundle, context: ssl.SSLContext) -> None:
        """Return a context."""
        self._idle.append((bundle, context))


_TLS_CONTEXTS: Final = TlsContextPool()


class BorrowedContexts:
    """The TLS contexts of one listing, borrowed from a pool."""

    def __init__(self, pool: TlsContextPool = _TLS_CONTEXTS) -> None:
        self._pool = pool
        self._borrowed: dict[CaBundle, ssl.SSLContext] = {}

    def context(self, file: str | None, folder: str | None) -> ssl.SSLContext:
        """A context that trusts a file's or a folder's certificates.

        Raises:
            SSLError: They cannot be read.
        """
        bundle = CaBundle.at(file, folder)
        if bundle not in self._borrowed:
            self._borrowed[bundle] = self._pool.take(bundle)
        return self._borrowed[bundle]

    def close(self) -> None:
        """Return all contexts; no connection may use one any more."""
        for bundle, context in self._borrowed.items():
            self._pool.put(bundle, context)
        self._borrowed.clear()


@dataclass(frozen=True)
class _Guard:
    """Applied to each of a listing's connections; without a policy where a proxy resolves the names."""

    deadline: Deadline
    contexts: BorrowedContexts
    policy: RequestPolicy | None

    def connect(self, connection: HTTPConnection, connect: Callable[[], socket.socket]) -> socket.socket:
        """Connect to an allowed address, and have the deadline watch the socket."""
        made = connect() if self.policy is None else self._connect_to_allowed(connection, connect, self.policy)
        self.deadline.watch(made)
        return made

    def _connect_to_allowed(
        self, connection: HTTPConnection, connect: Callable[[], socket.socket], policy: RequestPolicy
    ) -> socket.socket:
        """Check all addresses of the host, then connect to the first that answers."""
        host = connection._dns_host
        addresses = _resolve(connection, host)
        for address in addresses:
            bare = ip_address(address.partition("%")[0])
            refusal = address_refusal(
                bare, policy, secure=isinstance(connection, HTTPSConnection), name=connection.host
            )
            if refusal is not None:
                raise AddressRefused(refusal)
        try:
            for address in addresses[:-1]:
                connection._dns_host = address
                try:
                    return connect()
                except (NewConnectionError, ConnectTimeoutError):
                    # A host may have many addresses, and connecting cannot be interrupted.
                    if self.deadline.expired:
                        raise
            connection._dns_host = addresses[-1]
            return connect()
        finally:
            # The Host header and the certificate check use the name.
            connection._dns_host = host


class _Connection(HTTPConnection):
    guard: _Guard

    def _new_conn(self) -> socket.socket:
        return self.guard.connect(self, super()._new_conn)


class _SecureConnection(HTTPSConnection):
    guard: _Guard

    def connect(self) -> None:
        # The first handshake with a proxy that speaks TLS itself needs the certificates as they were given.
        if self.proxy is None or self.proxy.scheme != "https":
            self.ssl_context = self.guard.contexts.context(self.ca_certs, self.ca_cert_dir)
            self.ca_certs = self.ca_cert_dir = None
        super().connect()

    def _new_conn(self) -> socket.socket:
        return self.guard.connect(self, super()._new_conn)


class _Pool(HTTPConnectionPool):
    ConnectionCls: type[HTTPConnection] = _Connection

    def __init__(self, guard: _Guard, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._guard = guard

    def _new_conn(self) -> Any:
        connection: Any = super()._new_conn()
        connection.guard = self._guard
        return connection


class _SecurePool(_Pool, HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_POOLS: Final = {"http": _Pool, "https": _SecurePool}


class GuardedAdapter(HTTPAdapter):
    """Checks every address and has a deadline watch every connection, direct or to a proxy. Never retries."""

    def __init__(self, deadline: Deadline, policy: RequestPolicy) -> None:
        self._policy = policy
        self._contexts = BorrowedContexts()
        self._direct = _Guard(deadline, self._contexts, policy)
        self._proxied = _Guard(deadline, self._contexts, None)
        # One thread has one connection at a time, so a pool holds one.
        self._pools: dict[tuple[object, ...], HTTPConnectionPool] = {}
        super().__init__(max_retries=0, pool_maxsize=1)

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Send a request.

        Raises:
            AddressRefused: The policy forbids its URL, or an address of its host.
        """
        proxy = _proxy_of(request, kwargs.get("proxies"))
        refusal = url_refusal(request.url or "", self._policy, through_proxy=proxy is not None)
        if refusal is not None:
            raise AddressRefused(refusal)
        return super().send(request, *args, **kwargs)

    def get_connection_with_tls_context(
        self, request: requests.PreparedRequest, verify: Any, proxies: Any = None, cert: Any = None
    ) -> ConnectionPool:
        """Create, or find, the pool of a host: the one that requests would have urllib3 look up by twenty settings."""
        parts = urlsplit(request.url or "")
        if _proxy_of(request, proxies) is not None or parts.scheme not in _POOLS:
            return super().get_connection_with_tls_context(request, verify, proxies, cert)
        try:
            key = parts.scheme, parts.hostname or "", parts.port, verify
        except ValueError as error:
            raise requests.exceptions.InvalidURL(error, request=request) from error
        if key not in self._pools:
            self._pools[key] = _POOLS[parts.scheme](self._direct, parts.hostname, parts.port, maxsize=1)
        return self._pools[key]

    def request_url(self, request: requests.PreparedRequest, proxies: Any) -> str:
        """What the request line names: a path, or a whole URL for a proxy."""
        return super().request_url(request, proxies) if proxies else request.path_url

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        """The response, without cookies and the encoding of its text, which nobody reads."""
        response = requests.Response()
        response.status_code, response.reason = resp.status, resp.reason
        response.headers = CaseInsensitiveDict(resp.headers)
        response.raw = resp
        response.request = req
        return response

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Create, or find, the pools of connections through one proxy."""
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = {scheme: partial(pool, self._proxied) for scheme, pool in _POOLS.items()}
        return manager

    def close(self) -> None:
        """End all connections."""
        super().close()
        for pool in self._pools.values():
            pool.close()
        self._contexts.close()


def _proxy_of(request: requests.PreparedRequest, proxies: Any) -> str | None:
    return select_proxy(request.url or "", proxies) if proxies else None


def _resolve(connection: HTTPConnection, host: str) -> list[str]:
    try:
        found = socket.getaddrinfo(host.strip("[]"), connection.port, allowed_gai_family(), socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise NameResolutionError(connection.host, connection, error) from error
    except UnicodeError:
        raise LocationParseError(host) from None
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


# Published without types.
_extract_cookies: Final[Callable[..., None]] = extract_cookies_to_jar
_HEADERS: Final = {"Accept-Encoding": "gzip, deflate", "Accept": "application/json", "Connection": "keep-alive"}


class ListingSession:
    """Sends the requests of one listing with credentials, cookies and the environment's proxies; for one thread."""

    def __init__(self, deadline: Deadline, policy: RequestPolicy, authorizer: Authorizer) -> None:
        quiet_url_logging()
        # Always set, even without a key, because `requests` would otherwise use a login from the URL.
        self._authorizer = authorizer
        self._adapter = GuardedAdapter(deadline, policy)
        self._cookies: RequestsCookieJar | None = None

    def prepare(
        self, method: str, url: str, form: Mapping[str, str] | None, headers: Mapping[str, str]
    ) -> requests.PreparedRequest:
        """A request with credentials.

        Raises:
            ModelSyncerError: The authorizer could get no token.
            requests.RequestException: The request is malformed.
        """
        request = requests.PreparedRequest()
        # The steps of its `prepare`, in its order, but without a jar of cookies until the server has set one.
        request.prepare_method(method)
        request.prepare_url(url, None)
        request.prepare_headers({"User-Agent": user_agent(), **_HEADERS, **headers})
        if self._cookies is not None:
            request.prepare_cookies(self._cookies)
        request.prepare_body(form, None)
        request.prepare_auth(self._authorizer)
        return request

    def send(self, request: requests.PreparedRequest, timeouts: tuple[float, float]) -> requests.Response:
        """Send a request. The response's body is not read yet, and a redirect not followed.

        Args:
            request: From `prepare`.
            timeouts: Seconds for connecting, and between two bytes.

        Raises:
            AddressRefused: The policy forbids it.
            requests.RequestException: No response came.
        """
        response = self._adapter.send(request, stream=True, timeout=timeouts, **environment_settings(request.url or ""))
        if "Set-Cookie" in response.headers:
            if self._cookies is None:
                self._cookies = RequestsCookieJar()
            _extract_cookies(self._cookies, request, response.raw)
        return response

    def close(self) -> None:
        """End all connections."""
        self._adapter.close()


@functools.cache
def user_agent() -> str:
    """The User-Agent of every request."""
    return f"provider-pipeline/{importlib.metadata.version('provider-pipeline')}"


def environment_settings(url: str) -> dict[str, Any]:
    """The proxies and trusted certificates that the environment sets for a URL, as `requests` reads it."""
    bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    return {"proxies": get_environ_proxies(url) if _may_name_proxies() else {}, "verify": bundle or True}


def _may_name_proxies() -> bool:
    # If the system has no proxy settings, this avoids reading the whole environment twice.
    return getproxies is not getproxies_environment or "_proxy\n" in "\n".join((*os.environ, "")).lower()
