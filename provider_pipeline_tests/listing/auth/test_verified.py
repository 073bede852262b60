"""Keys and signatures, against a server that verifies them."""

import datetime
import hmac
import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response
from werkzeug.datastructures import Authorization

from provider_pipeline.errors import ListingRefusedError
from provider_pipeline_tests.listing.auth.conftest import LISTING, Ask, Said

KEY = "sk-demo-0123456789/+abcdef"
WRONG = "wrong-0123456789"
PASSWORD = "pä ss:wörd=/+ 0123456789"


def _checks(request: Request) -> bool:
    """Whether a request has the key, in the way that its path names."""
    match request.path.split("/")[1]:
        case "bearer":
            return request.headers.get("Authorization") == f"Bearer {KEY}"
        case "header":
            return request.headers.get("x-api-key") == KEY and request.headers.get("anthropic-version") == "2023-06-01"
        case "query":
            return request.args.getlist("key") == [KEY] and request.args.get("limit") == "5"
        case "basic":
            given: Authorization | None = request.authorization
            return given is not None and (given.username, given.password) == ("jürgen", PASSWORD)
        case _:
            return "Authorization" not in request.headers


def _lets_in(request: Request) -> Response:
    if not _checks(request):
        return Response(json.dumps({"error": "not you"}), 401, content_type="application/json")
    return Response(json.dumps(LISTING), content_type="application/json")


SIMPLE: list[tuple[str, dict[str, Any]]] = [
    ("/bearer/models", {"type": "bearer", "env": "ACME_KEY"}),
    (
        "/header/models",
        {"type": "header", "name": "x-api-key", "env": "ACME_KEY", "headers": {"anthropic-version": "2023-06-01"}},
    ),
    ("/query/models?limit=5&key=none", {"type": "query", "name": "key", "env": "ACME_KEY"}),
    ("/basic/models", {"type": "basic", "username": {"value": "jürgen"}, "password": {"env": "PASSWORD"}}),
    ("/none/models", {"type": "none"}),
]


@pytest.mark.parametrize(("path", "auth"), [case for case in SIMPLE if "key=" not in case[0]])
def test_a_server_that_checks_the_key_lets_it_in(
    httpserver: HTTPServer, asker: Ask, path: str, auth: dict[str, Any]
) -> None:
    httpserver.expect_request(path).respond_with_handler(_lets_in)
    assert asker({"ACME_KEY": f"{KEY}\n", "PASSWORD": PASSWORD}).fetch(auth, path) == [LISTING]


def test_a_key_in_the_query_stands_beside_the_other_parameters(httpserver: HTTPServer, asker: Ask) -> None:
    httpserver.expect_request("/query/models").respond_with_handler(_lets_in)
    auth = {"type": "query", "name": "key", "env": "ACME_KEY"}
    assert asker({"ACME_KEY": KEY}).fetch(auth, "/query/models?limit=5") == [LISTING]


@pytest.mark.parametrize(
    ("path", "auth"), [(path.partition("?")[0], auth) for path, auth in SIMPLE if auth["type"] != "none"]
)
def test_a_wrong_key_is_refused_with_what_to_check(
    httpserver: HTTPServer, asker: Ask, said: Said, path: str, auth: dict[str, Any]
) -> None:
    httpserver.expect_request(path).respond_with_handler(_lets_in)
    with pytest.raises(ListingRefusedError) as caught:
        asker({"ACME_KEY": WRONG, "PASSWORD": WRONG}).fetch(auth, path)
    assert caught.value.status == 401
    assert not caught.value.transient
    assert ("PASSWORD" if auth["type"] == "basic" else "ACME_KEY") in (caught.value.hint or "")
    assert len(httpserver.log) == 1
    said.note(caught.value)
    assert WRONG not in said


def test_a_basic_login_that_is_echoed_is_masked(httpserver: HTTPServer, asker: Ask, said: Said) -> None:
    def echo(request: Request) -> Response:
        return Response(json.dumps({"error": f"no: {request.headers['Authorization']}"}), 403)

    httpserver.expect_request("/models").respond_with_handler(echo)
    auth = {"type": "basic", "username": {"value": "me"}, "password": {"env": "PASSWORD"}}
    with pytest.raises(ListingRefusedError) as caught:
        asker({"PASSWORD": PASSWORD}).fetch(auth)
    said.note(caught.value)
    encoded = httpserver.log[0][0].headers["Authorization"].removeprefix("Basic ")
    assert encoded not in said
    assert "no: Basic ***" in caught.value.message


AWS = {
    "type": "aws_sigv4",
    "service": "bedrock",
    "region": "eu-central-1",
    "access_key_id": {"env": "AWS_ACCESS_KEY_ID"},
    "secret_access_key": {"env": "AWS_SECRET_ACCESS_KEY"},
}
ENVIRON = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    "AWS_SESSION_TOKEN": "FwoGZXIvYXdzEXAMPLE//////////wEaDHVzLWVhc3Qt==",
}


class AwsGate:
    """Computes each request's signature again from what arrived, as the service does."""

    def __init__(self, environ: Mapping[str, str], *, token: bool, answers: list[Any]) -> None:
        self._token = environ["AWS_SESSION_TOKEN"] if token else None
        keys = Credentials(environ["AWS_ACCESS_KEY_ID"], environ["AWS_SECRET_ACCESS_KEY"], self._token)
        self._signer = SigV4Auth(keys, "bedrock", "eu-central-1")
        self._answers = answers

    def __call__(self, request: Request) -> Response:
        if (problem := self._problem(request)) is not None:
            return Response(json.dumps({"message": problem}), 403, content_type="application/json")
        return Response(json.dumps(self._answers.pop(0)), content_type="application/json")

    def _problem(self, request: Request) -> str | None:
        kind, _, rest = request.headers.get("Authorization", "").partition(" ")
        parts = dict(part.split("=", 1) for part in rest.split(", ")) if rest else {}
        if kind != "AWS4-HMAC-SHA256" or set(parts) != {"Credential", "SignedHeaders", "Signature"}:
            return "Missing Authentication Token"
        names = parts["SignedHeaders"].split(";")
        needed = {"host", *(name.lower() for name in dict(request.headers) if name.lower().startswith("x-amz-"))}
        if not needed <= set(names):
            return "an AWS header is not signed"
        if request.headers.get("X-Amz-Security-Token") != self._token:
            return "The security token included in the request is invalid"
        stamp = request.headers["X-Amz-Date"]
        sent = datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.UTC)
        if abs(datetime.datetime.now(datetime.UTC) - sent) > datetime.timedelta(minutes=5):
            return "Signature expired"
        raw = urlsplit(request.environ["REQUEST_URI"])
        again = AWSRequest(
            method=request.method,
            url=f"http://{request.host}{raw.path}",
            params=parse_qsl(raw.query, keep_blank_values=True),
            headers={name: request.headers[name] for name in names},
        )
        again.context["timestamp"] = stamp
        if parts["Credential"] != self._signer.scope(again):
            return "Credential should be scoped to a valid region"
        expected = self._signer.signature(
            self._signer.string_to_sign(again, self._signer.canonical_request(again)), again
        )
        if not hmac.compare_digest(expected, parts["Signature"]):
            return "The request signature we calculated does not match the signature you provided"
        return None


@pytest.mark.parametrize("token", [False, True])
@pytest.mark.parametrize(
    "path",
    [
        "/foundation-models",
        "/foundation-models?byOutputModality=TEXT&byProvider=&flag",
        "/foundation-models?b=2&a=x%2Fy:z+w~*'()&a=%C3%A9",
        f"/foundation-models/{quote('anthropic.claude-v2:1', safe='')}",
        "/foundation-models/anthropic.claude-v2:1",
    ],
)
def test_a_signed_request_is_the_one_the_service_computes(
    httpserver: HTTPServer, asker: Ask, said: Said, path: str, token: bool
) -> None:
    httpserver.expect_request(path.partition("?")[0].replace("%3A", ":")).respond_with_handler(
        AwsGate(ENVIRON, token=token, answers=[LISTING])
    )
    auth = AWS | ({"session_token": {"env": "AWS_SESSION_TOKEN"}} if token else {})
    assert asker(ENVIRON).fetch(auth, path) == [LISTING]
    for secret in ENVIRON.values():
        assert secret not in said


def test_each_page_is_signed_for_itself(httpserver: HTTPServer, asker: Ask) -> None:
    pages = [{"models": ["a"], "next": "tok/en+1=:é ~"}, {"models": ["b"], "next": None}]
    httpserver.expect_request("/models").respond_with_handler(AwsGate(ENVIRON, token=False, answers=[*pages]))
    pagination = {"type": "page_token", "param": "nextToken", "token": "next"}
    assert asker(ENVIRON).fetch(AWS, "/models?limit=1", pagination) == pages
    signatures = {request.headers["Authorization"] for request, _ in httpserver.log}
    assert len(signatures) == 2
    assert httpserver.log[1][0].args["nextToken"] == "tok/en+1=:é ~"


def test_an_amazon_header_is_signed_and_others_are_not(httpserver: HTTPServer, asker: Ask) -> None:
    httpserver.expect_request("/models").respond_with_handler(AwsGate(ENVIRON, token=False, answers=[LISTING]))
    asker(ENVIRON).fetch(AWS | {"headers": {"x-amz-target": "Bedrock.List", "x-other": "1"}})
    ((request, _),) = httpserver.log
    assert request.headers["X-Other"] == "1"
    assert "SignedHeaders=host;x-amz-date;x-amz-target," in request.headers["Authorization"]


def test_a_signature_with_the_wrong_secret_is_refused_without_showing_it(
    httpserver: HTTPServer, asker: Ask, said: Said
) -> None:
    httpserver.expect_request("/models").respond_with_handler(AwsGate(ENVIRON, token=False, answers=[LISTING]))
    wrong = ENVIRON | {"AWS_SECRET_ACCESS_KEY": WRONG}
    with pytest.raises(ListingRefusedError, match="signature we calculated does not match") as caught:
        asker(wrong).fetch(AWS)
    assert "AWS_SECRET_ACCESS_KEY" in (caught.value.hint or "")
    said.note(caught.value)
    for secret in wrong.values():
        assert secret not in said


def test_the_large_libraries_are_imported_only_when_used() -> None:
    asks = (
        "import sys, provider_pipeline.listing.client;"
        "from provider_pipeline.listing.auth.kinds import AuthConfig;"
        "from provider_pipeline.listing.auth.credentials import TokenCache;"
        "auth = AuthConfig.parse({'type': 'bearer', 'env': 'K'});"
        "auth.authorizer('acme', {'K': 'k'}, TokenCache(), print);"
        "print([name for name in ('botocore', 'google.auth') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", asks], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
