"""Signatures in place of keys: AWS requests, and requests for the tokens of Google service accounts.

botocore and google-auth do the arithmetic, imported only on use because they are large.
"""

import datetime
import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from requests import PreparedRequest

from provider_pipeline.errors import MissingCredentialError
from provider_pipeline.extras import require_extras
from provider_pipeline.listing.auth.credentials import Authorizer, TokenRequest
from provider_pipeline.listing.auth.secrets import ANY_TEXT, Secret, read_secret_file, token_url_problem


class AwsSigner(Authorizer):
    """Signs each request for one AWS service in one region (Signature Version 4).

    A signature holds for minutes and one URL, so each attempt is signed anew.
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
        from botocore.auth import SigV4Auth  # noqa: PLC0415
        from botocore.credentials import Credentials  # noqa: PLC0415

        given = (access_key_id, secret_access_key, session_token)
        super().__init__(hint=hint, headers=headers, secrets=tuple(secret for secret in given if secret))
        self._session_token = session_token
        self._signer = SigV4Auth(Credentials(access_key_id, secret_access_key, session_token), service, region)

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Sign a request with the current time."""
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415

        request = super().__call__(request)
        request.url = _canonical(request.url or "")
        now = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
        request.headers["X-Amz-Date"] = now
        if self._session_token:
            request.headers["X-Amz-Security-Token"] = self._session_token
        # Only AWS's own headers: a proxy may change the others, and the service does not require them.
        own = {name: value for name, value in request.headers.items() if name.lower().startswith("x-amz-")}
        signed = AWSRequest(method=request.method, url=request.url, data=request.body, headers=own)
        signed.context["timestamp"] = now
        # Step by step, because `SigV4Auth.add_auth` logs what it signs, session token included.
        headers = self._signer.headers_to_sign(signed)
        text = self._signer.string_to_sign(signed, self._signer.canonical_request(signed))
        request.headers["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self._signer.scope(signed)}, "
            f"SignedHeaders={self._signer.signed_headers(headers)}, Signature={self._signer.signature(text, signed)}"
        )
        return request


def _canonical(url: str) -> str:
    """The URL with its query encoded the one way in which the service encodes it to check the signature."""
    parts = urlsplit(url)
    query = urlencode(parse_qsl(parts.query, keep_blank_values=True), quote_via=quote, safe="-_.~")
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))


_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_ASSERTION_LIFETIME: Final = 3600


def service_account_key(secret: Secret, slug: str, environ: Mapping[str, str]) -> str:
    """The JSON key from the secret's file or variable, or from the file that the variable names.

    Raises:
        MissingCredentialError: No usable key was found; its text is never shown.
    """
    text = secret.resolve(slug, environ, fits=ANY_TEXT)
    if secret.env is None or text.startswith("{"):
        return text
    found = read_secret_file(text, environ)
    if found.problem:
        raise MissingCredentialError(
            f"{slug}: environment variable {secret.env} holds neither a JSON key nor the path of one: the file it "
            f"names {found.problem}",
            hint=f"set {secret.env} to the service account's JSON key, or to the path of its file",
        )
    return found.text


def assertion_requests(key: str, scopes: Sequence[str], *, slug: str, place: str) -> Callable[[], TokenRequest]:
    """Makes requests for a token that are signed with the current time (an assertion, RFC 7523).

    The private key never leaves the process.

    Args:
        key: The JSON key.
        scopes: The token's scopes.
        slug: The provider, for the error's text.
        place: Where the key is, for the error's text.

    Raises:
        MissingCredentialError: The key cannot sign, or names no token endpoint.
    """
    require_extras("google", purpose=f"{slug}: a Google service account")
    from google.auth import jwt  # noqa: PLC0415
    from google.auth.crypt import RSASigner  # noqa: PLC0415

    # google-auth claims to be typed, but these calls are not.
    load: Callable[[str, str | None], Any] = RSASigner.from_string
    sign: Callable[[Any, Mapping[str, Any]], bytes] = jwt.encode

    problem, document = _read_key(key)
    signer: Any = None
    if not problem:
        try:
            signer = load(document["private_key"], document.get("private_key_id"))
            signer.sign(b"")  # fails for a key of another kind
        except (ValueError, TypeError):
            problem = "has a private_key that is not an RSA key in PEM form"
    # Outside of the handler: the original exception may hold the key, and must not be chained to this one.
    if problem:
        raise MissingCredentialError(
            f"{slug}: the service account key in {place} {problem}",
            hint="expected the JSON key file as Google Cloud issues it, of type service_account",
        )
    url = document["token_uri"]

    def request() -> TokenRequest:
        now = int(time.time())
        claims = {
            "iss": document["client_email"],
            "scope": " ".join(scopes),
            "aud": url,
            "iat": now,
            "exp": now + _ASSERTION_LIFETIME,
        }
        assertion = sign(signer, claims).decode("ascii")
        return TokenRequest(
            url, {"grant_type": _GRANT, "assertion": assertion}, secrets=(assertion, document["private_key"])
        )

    return request


def _read_key(text: str) -> tuple[str, dict[str, Any]]:
    """What is wrong with a key, or an empty text, and its document."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return "is not a JSON document", {}
    if not isinstance(document, dict):
        return "is not a JSON object", {}
    missing = [name for name in ("client_email", "private_key", "token_uri") if not _is_text(document.get(name))]
    if missing:
        return f"lacks {', '.join(missing)}", {}
    if (problem := token_url_problem(document["token_uri"])) is not None:
        return f"has a token_uri that {problem}", {}
    return "", document


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)
