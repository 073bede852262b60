"""The server's side of each kind of authorisation that presets use, without the client's code."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, quote

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from google.auth import jwt
from werkzeug import Request, Response

KEY = "key-0123456789abcdef"
TOKEN = "ya29.token-0123456789"
TOKEN_PATH = "/token"


def environ(auth: Mapping[str, Any], origin: str) -> dict[str, str]:
    """The environment variables that an authorisation names, with keys that the server accepts."""
    if auth["type"] == "google_service_account":
        return {auth["env"]: _google_key(origin + TOKEN_PATH)}
    return dict.fromkeys(_variables(auth), KEY)


def refusal(auth: Mapping[str, Any], request: Request) -> str | None:
    """Why a request is refused; None if it is authorised."""
    for name, value in auth.get("headers", {}).items():
        if request.headers.get(name) != value:
            return f"no header {name}: {value}"
    sent = request.headers.get("Authorization")
    match auth["type"]:
        case "none":
            return None if sent is None else "an unwanted key"
        case "bearer":
            fits = sent == f"Bearer {KEY}"
        case "google_service_account":
            fits = sent == f"Bearer {TOKEN}"
        case "header":
            fits = request.headers.get(auth["name"]) == KEY
        case "query":
            fits = request.args.get(auth["name"]) == KEY
        case "aws_sigv4":
            fits = sent == _signed(auth, request)
        case kind:
            raise AssertionError(f"no preset is authorised by {kind} yet")
    return None if fits else "the key is wrong"


def token(request: Request, origin: str) -> Response:
    """Google's token endpoint: a token for an assertion signed by the service account."""
    jwt.decode(request.form["assertion"], certs=_pair()[1], audience=origin + TOKEN_PATH)
    return Response(json.dumps({"access_token": TOKEN, "expires_in": 3599}), content_type="application/json")


def _signed(auth: Mapping[str, Any], request: Request) -> str:
    """The `Authorization` header that AWS expects (Signature Version 4)."""
    moment = request.headers["X-Amz-Date"]
    query = sorted(parse_qsl(request.query_string.decode(), keep_blank_values=True))
    canonical = "\n".join(
        (
            request.method,
            quote(request.path, safe="/-_.~"),
            "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in query),
            f"host:{request.headers['Host']}",
            f"x-amz-date:{moment}",
            "",
            "host;x-amz-date",
            hashlib.sha256(b"").hexdigest(),
        )
    )
    scope = (moment[:8], auth["region"], auth["service"], "aws4_request")
    text = "\n".join(("AWS4-HMAC-SHA256", moment, "/".join(scope), hashlib.sha256(canonical.encode()).hexdigest()))
    key = f"AWS4{KEY}".encode()
    for part in (*scope, text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return f"AWS4-HMAC-SHA256 Credential={KEY}/{'/'.join(scope)}, SignedHeaders=host;x-amz-date, Signature={key.hex()}"


@cache
def _pair() -> tuple[str, bytes]:
    """A private key and its public key, in PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return private, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _google_key(token_uri: str) -> str:
    return json.dumps(
        {
            "type": "service_account",
            "private_key_id": "key-1",
            "private_key": _pair()[0],
            "client_email": "pipeline@acme.iam.gserviceaccount.com",
            "token_uri": token_uri,
        }
    )


def _variables(part: Any) -> list[str]:
    if not isinstance(part, Mapping):
        return []
    own = [part["env"]] if isinstance(part.get("env"), str) else []
    return own + [name for value in part.values() for name in _variables(value)]
