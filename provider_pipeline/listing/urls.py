"""URL arithmetic: joining, query parameters, and which URL may follow which.

Here: pure functions. Not here: showing a URL to anybody (`redaction`). The concept: a credential belongs to one
scheme, host and port, so a URL from outside is followed only there.
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

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


def query_names(url: str) -> list[str]:
    """The names of the URL's query parameters."""
    return [name for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True)]


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
