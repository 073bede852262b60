"""A provider's request policy, as data, and the URLs and IP addresses that it allows."""

import functools
import socket
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Annotated, Any, Final, Self
from urllib.parse import parse_qsl, quote, unquote, urlencode, urljoin, urlsplit, urlunsplit

from pydantic import BaseModel, Field, ValidationError

from provider_pipeline.errors import ConfigurationError
from provider_pipeline.listing.key_looks import holds_well_known_key, is_sensitive_name, looks_like_a_key
from provider_pipeline.listing.limits import FetchLimits
from provider_pipeline.rules.variants import BUILT_WHEN_USED


class RequestPolicy(BaseModel):
    """What one provider's requests may do, as stored in `provider_metadata.request_config`.

    Attributes:
        allow_private: Private, loopback, link-local and metadata addresses are allowed, by plain http too.
        allow_http: Plain http to public addresses is allowed, although the key can be read on the way.
        requests_per_second: Most requests that start within a second on its host; None for no limit.
        concurrency: Overrides `FetchLimits.concurrency`, and the three below their namesakes.
    """

    model_config = BUILT_WHEN_USED

    allow_private: bool = False
    allow_http: bool = False
    requests_per_second: Annotated[float, Field(gt=0, le=1000)] | None = None
    concurrency: Annotated[int, Field(gt=0, le=64)] | None = None
    deadline: Annotated[float, Field(gt=0, le=86_400)] | None = None
    max_pages: Annotated[int, Field(gt=0)] | None = None
    max_total_bytes: Annotated[int, Field(gt=0)] | None = None

    @classmethod
    def parse(cls, document: Mapping[str, Any], *, slug: str = "provider") -> Self:
        """Read a stored document.

        Raises:
            ConfigurationError: One line that says what is wrong.
        """
        try:
            return cls.model_validate(dict(document))
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            raise ConfigurationError(
                f"{slug}: request_config is not understood: {'.'.join(map(str, first['loc']))}: {first['msg']}",
                hint=f"its settings are {', '.join(cls.model_fields)}",
            ) from error

    def limits(self, limits: FetchLimits) -> FetchLimits:
        """The client's limits with this provider's overrides."""
        own = {name: getattr(self, name) for name in ("concurrency", "deadline", "max_pages", "max_total_bytes")}
        return limits.model_copy(update={name: value for name, value in own.items() if value is not None})


_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def join_url(base_url: str, path: str, params: Mapping[str, str] | None = None) -> str:
    """Append a path, which may hold a query, to a base URL, and set query parameters."""
    base = urlsplit(base_url)
    own_path, _, own_query = path.partition("?")
    joined = base.path.rstrip("/") + "/" + own_path.lstrip("/") if own_path else base.path
    query = "&".join(part for part in (base.query, own_query) if part)
    return with_params(urlunsplit((base.scheme, base.netloc, joined, query, "")), params or {})


def with_params(url: str, params: Mapping[str, str]) -> str:
    """Set query parameters of a URL, replacing those of the same name."""
    if not params:
        return url
    parts = urlsplit(url)
    kept = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name not in params]
    query = urlencode([*kept, *params.items()], quote_via=quote)
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))


def param(url: str, name: str) -> str | None:
    """The value of a query parameter."""
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True)).get(name)


def key_in_url(url: str) -> str | None:
    """The part of a URL that seems to contain a secret, or None."""
    parts = urlsplit(url)
    if "@" in parts.netloc:
        return "user info"
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if is_sensitive_name(name) or looks_like_a_key(value, name=name):
            return f"query parameter {name!r}"
    if any(looks_like_a_key(unquote(segment)) for segment in parts.path.split("/")):
        return "path"
    # Clouds give hosts random names, so only a well-known form counts there.
    return "host" if holds_well_known_key(parts.netloc) else None


def resolved_url(url: str, target: str) -> str | None:
    """What a URL on a page or in a header of `url` refers to; None if it is not a URL."""
    try:
        return urljoin(url, target)
    except ValueError:
        return None


def may_follow(start: str, target: str) -> bool:
    """Whether a URL named by the server may get the credentials meant for `start`.

    It may on the same scheme, host and port, and from http to https on the same host and default ports; never with user
    info.
    """
    try:
        origin, next_origin = _origin(start), _origin(target)
        if "@" in urlsplit(target).netloc:
            return False
    except ValueError:
        return False
    if origin == next_origin:
        return True
    return origin == ("http", next_origin[1], 80) and next_origin == ("https", origin[1], 443)


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    if scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise ValueError("not an http URL")
    return scheme, parts.hostname.lower().rstrip("."), parts.port or _DEFAULT_PORTS[scheme]


Address = IPv4Address | IPv6Address

# Prefixes whose last 32 bits are the IPv4 address that receives the packet: compatible, mapped, translated, NAT64.
_CARRIES_V4: Final = tuple(map(IPv6Network, ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96")))
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
    """Why a URL is refused before its name is resolved, or None.

    Args:
        url: With a host.
        policy: What the provider allows.
        through_proxy: A proxy resolves the name, so plain http may leave the private network.
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
    """Why an address is refused, or None.

    Args:
        address: Where the connection would go.
        policy: What the provider allows.
        secure: Over TLS.
        name: The host's name that resolved to the address, if it was not literal.
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


@functools.lru_cache(maxsize=4_096)  # each request asks several times, and searches two dozen blocks
def special_use(address: Address) -> str | None:
    """The kind of a non-public address, such as "a loopback address", or None."""
    if isinstance(address, IPv6Address):
        for inner in _embedded_v4(address):
            if (kind := special_use(inner)) is not None:
                return f"{kind} ({inner})"
        if _is_routed_to_v4(address):
            return None
    if address in _METADATA:
        return "a cloud's metadata address"
    return next(kind for block, kind in _special_blocks() if address in block)


@functools.lru_cache(maxsize=4_096)  # asked when a source is made, and again for each request to its host
def literal_address(host: str) -> Address | None:
    """The address a URL's host spells out, in any form that resolvers accept (`127.1`, `0x7f000001`)."""
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
    """Address blocks with their kinds, None for public ones; the smallest come first, the whole address space last."""
    text = (resources.files(__package__) / "data" / "special_addresses.toml").read_text(encoding="utf-8")
    rows = [row for registry in tomllib.loads(text)["registry"] for row in registry["blocks"]]
    blocks = [
        (ip_network(row["block"]), None if row["reachable"] else f"{row.get('kind', 'a private or reserved')} address")
        for row in rows
    ]
    return tuple(sorted(blocks, key=lambda each: -each[0].prefixlen))


def _is_routed_to_v4(address: IPv6Address) -> bool:
    """Whether packets to this address reach the IPv4 address embedded in it."""
    if address.is_unspecified or address.is_loopback:
        return False
    return address in _6TO4 or any(address in network for network in _CARRIES_V4)


def _embedded_v4(address: IPv6Address) -> list[IPv4Address]:
    """The IPv4 addresses that a transition mechanism embeds in an IPv6 address."""
    packed = address.packed
    if address in _TEREDO:  # the server's, and the client's with inverted bits (RFC 4380, 4)
        return [IPv4Address(packed[4:8]), IPv4Address(bytes(255 - byte for byte in packed[12:]))]
    if address in _6TO4:
        return [IPv4Address(packed[2:6])]
    if _is_routed_to_v4(address) or packed[8:12] in _ISATAP:
        return [IPv4Address(packed[12:])]
    return []


def _plain_http(how: str) -> Refusal:
    return Refusal(
        f"is not sent: plain http{how} shows the key to everybody on the way",
        "use https:// in the base URL; or add the provider with --allow-http, or with --allow-private if it is inside "
        "your own network",
    )
