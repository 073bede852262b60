"""URL arithmetic: joining, query parameters, and which URL may follow which.

Here: pure functions. Not here: showing a URL to anybody (`redaction`), what a key looks like (`key_look`). The concept:
a credential belongs to one scheme, host and port, so a URL from outside is followed only there.
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from provider_pipeline.listing.key_look import holds_well_known_key, is_sensitive_name, looks_like_a_key

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def join_url(base_url: str, path: str, params: Mapping[str, str] | None = None) -> str:
    """A path, which may hold a query, appended to a base URL; parameters set on top."""
    base = urlsplit(base_url)
    own_path, _, own_query = path.partition("?")
    joined = base.path.rstrip("/") + "/" + own_path.lstrip("/") if own_path else base.path
    query = "&".join(part for part in (base.query, own_query) if part)
    return with_params(urlunsplit((base.scheme, base.netloc, joined, query, "")), params or {})


def with_params(url: str, params: Mapping[str, str]) -> str:
    """The URL with these query parameters set; those of the same name are replaced."""
    if not params:
        return url
    parts = urlsplit(url)
    kept = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name not in params]
    query = urlencode([*kept, *params.items()], quote_via=quote)
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))


def param(url: str, name: str) -> str | None:
    """The value of a query parameter, or None."""
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True)).get(name)


def key_in_url(url: str) -> str | None:
    """The part of a URL that contains a secret, by name or by look, or None."""
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


def may_follow(start: str, target: str) -> bool:
    """Whether a URL named by the server may be asked with the credentials meant for `start`.

    The same scheme, host and port; or the step from http to https on the same host and default ports. Never user info.
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
