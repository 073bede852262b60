"""Connections that end with their deadline and go only where the provider's policy lets them.

Here: what requests and urllib3 must be told for it. Not here: which addresses may be asked (`addresses`), the clock
(`deadline`), the session (`session`). The concept: the check and the connection use one and the same resolved address,
so a name that is resolved differently a moment later (DNS rebinding) gains nothing.

Through a proxy, the proxy resolves the name and the operator has chosen the proxy: its own address is not judged, and
of the target's only what the URL spells out.
"""

import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.utils import select_proxy
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, LocationParseError, NameResolutionError, NewConnectionError
from urllib3.util.connection import allowed_gai_family

from provider_pipeline.listing.addresses import Refusal, address_refusal, url_refusal
from provider_pipeline.listing.deadline import Deadline
from provider_pipeline.listing.policy import RequestPolicy
from provider_pipeline.listing.trust import Trust


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
