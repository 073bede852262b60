"""Which addresses a provider's requests may go to.

Here: pure functions on URLs and IP addresses. Not here: resolving names and connecting (`connections`). The concept: a
base URL, or the name behind it, must not turn a sync into a visit to the machine's own network; so every address is
judged after it was resolved, and only a judged one is connected to. A cloud's metadata service hands out credentials to
whoever asks from inside, and is inside.
"""

import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import urlsplit

from provider_pipeline.listing.policy import RequestPolicy

Address = IPv4Address | IPv6Address

_PUBLIC_V6: Final = IPv6Network("2000::/3")
_DOCUMENTATION_V6: Final = IPv6Network("3fff::/20")
# Prefixes whose last 32 bits are the IPv4 address a packet ends up at: compatible, mapped, translated, NAT64.
_HOLDS_V4: Final = tuple(map(IPv6Network, ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96")))
_6TO4: Final = IPv6Network("2002::/16")
# Azure's: a public address by number, answered by the machine's own host.
_METADATA: Final = frozenset({IPv4Address("168.63.129.16"), IPv4Address("169.254.169.254")})


@dataclass(frozen=True)
class Refusal:
    """Why a request is not sent; `reason` continues the words "GET <url>"."""

    reason: str
    hint: str


def url_refusal(url: str, policy: RequestPolicy, *, through_proxy: bool = False) -> Refusal | None:
    """What a URL alone already forbids, before any name is resolved.

    Args:
        url: With a host.
        policy: What the provider allows.
        through_proxy: A proxy resolves the host's name; whether a plain http request leaves the private network cannot
            be told then.
    """
    parts = urlsplit(url)
    secure = parts.scheme.lower() == "https"
    host = (parts.hostname or "").rstrip(".")
    address = literal_address(host)
    if address is not None:
        return address_refusal(address, policy, secure=secure)
    if host == "localhost" or host.endswith(".localhost"):
        return address_refusal(IPv4Address("127.0.0.1"), policy, secure=secure, name=host)
    if secure or policy.allow_http or (policy.allow_private and not through_proxy):
        return None
    return _plain_http(" through a proxy" if policy.allow_private else "")


def address_refusal(
    address: Address, policy: RequestPolicy, *, secure: bool, name: str | None = None
) -> Refusal | None:
    """Why this address is not asked; None when it may be.

    Args:
        address: Where the connection would go.
        policy: What the provider allows.
        secure: The request goes over TLS.
        name: The host's name, if the address was resolved from one.
    """
    special = special_use(address)
    if special is None:
        return None if secure or policy.allow_http else _plain_http(f" to {address}")
    if policy.allow_private:
        return None
    resolved = f"{name} is {address}, " if name else f"{address} is "
    return Refusal(
        f"is not sent: {resolved}{special}",
        "if the provider really is inside your own network, add it with --allow-private",
    )


def special_use(address: Address) -> str | None:
    """What kind of address it is, if it is no public one: "a loopback address", say."""
    if isinstance(address, IPv6Address):
        inner = _inner_v4(address)
        if inner is not None:
            kind = special_use(inner)
            return f"{kind} ({inner})" if kind else None
    if address in _METADATA:
        return "a cloud's metadata address"
    for kind in ("unspecified", "loopback", "link_local", "multicast"):
        if getattr(address, f"is_{kind}"):
            return f"{'an' if kind == 'unspecified' else 'a'} {kind.replace('_', '-')} address"
    if isinstance(address, IPv6Address) and (address not in _PUBLIC_V6 or address in _DOCUMENTATION_V6):
        return "a private or reserved address"
    return None if address.is_global else "a private or reserved address"


def literal_address(host: str) -> Address | None:
    """The address that a URL's host spells out, in any spelling that resolvers take (`127.1`, `0x7f000001`)."""
    try:
        return ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host))
    except (OSError, UnicodeError):
        return None


def _inner_v4(address: IPv6Address) -> IPv4Address | None:
    if address.is_unspecified or address.is_loopback:
        return None
    if any(address in network for network in _HOLDS_V4):
        return IPv4Address(address.packed[-4:])
    return IPv4Address(address.packed[2:6]) if address in _6TO4 else None


def _plain_http(how: str) -> Refusal:
    return Refusal(
        f"is not sent: plain http{how} shows the key to everybody on the way",
        "use https:// in the base URL; or add the provider with --allow-http, or with --allow-private if it is inside "
        "your own network",
    )
