"""What puts credentials on requests.

Here: the strategy that the transport calls for each request, in the form that suffices for keys. Not here: which kinds
there are (`kinds`), tokens (`tokens`) and signatures (`signing`). The concept: an authorizer is a session's `auth`, so
a credential is added to the request that goes out, and is in no URL or header that anything else sees.
"""

from collections.abc import Mapping

from requests import PreparedRequest
from requests.auth import AuthBase

from provider_pipeline.listing.urls import with_params


class Authorizer(AuthBase):
    """Adds the same headers and query parameters to every request of one listing.

    Attributes:
        hint: What an operator should check when the server refuses.
    """

    def __init__(
        self,
        *,
        hint: str,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        secrets: tuple[str, ...] = (),
    ) -> None:
        self.hint = hint
        self._headers = dict(headers or {})
        self._params = dict(params or {})
        self._secrets = secrets

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values that no text may show; more of them once tokens were fetched."""
        return self._secrets

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Authorise one request that is about to be sent."""
        request.headers.update(self._headers)
        request.url = with_params(request.url or "", self._params)
        return request

    def renew(self) -> bool:
        """After a refusal (401): let go of what may have gone stale.

        Returns:
            Whether one more attempt makes sense, because it would carry something new.
        """
        return False
