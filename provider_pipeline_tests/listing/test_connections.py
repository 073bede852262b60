"""The certificates, cookies and headers of a listing's connections."""

import datetime
import ipaddress
import json
import os
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pytest_httpserver import HTTPServer
from urllib3.exceptions import SSLError
from werkzeug import Request, Response

from provider_pipeline.errors import ListingUnreachableError
from provider_pipeline.listing.connections import BorrowedContexts, CaBundle, TlsContextPool
from provider_pipeline_tests.listing.conftest import Fetch

LOOPBACK_NAME = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
ELSEWHERE = x509.DNSName("elsewhere.example")


def certificate(folder: Path, name: x509.GeneralName) -> tuple[Path, Path]:
    """The files of a self-signed certificate and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"test {os.urandom(4).hex()}")])
    now = datetime.datetime.now(datetime.UTC)
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only"), False
    )
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([name]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=True, key_cert_sign=True, crl_sign=True, decipher_only=False, **usage),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / f"{made.serial_number}.pem", folder / f"{made.serial_number}.key"
    public.write_bytes(made.public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return public, private


def serving(public: Path, private: Path) -> HTTPServer:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    server = HTTPServer(host="127.0.0.1", port=0, ssl_context=context)
    server.expect_request("/models").respond_with_json({"data": [{"id": "a"}]})
    return server


@pytest.fixture
def own(tmp_path: Path) -> tuple[Path, Path]:
    return certificate(tmp_path, LOOPBACK_NAME)


@pytest.fixture
def secure(own: tuple[Path, Path]) -> Iterator[HTTPServer]:
    with serving(*own) as server:
        yield server


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_certificate_named_by_the_environment_is_trusted(
    secure: HTTPServer, own: tuple[Path, Path], fetch: Fetch, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.setenv(variable, str(own[0]))
    assert len(fetch(f"https://127.0.0.1:{secure.port}")) == 1


def test_an_untrusted_certificate_is_refused(
    secure: HTTPServer, tmp_path: Path, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate(tmp_path, LOOPBACK_NAME)[0]))
    with pytest.raises(ListingUnreachableError, match="TLS failed or its certificate is not trusted"):
        fetch(f"https://127.0.0.1:{secure.port}")


def test_a_trusted_certificate_for_another_host_is_refused(
    tmp_path: Path, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    public, private = certificate(tmp_path, ELSEWHERE)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(public))
    with serving(public, private) as server, pytest.raises(ListingUnreachableError, match="TLS failed"):
        fetch(f"https://127.0.0.1:{server.port}")


def test_trust_follows_the_bundle_when_it_changes(
    secure: HTTPServer, own: tuple[Path, Path], tmp_path: Path, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "bundle.pem"
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    url = f"https://127.0.0.1:{secure.port}"
    other = certificate(tmp_path, LOOPBACK_NAME)[0].read_bytes()
    bundle.write_bytes(own[0].read_bytes())
    fetch(url)
    bundle.write_bytes(other)
    os.utime(bundle, (1, 1))
    with pytest.raises(ListingUnreachableError, match="TLS failed"):
        fetch(url)
    bundle.write_bytes(other + own[0].read_bytes())
    assert len(fetch(url)) == 1


def test_an_invalid_bundle_is_a_tls_failure(
    secure: HTTPServer, tmp_path: Path, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("no certificate")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    with pytest.raises(ListingUnreachableError, match="TLS failed"):
        fetch(f"https://127.0.0.1:{secure.port}")


def test_listings_reuse_a_context_one_after_another_but_never_share_it(own: tuple[Path, Path]) -> None:
    pool, file = TlsContextPool(), str(own[0])
    first, second = BorrowedContexts(pool), BorrowedContexts(pool)
    context = first.context(file, None)
    assert first.context(file, None) is context
    assert second.context(file, None) is not context
    first.close()
    third = BorrowedContexts(pool)
    assert third.context(file, None) is context


def test_a_context_for_an_outdated_bundle_is_not_reused(own: tuple[Path, Path]) -> None:
    pool, file = TlsContextPool(), str(own[0])
    contexts = BorrowedContexts(pool)
    context = contexts.context(file, None)
    contexts.close()
    own[0].write_bytes(own[0].read_bytes() * 2)
    assert BorrowedContexts(pool).context(file, None) is not context


def test_a_missing_bundle_is_a_tls_error(tmp_path: Path) -> None:
    with pytest.raises(SSLError):
        CaBundle.at(str(tmp_path / "none.pem"), None)


TOKENS = {"type": "page_token", "token": "next", "param": "page"}


def test_a_cookie_comes_back_with_the_next_page_until_the_server_takes_it_away(
    httpserver: HTTPServer, fetch: Fetch
) -> None:
    def page(request: Request) -> Response:
        number = int(request.args.get("page", "0"))
        document = json.dumps({"data": [{"id": f"m{number}"}], "next": str(number + 1) if number < 3 else None})
        cookies = {0: "session=one; Path=/", 2: "session=gone; Path=/; Max-Age=0"}
        headers = {"Set-Cookie": cookies[number]} if number in cookies else {}
        return Response(document, content_type="application/json", headers=headers)

    httpserver.expect_request("/models").respond_with_handler(page)
    fetch(httpserver.url_for(""), pagination=TOKENS)
    fetch(httpserver.url_for(""), pagination=TOKENS)
    sent = [request.headers.get("Cookie") for request, _ in httpserver.log]
    assert sent == [None, "session=one", "session=one", None] * 2


def test_every_request_names_its_sender_and_accepted_encodings(httpserver: HTTPServer, fetch: Fetch) -> None:
    httpserver.expect_request("/models").respond_with_json({"data": [{"id": "a"}]})
    fetch(httpserver.url_for(""))
    ((request, _),) = httpserver.log
    assert request.headers["User-Agent"].startswith("provider-pipeline/")
    names = ("Accept", "Accept-Encoding", "Connection", "Host")
    wanted = ["application/json", "gzip, deflate", "keep-alive", f"{httpserver.host}:{httpserver.port}"]
    assert [request.headers[name] for name in names] == wanted
