"""What the requests of one listing have in common: headers, credentials, cookies, connections.

Here: what requests is asked to do, and what it must not do on its own. Not here: when requests are made (`transport`).
The concept: following redirects and finding logins are decisions about credentials, and those are ours; so requests'
own session, which does both, is not used.
"""

import functools
import importlib.metadata
import os
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.request import getproxies, getproxies_environment

import requests
from requests.cookies import RequestsCookieJar, extract_cookies_to_jar
from requests.utils import get_environ_proxies

from provider_pipeline.listing.auth import Authorizer
from provider_pipeline.listing.connections import GuardedAdapter
from provider_pipeline.listing.deadline import Deadline
from provider_pipeline.listing.policy import RequestPolicy
from provider_pipeline.listing.redaction import quiet_url_logging

# Published without types.
_extract_cookies: Final[Callable[..., None]] = extract_cookies_to_jar
_HEADERS: Final = {"Accept-Encoding": "gzip, deflate", "Accept": "application/json", "Connection": "keep-alive"}


class ListingSession:
    """Sends requests over connections that a deadline cuts and a policy forbids; for one thread.

    Args:
        deadline: Cuts the connections.
        policy: Which addresses may be asked.
        authorizer: Lets the requests in. That there always is one keeps requests from adding a login from the URL.
    """

    def __init__(self, deadline: Deadline, policy: RequestPolicy, authorizer: Authorizer) -> None:
        quiet_url_logging()
        self._authorizer = authorizer
        self._adapter = GuardedAdapter(deadline, policy)
        self._cookies = RequestsCookieJar()

    def prepare(
        self, method: str, url: str, form: Mapping[str, str] | None, headers: Mapping[str, str]
    ) -> requests.PreparedRequest:
        """A request that can be sent, with credentials.

        Raises:
            ModelSyncerError: The authorizer could get none.
            requests.RequestException: The request is malformed.
        """
        request = requests.PreparedRequest()
        request.prepare(
            method=method,
            url=url,
            headers={"User-Agent": user_agent(), **_HEADERS, **headers},
            data=form,
            auth=self._authorizer,
            cookies=self._cookies,
        )
        return request

    def send(self, request: requests.PreparedRequest, timeouts: tuple[float, float]) -> requests.Response:
        """Send a request; its answer's body is still to be read, and a redirect not followed.

        Args:
            request: As `prepare` made it.
            timeouts: Seconds until the connection stands, and between two bytes.

        Raises:
            AddressRefused: The policy forbids it.
            requests.RequestException: No answer came.
        """
        response = self._adapter.send(request, stream=True, timeout=timeouts, **environment_settings(request.url or ""))
        if "Set-Cookie" in response.headers:
            _extract_cookies(self._cookies, request, response.raw)
        return response

    def close(self) -> None:
        """End all connections."""
        self._adapter.close()


@functools.cache
def user_agent() -> str:
    """What every request says it is from."""
    return f"provider-pipeline/{importlib.metadata.version('provider-pipeline')}"


def environment_settings(url: str) -> dict[str, Any]:
    """The proxies and the trusted certificates that the environment names for a URL, as requests understands it."""
    bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    return {"proxies": get_environ_proxies(url) if _may_name_proxies() else {}, "verify": bundle or True}


def _may_name_proxies() -> bool:
    # Where the system has no settings of its own, a look at the names spares reading the whole environment twice.
    return getproxies is not getproxies_environment or any(name[-6:].lower() == "_proxy" for name in os.environ)
