"""Requests that are signed instead of carrying a key: AWS Signature Version 4.

Here: what is signed, and when. Not here: the signature's arithmetic, which is botocore's. The concept: each attempt is
signed anew, since a signature holds for minutes, and for one URL.
"""

import datetime
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from requests import PreparedRequest

from provider_pipeline.extras import require_extras
from provider_pipeline.listing.auth.credentials import Authorizer


class AwsSigner(Authorizer):
    """Signs each request for one AWS service in one region.

    Args:
        hint: What to check when the service refuses.
        headers: Static headers.
        service: As in the service's endpoint, such as `bedrock`.
        region: Such as `us-east-1`.
        access_key_id: Names the key.
        secret_access_key: Signs, and is never sent.
        session_token: Sent along with temporary credentials.
    """

    def __init__(
        self,
        *,
        hint: str,
        headers: Mapping[str, str],
        service: str,
        region: str,
        access_key_id: str,
        secret_access_key: str,
        session_token: str | None,
    ) -> None:
        require_extras("aws", purpose="signing requests for AWS")
        # Imported only where it is used: it is large.
        from botocore.auth import SigV4Auth  # noqa: PLC0415
        from botocore.credentials import Credentials  # noqa: PLC0415

        given = (access_key_id, secret_access_key, session_token)
        super().__init__(hint=hint, headers=headers, secrets=tuple(secret for secret in given if secret))
        self._session_token = session_token
        self._signer = SigV4Auth(Credentials(access_key_id, secret_access_key, session_token), service, region)

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Sign one request as it is, with the time of day."""
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415

        request = super().__call__(request)
        request.url = _as_it_is_signed(request.url or "")
        now = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
        request.headers["X-Amz-Date"] = now
        if self._session_token:
            request.headers["X-Amz-Security-Token"] = self._session_token
        # Of the headers only AWS's own: a proxy may change the others, and the service asks for no more than these.
        own = {name: value for name, value in request.headers.items() if name.lower().startswith("x-amz-")}
        signed = AWSRequest(method=request.method, url=request.url, data=request.body, headers=own)
        signed.context["timestamp"] = now
        # Step by step, because `SigV4Auth.add_auth` logs what it signs, the session token with it.
        headers = self._signer.headers_to_sign(signed)
        text = self._signer.string_to_sign(signed, self._signer.canonical_request(signed))
        request.headers["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self._signer.scope(signed)}, "
            f"SignedHeaders={self._signer.signed_headers(headers)}, Signature={self._signer.signature(text, signed)}"
        )
        return request


def _as_it_is_signed(url: str) -> str:
    """The URL with its query spelt the one way that the service will spell it to check the signature."""
    parts = urlsplit(url)
    query = urlencode(parse_qsl(parts.query, keep_blank_values=True), quote_via=quote, safe="-_.~")
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))
