import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from provider_pipeline.listing.auth.kinds import AuthConfig
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.listing.endpoints import KnownPageLookup, ListingEndpoint, ListingSource
from provider_pipeline.listing.limits import FetchLimits
from provider_pipeline.listing.pages import Page
from provider_pipeline.listing.policy import RequestPolicy

Fetch = Callable[..., list[Page]]

QUICK = FetchLimits(connect_timeout=5, read_timeout=5, deadline=30, retries=2, backoff=0.01, longest_wait=2)
"""Small waits between attempts; time-outs that no slow machine hits by accident."""
LOOPBACK = RequestPolicy(allow_private=True)
"""For servers on this machine."""


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy", "NETRC"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def _other_server() -> Iterator[HTTPServer]:
    with HTTPServer(host="127.0.0.1", port=0) as server:
        yield server


@pytest.fixture
def other_host(_other_server: HTTPServer) -> HTTPServer:
    """A second server, which answers everything and remembers what it was sent."""
    _other_server.clear()
    _other_server.expect_request(re.compile("^/.*")).respond_with_json({"data": [{"id": "elsewhere"}]})
    return _other_server


@pytest.fixture
def fetch() -> Fetch:
    """Fetches a whole listing."""

    def fetch(
        base_url: str,
        path: str = "/models",
        *,
        auth: Mapping[str, Any] | None = None,
        pagination: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
        environ: Mapping[str, str] | None = None,
        limits: FetchLimits = QUICK,
        policy: RequestPolicy = LOOPBACK,
        selector: str | None = None,
        known: KnownPageLookup | None = None,
    ) -> list[Page]:
        source = ListingSource(
            slug="acme",
            base_url=base_url,
            auth=AuthConfig.parse(auth or {"type": "none"}),
            endpoints=(
                ListingEndpoint(
                    path=path, params=dict(params or {}), pagination=pagination, selector=selector, id_field="id"
                ),
            ),
            policy=policy,
        )
        return list(ListingClient(limits, environ=environ or {}).pages(source, known=known))

    return fetch
