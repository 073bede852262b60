"""Google service accounts: from a JSON key to a signed request for a token.

Here: reading the key, and the assertion (RFC 7523) that is exchanged for a token. Not here: the exchange (`tokens`),
and the signature's arithmetic, which is google-auth's. The concept: the private key never leaves the process; what is
sent proves for minutes that we have it.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from provider_pipeline.errors import MissingCredentialError
from provider_pipeline.extras import require_extras
from provider_pipeline.listing.auth.credentials import TokenRequest
from provider_pipeline.listing.auth.secrets import ANY_TEXT, Secret, read_secret_file, token_url_problem

_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_ASSERTION_LIFETIME: Final = 3600


def service_account_key(secret: Secret, slug: str, environ: Mapping[str, str]) -> str:
    """The text of the JSON key: in the file; or in the variable, or in the file that the variable names.

    Raises:
        MissingCredentialError: There is none; its text is never shown.
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
    """What makes a request for a token, signed with the time of day.

    Args:
        key: The JSON key's text.
        scopes: What the token shall be good for.
        slug: The provider, for the error's text.
        place: Where the key is, for the error's text.

    Raises:
        MissingCredentialError: The key is none that can sign, or names no token endpoint.
    """
    require_extras("google", purpose=f"{slug}: a Google service account")
    # Imported only where it is used: it is large.
    from google.auth import jwt  # noqa: PLC0415
    from google.auth.crypt import RSASigner  # noqa: PLC0415

    # google-auth says that it is typed; of these calls that is not so.
    load: Callable[[str, str | None], Any] = RSASigner.from_string
    sign: Callable[[Any, Mapping[str, Any]], bytes] = jwt.encode

    problem, document = _read_key(key)
    signer: Any = None
    if not problem:
        try:
            signer = load(document["private_key"], document.get("private_key_id"))
            signer.sign(b"")  # a key of another kind is found out only here
        except (ValueError, TypeError):
            problem = "has a private_key that is no RSA key in PEM form"
    # Raised out here, so that no original exception, which may hold the key, hangs on to the error.
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
    """What is wrong with a key, or nothing, and its document."""
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
