"""The sample provider server, read through the real listing client."""

import json
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
import requests

from provider_pipeline.errors import ConfigurationError, ListingRefusedError, MissingCredentialError
from provider_pipeline.listing.auth.kinds import AuthConfig
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.listing.endpoints import ListingEndpoint, ListingSource
from provider_pipeline.listing.limits import FetchLimits
from provider_pipeline.listing.pages import Page
from provider_pipeline.listing.policy import RequestPolicy
from provider_pipeline.samples.providers import SampleProvider
from provider_pipeline.samples.server import SampleServer

PAGINATED: dict[str, dict[str, Any]] = {
    "anthropic": {"type": "cursor", "param": "after_id", "token": "last_id", "more": "has_more"},
    "google": {"type": "page_token", "param": "pageToken", "token": "nextPageToken"},
    "cohere": {"type": "page_token", "param": "page_token", "token": "next_page_token"},
    "huggingface": {"type": "link_header"},
    "next-url": {"type": "next_url", "token": "next"},
    "page-number": {
        "type": "page_number",
        "param": "page",
        "page": "pagination.page",
        "total_pages": "pagination.totalPage",
    },
}
ITEMS = {"google": "models", "cohere": "models", "next-url": "results"}
BUNDLED = SampleServer().providers


@pytest.fixture(scope="module")
def server():
    with SampleServer() as running:
        yield running


def fetch(server: SampleServer, provider: SampleProvider, environ: dict[str, str] | None = None) -> list[Page]:
    source = ListingSource(
        slug=provider.slug,
        base_url=f"{server.url}/{provider.slug}",
        auth=AuthConfig.parse(provider.auth, slug=provider.slug),
        endpoints=tuple(
            ListingEndpoint(
                path=endpoint.path,
                pagination=PAGINATED.get(provider.slug),
                selector="data[*]",
                id_field="id",
                detail=endpoint.detail,
            )
            for endpoint in provider.endpoints
        ),
        policy=RequestPolicy(allow_private=True),
    )
    limits = FetchLimits(backoff=0.01)
    return list(ListingClient(limits, environ=dict(provider.env) if environ is None else environ).pages(source))


def named(slug: str) -> SampleProvider:
    return next(provider for provider in BUNDLED if provider.slug == slug)


def test_providers_have_many_shapes_and_two_are_broken() -> None:
    assert len(BUNDLED) >= 13
    assert {provider.broken for provider in BUNDLED} == {None, "http_500", "shape_changed"}
    assert len([provider for provider in BUNDLED if provider.broken]) == 2
    assert [provider.slug for provider in BUNDLED] == sorted(provider.slug for provider in BUNDLED)


@pytest.mark.parametrize("provider", [p for p in BUNDLED if p.broken != "http_500"], ids=lambda p: p.slug)
def test_listings_are_complete_and_only_the_changed_one_differs_from_its_sample(
    server: SampleServer, provider: SampleProvider
) -> None:
    pages = fetch(server, provider)
    assert (len(pages) > len(provider.endpoints)) == (provider.slug in PAGINATED)
    if provider.slug == "next-url":
        assert pages[0].document["results"] == provider.endpoints[0].document["results"]
    else:
        first = [page.document for page in pages if page.number == 1]
        samples = [endpoint.document for endpoint in provider.endpoints]
        assert (first == samples) == (provider.broken != "shape_changed")


def test_one_provider_has_several_endpoints_and_one_has_details() -> None:
    assert [provider.slug for provider in BUNDLED if len(provider.endpoints) > 1] == ["xai"]
    assert [provider.slug for provider in BUNDLED if provider.endpoints[0].detail] == ["cerebras"]


@pytest.mark.parametrize("slug", PAGINATED)
def test_the_pages_of_a_listing_hold_every_model_once(server: SampleServer, slug: str) -> None:
    documents = [page.document for page in fetch(server, named(slug))]
    items = [item for document in documents for item in (document if isinstance(document, list) else _items(document))]
    ids = [item.get("id") or item["name"] for item in items]
    data = Path(__file__).parents[2] / "provider_pipeline" / "samples" / "data" / f"{slug}.json"
    body = json.loads(data.read_text())["body"]
    assert ids == [item.get("id") or item["name"] for item in (body if isinstance(body, list) else _items(body))]
    assert 5 <= len(ids) == len(set(ids)) <= 20


def _items(document: dict[str, Any]) -> list[dict[str, Any]]:
    return next(value for value in document.values() if isinstance(value, list))


def test_the_provider_that_is_down_answers_500(server: SampleServer) -> None:
    with pytest.raises(ListingRefusedError) as caught:
        fetch(server, named("sambanova"))
    assert (caught.value.status, caught.value.transient) == (500, True)


def test_a_provider_with_a_key_refuses_requests_without_it(server: SampleServer) -> None:
    azure = named("azure")
    assert AuthConfig.parse(azure.auth).env in azure.env
    with pytest.raises(MissingCredentialError, match="SAMPLE_AZURE_API_KEY"):
        fetch(server, azure, {})
    with pytest.raises(ListingRefusedError, match="answered 401"):
        fetch(server, azure, {"SAMPLE_AZURE_API_KEY": "not the key"})
    assert fetch(server, azure)[0].document["data"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/anthropic/v1/models?after_id=no-such-model", 400),
        ("/google/v1beta/models?pageToken=%C3%BC", 400),
        ("/google/v1beta/models?pageToken=a", 400),
        ("/page-number/v1/models?page=99", 400),
        ("/page-number/v1/models?page=x", 400),
        ("/openai", 404),
        ("/cerebras/public/v1/models/no-such-model", 404),
        ("/nobody/v1/models", 404),
        ("/", 404),
    ],
)
def test_a_wrong_request_is_answered_with_a_json_error(server: SampleServer, path: str, status: int) -> None:
    response = requests.get(server.url + path, timeout=10)
    assert response.status_code == status
    assert response.json()["error"]["message"]


def test_the_server_logs_nothing(server: SampleServer, capfd: pytest.CaptureFixture[str]) -> None:
    requests.get(f"{server.url}/openai/v1/models", timeout=10)
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as connection:
        connection.sendall(b"GARBAGE\r\n\r\n")
        connection.recv(4096)
    assert capfd.readouterr() == ("", "")


def test_the_files_of_a_folder_are_served_unchanged(tmp_path: Path) -> None:
    files = {"fine": b'{"data": []}\n', "malformed": b'{"data": [', "html": b"<html></html>", "empty": b""}
    for stem, content in files.items():
        (tmp_path / f"{stem}.json").write_bytes(content)
    (tmp_path / "readme.txt").write_text("not a listing")
    with SampleServer.from_directory(tmp_path) as server:
        assert [provider.slug for provider in server.providers] == ["empty", "fine", "html", "malformed"]
        for provider in server.providers:
            response = requests.get(f"{server.url}/{provider.slug}{provider.endpoints[0].path}", timeout=10)
            assert response.content == files[provider.slug]
            assert provider.endpoints[0].document == ({"data": []} if provider.slug == "fine" else None)


def test_a_slug_with_special_characters_is_quoted_in_its_base_url(tmp_path: Path) -> None:
    (tmp_path / "my models é.json").write_text("[]")
    with SampleServer.from_directory(tmp_path) as server:
        (provider,) = server.providers
        assert requests.get(server.base_url(provider.slug) + provider.endpoints[0].path, timeout=10).json() == []


def test_a_folder_without_listings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no \*\.json file"):
        SampleServer.from_directory(tmp_path)
    with pytest.raises(ConfigurationError, match="no such folder"):
        SampleServer.from_directory(tmp_path / "nowhere")


def test_a_taken_port_is_refused_or_replaced_on_request() -> None:
    with SampleServer() as first:
        port = int(first.url.rpartition(":")[2])
        with pytest.raises(ConfigurationError, match="taken"), SampleServer(port):
            pass
        with SampleServer(port, or_any_port=True) as second:
            assert second.url != first.url
            assert requests.get(f"{second.url}/openai/v1/models", timeout=10).ok
    with SampleServer(port) as again:
        assert again.url == f"http://127.0.0.1:{port}"


def test_the_server_stops_despite_open_connections_and_leaves_no_thread() -> None:
    before = set(threading.enumerate())
    with SampleServer() as server, requests.Session() as session:
        session.get(f"{server.url}/openai/v1/models", timeout=10)
        idle = socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])))
        idle.sendall(b"GET /nobody HTTP/1.1\r\nHost: here\r\n\r\n")
        assert idle.recv(65536).startswith(b"HTTP/1.1 404")
    with idle:
        while idle.recv(65536):
            pass
    assert set(threading.enumerate()) == before
    with pytest.raises(ConfigurationError, match="not running"):
        _ = server.url
