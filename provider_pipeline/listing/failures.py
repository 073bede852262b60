"""Why no answer came, in words.

Here: from the HTTP library's exceptions to a reason, whether it may pass, and what to do. Not here: error statuses
(`answers`) and unreadable bodies (`documents`). The concept: an exception's own text is never shown, since it holds
the URL with the key.
"""

from dataclasses import dataclass
from typing import Any

import requests
from urllib3 import exceptions as urllib3_errors

from provider_pipeline.errors import Stage
from provider_pipeline.listing.policy import FetchLimits


@dataclass(frozen=True)
class Unreachable:
    """Why no answer came.

    Attributes:
        stage: What went wrong.
        reason: In words.
        transient: Whether it may pass.
        hint: What to do about it.
    """

    stage: Stage
    reason: str
    transient: bool
    hint: str


def why_unreachable(error: requests.RequestException, limits: FetchLimits) -> Unreachable:
    """The reason for which the HTTP library gave up."""
    again = "the next scheduled check tries again"
    # The first that fits; requests nests its own errors, so the more telling ones come first.
    known: tuple[tuple[type[BaseException], Stage, str, bool, str], ...] = (
        (
            requests.exceptions.SSLError,
            "tls",
            "TLS failed or its certificate is not trusted",
            False,
            "check host and certificate",
        ),
        (
            requests.exceptions.ProxyError,
            "connection",
            "the proxy refused or is not there",
            True,
            "check HTTPS_PROXY and NO_PROXY",
        ),
        (
            urllib3_errors.NameResolutionError,
            "name",
            "the host's name is not known",
            True,
            "check the base URL and the network",
        ),
        (
            requests.exceptions.ConnectTimeout,
            "connection",
            f"no connection within {limits.connect_timeout:g} s",
            True,
            again,
        ),
        (requests.exceptions.ReadTimeout, "listing", f"it was silent for {limits.read_timeout:g} s", True, again),
        (
            ConnectionRefusedError,
            "connection",
            "the connection was refused",
            True,
            "check the base URL's host and port",
        ),
        (urllib3_errors.NewConnectionError, "connection", "no connection to the host could be made", True, again),
        (
            requests.exceptions.ConnectionError,
            "listing",
            "the connection failed or was closed too early",
            True,
            again,
        ),
        (
            requests.RequestException,
            "connection",
            f"the request cannot be sent ({type(error).__name__})",
            False,
            "check the base URL",
        ),
    )
    stage, reason, transient, hint = next(entry[1:] for entry in known if is_caused_by(error, entry[0]))
    return Unreachable(stage, f"got no answer: {reason}", transient, hint)


def is_caused_by(error: BaseException, kind: type[BaseException]) -> bool:
    """Whether an error of this kind is among the causes, contexts or arguments of an error."""
    seen: list[Any] = [error]
    for candidate in seen:
        if isinstance(candidate, kind):
            return True
        related = [candidate.__cause__, candidate.__context__, getattr(candidate, "reason", None), *candidate.args]
        seen += [
            item for item in related if isinstance(item, BaseException) and not any(item is other for other in seen)
        ]
    return False
