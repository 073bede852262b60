"""What a stored document may ask to be sent, and where tokens may be asked for.

Here: pure functions for the models' validators. Not here: the models (`kinds`). The concept: what stands in a document
is no secret and breaks no request; a document that would is refused when it is stored, without its values.
"""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from provider_pipeline.listing.auth.secrets import HEADER_TEXT
from provider_pipeline.listing.key_look import is_sensitive_name, looks_like_a_key
from provider_pipeline.listing.urls import key_in_url

_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_INSTEAD: Final = (
    'put it into an environment variable, and say where: {"type": "header", "name": NAME, "env": VARIABLE}'
)
_OURS: Final = frozenset(
    {"host", "connection", "content-length", "transfer-encoding", "accept-encoding", "te", "upgrade"}
)


def header_name(name: str) -> str:
    """Refuse a header that cannot be set."""
    if not _HEADER_NAME.fullmatch(name) or name.lower() in _OURS:
        raise ValueError(f"{name!r} cannot be used as a header's name")
    return name


def static_headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Refuse headers that cannot be sent, or would keep a secret in a table."""
    for name, value in headers.items():
        header_name(name)
        if is_sensitive_name(name):
            raise ValueError(f"header {name!r} usually holds a secret; {_INSTEAD}")
        if not HEADER_TEXT.fullmatch(value):
            raise ValueError(f"the value of header {name!r} cannot be sent")
        if looks_like_a_key(value, name=name):
            raise ValueError(f"the value of header {name!r} looks like a key; {_INSTEAD}")
    return headers


def token_url(url: str) -> str:
    """Refuse a URL that cannot be a token endpoint."""
    if (problem := token_url_problem(url)) is not None:
        raise ValueError(problem)
    return url


def token_url_problem(url: str) -> str | None:
    """Why a URL cannot be a token endpoint, as the end of a sentence; whether http may be asked is the transport's."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or not url.isprintable() or " " in url or "#" in url:
        return "is not an http(s) URL that can be asked"
    return None if key_in_url(url) is None else "holds a secret in its address"
