"""Why no answer came, in words.

Here: from the HTTP library's exceptions to a reason, whether it may pass, and what to do. Not here: error statuses
(`answers`) and unreadable bodies (`documents`). The concept: an exception's own text is never shown, since it holds
the URL with the key.
"""

from typing import Any

import requests
from urllib3 import exceptions as urllib3_errors

from provider_pipeline.listing.policy import FetchLimits


def why_unreachable(error: requests.RequestException, limits: FetchLimits) -> tuple[str, bool, str]:
    """The reason, whether it may pass, and what to do about it."""
    again = "the next scheduled check tries again"
    seconds = f"{limits.connect_timeout:g} s"
    # The first that fits; requests nests its own errors, so the more telling ones come first.
    known: tuple[tuple[type[BaseException], str, bool, str], ...] = (
        (
            requests.exceptions.SSLError,
            "TLS failed or its certificate is not trusted",
            False,
            "check host and certificate",
        ),
        (requests.exceptions.ProxyError, "the proxy refused or is not there", True, "check HTTPS_PROXY and NO_PROXY"),
        (
            urllib3_errors.NameResolutionError,
            "the host's name is not known",
            True,
            "check the base URL and the network",
        ),
        (requests.exceptions.ConnectTimeout, f"no connection within {seconds}", True, again),
        (requests.exceptions.ReadTimeout, f"it was silent for {limits.read_timeout:g} s", True, again),
        (ConnectionRefusedError, "the connection was refused", True, "check the base URL's host and port"),
        (requests.exceptions.ConnectionError, "the connection failed or was closed too early", True, again),
        (
            requests.RequestException,
            f"the request cannot be sent ({type(error).__name__})",
            False,
            "check the base URL",
        ),
    )
    reason, transient, hint = next(entry[1:] for entry in known if is_caused_by(error, entry[0]))
    return f"got no answer: {reason}", transient, hint


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
