"""Connections that only a judged address gets, and the HTTP session built on them."""

import functools
import importlib.metadata
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from typing import Any, Final
from urllib.request import getproxies, getproxies_environment

import requests
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar, extract_cookies_to_jar
from requests.utils import get_environ_proxies, select_proxy
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, LocationParseError, NameResolutionError, NewConnectionError
from urllib3.util.connection import allowed_gai_family

from provider_pipeline.listing.addresses import Refusal, address_refusal, url_refusal
from provider_pipeline.listing.auth.credentials import Authorizer
from provider_pipeline.listing.deadline import Deadline
from provider_pipeline.listing.policy import RequestPolicy
from provider_pipeline.listing.redaction import quiet_url_logging
from provider_pipeline.listing.tls import Trust


class AddressRefused(Exception):  # noqa: N818 - a signal to the transport
    """The request would go where the provider's policy does not allow; nothing was sent."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal


@dataclass(frozen=True)
class _Guard:
    """What a listing's connections keep to.

    Attributes:
        deadline: Ends them.
        trust: Whose certificates they accept.
        policy: Judges the addresses; None where a proxy resolves the names.
    """

    deadline: Deadline
    trust: Trust
    policy: RequestPolicy | None

    def connect(self, connection: HTTPConnection, connect: Callable[[], socket.socket]) -> socket.socket:
        """A connection's socket, judged and watched."""
        made = connect() if self.policy is None else _judged(connection, connect, self.deadline, self.policy)
        self.deadline.watch(made)
        return made


class _Connection(HTTPConnection):
    guard: _Guard

    def _new_conn(self) -> socket.socket:
        return self.guard.connect(self, super()._new_conn)


class _SecureConnection(HTTPSConnection):
    guard: _Guard

    def connect(self) -> None:
        # The first handshake with a proxy that speaks TLS itself needs the certificates as they were given.
        if self.proxy is None or self.proxy.scheme != "https":
            self.ssl_context = self.guard.trust.context(self.ca_certs, self.ca_cert_dir)
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


class GuardedAdapter(HTTPAdapter):
    """Judges every address, and lets a `Deadline` watch every connection, direct or to a proxy. Never retries."""

    def __init__(self, deadline: Deadline, policy: RequestPolicy) -> None:
        self._policy = policy
        self._trust = Trust()
        self._direct = _Guard(deadline, self._trust, policy)
        self._proxied = _Guard(deadline, self._trust, None)
        # One thread has one connection at a time.
        super().__init__(max_retries=0, pool_maxsize=1)

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Send a request that its URL alone does not forbid.

        Raises:
            AddressRefused: It does, or the address that the host's name stands for does.
        """
        proxy = select_proxy(request.url or "", kwargs.get("proxies"))
        refusal = url_refusal(request.url or "", self._policy, through_proxy=proxy is not None)
        if refusal is not None:
            raise AddressRefused(refusal)
        return super().send(request, *args, **kwargs)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Create the pools of direct connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _pools(self._direct)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Create, or find, the pools of connections through one proxy."""
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _pools(self._proxied)
        return manager

    def close(self) -> None:
        """End all connections."""
        super().close()
        self._trust.close()


def _pools(guard: _Guard) -> dict[str, Any]:
    return {"http": partial(_Pool, guard), "https": partial(_SecurePool, guard)}


def _judged(
    connection: HTTPConnection, connect: Callable[[], socket.socket], deadline: Deadline, policy: RequestPolicy
) -> socket.socket:
    """Connect to the first address of the host that answers, after all of them were judged."""
    host = connection._dns_host
    addresses = _resolve(connection, host)
    for address in addresses:
        bare = ip_address(address.partition("%")[0])
        refusal = address_refusal(bare, policy, secure=isinstance(connection, HTTPSConnection), name=connection.host)
        if refusal is not None:
            raise AddressRefused(refusal)
    try:
        for address in addresses[:-1]:
            connection._dns_host = address
            try:
                return connect()
            except (NewConnectionError, ConnectTimeoutError):
                # A host may have many addresses, and connecting cannot be cut short.
                if deadline.expired:
                    raise
        connection._dns_host = addresses[-1]
        return connect()
    finally:
        # The name stays what the Host header and the certificate go by.
        connection._dns_host = host


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
    """Sends requests over connections that a deadline cuts and a policy forbids; for one thread.

    Args:
        deadline: Cuts the connections.
        policy: Which addresses may be asked.
        authorizer: Lets the requests in. That there always is one keeps requests from adding a login from the URL.
    """

    def __init__(self, deadline: Deadline, policy: RequestPolicy, authorizer: Authorizer) -> None:
        quiet_url_logging()
        self._authorizer = authorizer
        self._adapter = GuardedAdapter(deadline, policy)
        self._cookies = RequestsCookieJar()

    def prepare(
        self, method: str, url: str, form: Mapping[str, str] | None, headers: Mapping[str, str]
    ) -> requests.PreparedRequest:
        """A request that can be sent, with credentials.

        Raises:
            ModelSyncerError: The authorizer could get none.
            requests.RequestException: The request is malformed.
        """
        request = requests.PreparedRequest()
        request.prepare(
            method=method,
            url=url,
            headers={"User-Agent": user_agent(), **_HEADERS, **headers},
            data=form,
            auth=self._authorizer,
            cookies=self._cookies,
        )
        return request

    def send(self, request: requests.PreparedRequest, timeouts: tuple[float, float]) -> requests.Response:
        """Send a request; its answer's body is still to be read, and a redirect not followed.

        Args:
            request: As `prepare` made it.
            timeouts: Seconds until the connection stands, and between two bytes.

        Raises:
            AddressRefused: The policy forbids it.
            requests.RequestException: No answer came.
        """
        response = self._adapter.send(request, stream=True, timeout=timeouts, **environment_settings(request.url or ""))
        if "Set-Cookie" in response.headers:
            _extract_cookies(self._cookies, request, response.raw)
        return response

    def close(self) -> None:
        """End all connections."""
        self._adapter.close()


@functools.cache
def user_agent() -> str:
    """What every request says it is from."""
    return f"provider-pipeline/{importlib.metadata.version('provider-pipeline')}"


def environment_settings(url: str) -> dict[str, Any]:
    """The proxies and the trusted certificates that the environment names for a URL, as requests understands it."""
    bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    return {"proxies": get_environ_proxies(url) if _may_name_proxies() else {}, "verify": bundle or True}


def _may_name_proxies() -> bool:
    # Where the system has no settings of its own, a look at the names spares reading the whole environment twice.
    return getproxies is not getproxies_environment or any(name[-6:].lower() == "_proxy" for name in os.environ)
