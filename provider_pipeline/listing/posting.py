"""One POST to an address that the operator chose, such as a webhook's or Dagster's webserver's, within a total time."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Final

import requests
from urllib3 import exceptions as urllib3_errors

from provider_pipeline.listing.connections import GuardedAdapter, environment_settings, user_agent
from provider_pipeline.listing.limits import Deadline
from provider_pipeline.listing.policy import RequestPolicy
from provider_pipeline.listing.redaction import quiet_url_logging

_ANY_ADDRESS: Final = RequestPolicy(allow_private=True, allow_http=True)
_CHUNK: Final = 64 * 1024


@dataclass(frozen=True)
class Reply:
    """Status and body, or the body's beginning."""

    status: int
    content: bytes


@dataclass(frozen=True)
class NoReply:
    """Why no complete response came; without the URL, which may hold a token."""

    reason: str


def post(
    url: str, content: bytes, headers: Mapping[str, str], *, seconds: float, most_bytes: int = 0
) -> Reply | NoReply:
    """Send one request; redirects are not followed, failures not retried.

    Args:
        url: Trusted.
        content: The body.
        headers: Its headers.
        seconds: For everything from connecting to the last byte read. Resolving the host's name cannot be interrupted,
            and may take as long as the system's resolver does.
        most_bytes: How much of the response's body is read, give or take one chunk.
    """
    quiet_url_logging()
    deadline = Deadline(seconds)
    body = bytearray()
    with closing(GuardedAdapter(deadline, _ANY_ADDRESS)) as adapter:
        try:
            request = requests.PreparedRequest()
            request.prepare(method="POST", url=url, data=content, headers={"User-Agent": user_agent(), **headers})
            settings = environment_settings(url)
            with (
                deadline.running(),
                adapter.send(request, stream=True, timeout=(seconds, seconds), **settings) as response,
            ):
                for chunk in response.iter_content(_CHUNK) if most_bytes else ():
                    body += chunk
                    if len(body) >= most_bytes:
                        break
                status = response.status_code
        except (requests.RequestException, urllib3_errors.HTTPError, OSError, ValueError) as error:
            return NoReply(_late(seconds) if deadline.expired else type(error).__name__)
        finally:
            deadline.release()
    # A connection that was shut down looks like the end of the response.
    return NoReply(_late(seconds)) if deadline.expired else Reply(status, bytes(body))


def _late(seconds: float) -> str:
    return f"nothing whole within {seconds:g} s"
