"""The `requests` session of one listing.

Here: what requests must and must not do on its own. Not here: when requests are made (`transport`). The concept:
following redirects and finding logins are decisions about credentials, and those are ours.
"""

import functools
import importlib.metadata
from typing import Final

import requests

from provider_pipeline.listing.auth import Authorizer
from provider_pipeline.listing.connections import GuardedAdapter
from provider_pipeline.listing.deadline import Deadline
from provider_pipeline.listing.policy import RequestPolicy
from provider_pipeline.listing.redaction import quiet_url_logging

_HEADERS: Final = {"Accept": "application/json", "Accept-Encoding": "gzip, deflate"}


def listing_session(deadline: Deadline, policy: RequestPolicy, authorizer: Authorizer) -> requests.Session:
    """A session whose connections a deadline cuts and a policy forbids, and whose requests an authorizer lets in.

    That it always has one also keeps requests from adding a login of its own, from the user's netrc file or the URL.
    """
    quiet_url_logging()
    session = _Session()
    session.auth = authorizer
    session.headers.update({**_HEADERS, "User-Agent": user_agent()})
    for scheme in ("http://", "https://"):
        session.mount(scheme, GuardedAdapter(deadline, policy))
    return session


@functools.cache
def user_agent() -> str:
    """What every request says it is from."""
    return f"provider-pipeline/{importlib.metadata.version('provider-pipeline')}"


class _Session(requests.Session):
    """A session that leaves redirects alone.

    Even when told not to follow one, requests would read its whole body, whatever its size, to prepare the next
    request.
    """

    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002 - the overridden signature
        return None
