"""Connections that end with their deadline and go only where the provider's policy lets them.

Here: what requests and urllib3 must be told for it. Not here: which addresses may be asked (`addresses`), the clock
(`deadline`), the session (`session`). The concept: the check and the connection use one and the same resolved address,
so a name that is resolved differently a moment later (DNS rebinding) gains nothing.

Through a proxy, the proxy resolves the name and the operator has chosen the proxy: its own address is not judged, and
of the target's only what the URL spells out.
"""

import socket
from collections.abc import Callable
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


class AddressRefused(Exception):  # noqa: N818 - a signal to the transport
    """The request would go where the provider's policy does not allow; nothing was sent."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal


class GuardedAdapter(HTTPAdapter):
    """Judges every address, and lets a `Deadline` watch every connection, direct or to a proxy. Never retries."""

    def __init__(self, deadline: Deadline, policy: RequestPolicy) -> None:
        class Connection(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                return _watched(deadline, _judged(self, super()._new_conn, deadline, policy))

        class SecureConnection(HTTPSConnection):
            def _new_conn(self) -> socket.socket:
                return _watched(deadline, _judged(self, super()._new_conn, deadline, policy))

        class ProxyConnection(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                return _watched(deadline, super()._new_conn())

        class SecureProxyConnection(HTTPSConnection):
            def _new_conn(self) -> socket.socket:
                return _watched(deadline, super()._new_conn())

        self._policy = policy
        self._direct = _pools(Connection, SecureConnection)
        self._proxied = _pools(ProxyConnection, SecureProxyConnection)
        super().__init__(max_retries=0)

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
        self.poolmanager.pool_classes_by_scheme = self._direct

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Create, or find, the pools of connections through one proxy."""
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self._proxied
        return manager


def _pools(plain: type[HTTPConnection], secure: type[HTTPSConnection]) -> dict[str, Any]:
    return {
        "http": type("Pool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
        "https": type("SecurePool", (HTTPSConnectionPool,), {"ConnectionCls": secure}),
    }


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


def _watched(deadline: Deadline, connection: socket.socket) -> socket.socket:
    deadline.watch(connection)
    return connection
