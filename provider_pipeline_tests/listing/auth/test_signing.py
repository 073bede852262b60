"""Google service accounts, against a token endpoint that verifies their signature."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from google.auth import jwt
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from provider_pipeline.errors import ListingRefusedError, ListingUnreachableError, MissingCredentialError
from provider_pipeline.listing.auth.kinds import AuthConfig
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.listing.endpoints import ListingEndpoint, ListingSource
from provider_pipeline.listing.policy import RequestPolicy
from provider_pipeline_tests.listing.auth.conftest import LISTING, Ask, Said
from provider_pipeline_tests.listing.conftest import QUICK

SCOPES = ["https://www.googleapis.com/auth/cloud-platform", "https://www.googleapis.com/auth/generative-language"]
EMAIL = "pipeline@acme.iam.gserviceaccount.com"
TOKEN = "ya29.token-0123456789"
AUTH: dict[str, Any] = {"type": "google_service_account", "env": "GOOGLE_KEY", "scopes": SCOPES}


def _pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.fixture(scope="module")
def pair() -> tuple[str, bytes]:
    """A private key and its public key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return _pem(key), key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


class Google:
    """A token endpoint that trusts one public key, and an API that trusts its token."""

    def __init__(self, server: HTTPServer, public_key: bytes) -> None:
        self._public_key = public_key
        self.url = server.url_for("/token")
        self.assertions: list[str] = []
        self.claims: list[dict[str, Any]] = []
        server.expect_request("/token", method="POST").respond_with_handler(self._token)
        server.expect_request("/models", headers={"Authorization": f"Bearer {TOKEN}"}).respond_with_json(LISTING)

    def key(self, private_key: str, **more: object) -> str:
        return json.dumps(
            {
                "type": "service_account",
                "private_key_id": "key-1",
                "private_key": private_key,
                "client_email": EMAIL,
                "token_uri": self.url,
                **more,
            },
            indent=2,
        )

    def _token(self, request: Request) -> Response:
        assertion = request.form["assertion"]
        self.assertions.append(assertion)
        if request.form["grant_type"] != "urn:ietf:params:oauth:grant-type:jwt-bearer":
            return Response(json.dumps({"error": "unsupported_grant_type"}), 400)
        try:
            self.claims.append(dict(jwt.decode(assertion, certs=self._public_key, audience=self.url)))
        except ValueError as error:
            document = {"error": "invalid_grant", "error_description": f"{error}: {assertion}"}
            return Response(json.dumps(document), 400, content_type="application/json")
        return Response(json.dumps({"access_token": TOKEN, "expires_in": 3599}), content_type="application/json")


@pytest.fixture
def google(httpserver: HTTPServer, pair: tuple[str, bytes]) -> Google:
    return Google(httpserver, pair[1])


def test_a_signed_assertion_gets_a_token_for_all_listings_of_an_hour(
    google: Google, pair: tuple[str, bytes], asker: Ask, said: Said
) -> None:
    ask = asker({"GOOGLE_KEY": google.key(pair[0])})
    assert ask.fetch(AUTH) == ask.fetch(AUTH) == [LISTING]
    (claims,) = google.claims
    assert (claims["iss"], claims["scope"], claims["aud"]) == (EMAIL, " ".join(SCOPES), google.url)
    assert claims["exp"] - claims["iat"] == 3600
    assert abs(claims["iat"] - time.time()) < 60
    assert jwt.decode_header(google.assertions[0]) == {"alg": "RS256", "typ": "JWT", "kid": "key-1"}
    for secret in (pair[0], TOKEN, *google.assertions):
        assert secret not in said


def test_the_key_may_be_a_file_that_is_named_by_the_document_or_by_the_variable(
    google: Google, pair: tuple[str, bytes], asker: Ask, tmp_path: Path
) -> None:
    place = tmp_path / "key.json"
    place.write_text(google.key(pair[0]))
    assert asker({"GOOGLE_KEY": f"{place}\n"}).fetch(AUTH) == [LISTING]
    assert asker().fetch({"type": "google_service_account", "file": str(place), "scopes": SCOPES}) == [LISTING]


def test_a_signature_of_another_key_is_refused_without_showing_the_assertion(
    google: Google, asker: Ask, said: Said
) -> None:
    other = _pem(rsa.generate_private_key(public_exponent=65537, key_size=2048))
    with pytest.raises(ListingRefusedError, match=r"answered 400 .*invalid_grant") as caught:
        asker({"GOOGLE_KEY": google.key(other)}).fetch(AUTH)
    error = caught.value
    assert f"acme: POST {google.url} " in error.message
    assert "key in GOOGLE_KEY" in (error.hint or "")
    assert not error.transient
    said.note(error)
    for secret in (other, *google.assertions):
        assert secret not in said


Make = Callable[[Google, str, Path], str]


def _elliptic(google: Google, *_: object) -> str:
    return google.key(_pem(ec.generate_private_key(ec.SECP256R1())))


def _without_email(google: Google, key: str, _: Path) -> str:
    return google.key(key, client_email=None)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda *_: "", "which is empty"),
        (lambda *_: "hunter2", "names does not exist"),
        (lambda google, key, path: str(path), "names is not a file"),
        (lambda google, key, path: key, "names "),
        (lambda *_: "{hunter2", "in GOOGLE_KEY is not a JSON document"),
        (lambda *_: "{}", "lacks client_email, private_key, token_uri"),
        (_without_email, "lacks client_email"),
        (lambda google, key, path: google.key("hunter2"), "has a private_key that is not an RSA key"),
        (_elliptic, "has a private_key that is not an RSA key"),
        (lambda google, key, path: google.key(key, token_uri="ftp://x/hunter2"), "token_uri that is not an http"),
    ],
)
def test_a_key_that_cannot_sign_is_reported_without_showing_it(
    httpserver: HTTPServer,
    google: Google,
    pair: tuple[str, bytes],
    asker: Ask,
    said: Said,
    tmp_path: Path,
    make: Make,
    says: str,
) -> None:
    with pytest.raises(MissingCredentialError) as caught:
        asker({"GOOGLE_KEY": make(google, pair[0], tmp_path)}).fetch(AUTH)
    assert caught.value.message.startswith("acme: ")
    assert says in caught.value.message
    assert "GOOGLE_KEY" in str(caught.value)
    assert caught.value.__context__ is None
    said.note(caught.value.message, caught.value.hint)
    assert "hunter2" not in said
    assert pair[0] not in said
    assert len(httpserver.log) == 0


def test_a_file_that_holds_no_key_is_named(asker: Ask, tmp_path: Path) -> None:
    place = tmp_path / "key.json"
    place.write_text("[]")
    with pytest.raises(MissingCredentialError, match=rf"key in {place} is not a JSON object"):
        asker().fetch({"type": "google_service_account", "file": str(place), "scopes": SCOPES})


def test_a_key_that_names_a_plain_http_endpoint_is_not_used_where_that_is_not_allowed(
    httpserver: HTTPServer, google: Google, pair: tuple[str, bytes]
) -> None:
    for allowed, url in ((RequestPolicy(), google.url), (RequestPolicy(), "http://oauth2.example.com/token")):
        source = ListingSource(
            slug="acme",
            base_url="https://acme.example",
            auth=AuthConfig.parse(AUTH),
            endpoints=(ListingEndpoint(path="/models"),),
            policy=allowed,
        )
        client = ListingClient(QUICK, environ={"GOOGLE_KEY": google.key(pair[0], token_uri=url)})
        with pytest.raises(ListingUnreachableError, match=f"acme: POST {url} is not sent"):
            list(client.pages(source))
    assert len(httpserver.log) == 0
