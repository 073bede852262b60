"""Which addresses a provider's requests may go to.

Here: pure functions on URLs and IP addresses. Not here: resolving names and connecting (`connections`). The concept: a
base URL, or the name behind it, must not turn a sync into a visit to the machine's own network; so every address is
judged after it was resolved, and only a judged one is connected to. A cloud's metadata service hands out credentials to
whoever asks from inside, and is inside.
"""

import functools
import socket
import tomllib
from dataclasses import dataclass
from importlib import resources
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

from provider_pipeline.listing.policy import RequestPolicy

Address = IPv4Address | IPv6Address

# Prefixes whose last 32 bits are the IPv4 address a packet ends up at: compatible, mapped, translated, NAT64.
_HOLDS_V4: Final = tuple(map(IPv6Network, ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96")))
_6TO4: Final = IPv6Network("2002::/16")
_TEREDO: Final = IPv6Network("2001::/32")
_ISATAP: Final = (b"\0\0\x5e\xfe", b"\2\0\x5e\xfe")
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
        for inner in _embedded_v4(address):
            if (kind := special_use(inner)) is not None:
                return f"{kind} ({inner})"
        if _ends_up_at_v4(address):
            return None
    if address in _METADATA:
        return "a cloud's metadata address"
    return next(kind for block, kind in _special_blocks() if address in block)


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


@functools.cache
def _special_blocks() -> tuple[tuple[IPv4Network | IPv6Network, str | None], ...]:
    """Each block with its kind, None for a public one; the smallest first, and last those that hold every address."""
    text = (resources.files(__package__) / "data" / "special_addresses.toml").read_text(encoding="utf-8")
    rows = [row for registry in tomllib.loads(text)["registry"] for row in registry["blocks"]]
    blocks = [
        (ip_network(row["block"]), None if row["reachable"] else f"{row.get('kind', 'a private or reserved')} address")
        for row in rows
    ]
    return tuple(sorted(blocks, key=lambda each: -each[0].prefixlen))


def _ends_up_at_v4(address: IPv6Address) -> bool:
    """Whether a packet to this address is one to the IPv4 address it holds."""
    if address.is_unspecified or address.is_loopback:
        return False
    return address in _6TO4 or any(address in network for network in _HOLDS_V4)


def _embedded_v4(address: IPv6Address) -> list[IPv4Address]:
    """The IPv4 addresses that a transition mechanism has put into an IPv6 address."""
    packed = address.packed
    if address in _TEREDO:  # the server's, and the client's with each bit turned over (RFC 4380, 4)
        return [IPv4Address(packed[4:8]), IPv4Address(bytes(255 - byte for byte in packed[12:]))]
    if address in _6TO4:
        return [IPv4Address(packed[2:6])]
    if _ends_up_at_v4(address) or packed[8:12] in _ISATAP:
        return [IPv4Address(packed[12:])]
    return []


def _plain_http(how: str) -> Refusal:
    return Refusal(
        f"is not sent: plain http{how} shows the key to everybody on the way",
        "use https:// in the base URL; or add the provider with --allow-http, or with --allow-private if it is inside "
        "your own network",
    )
