"""Redirects and next pages: no key goes to another host."""

import pytest
from pytest_httpserver import HTTPServer

from provider_pipeline.errors import (
    ListingRefusedError,
    ListingUnreadableError,
)
from provider_pipeline_tests.listing.conftest import Fetch
from provider_pipeline_tests.listing.hostile import HostileServer, answer

KEY = "sk-demo-0123456789abcdef"
BEARER = {"type": "bearer", "env": "ACME_KEY"}
ENVIRON = {"ACME_KEY": KEY}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_is_refused_and_no_key_goes_there(
    httpserver: HTTPServer, other_host: HTTPServer, fetch: Fetch, status: int
) -> None:
    headers = {"Location": other_host.url_for("/models")}
    httpserver.expect_request("/models").respond_with_data("", status=status, headers=headers)
    with pytest.raises(ListingRefusedError, match="which is not followed") as caught:
        fetch(httpserver.url_for(""), auth=BEARER, environ=ENVIRON)
    assert (caught.value.status, caught.value.transient) == (status, False)
    assert other_host.url_for("/models") in caught.value.message
    assert other_host.log == []


@pytest.mark.parametrize(
    "location", ["//127.0.0.1:1/x", "http://user:pw@127.0.0.1/x", "file:///etc/passwd", "http://[::1", "javascript:0"]
)
def test_a_redirect_to_an_odd_place_is_refused(httpserver: HTTPServer, fetch: Fetch, location: str) -> None:
    redirect = answer(b"", f"Location: {location}", status="302 Found")
    refused = pytest.raises(ListingRefusedError, match="which is not followed")
    with HostileServer(lambda c: c.send(redirect)) as server, refused as caught:
        fetch(server.url, auth=BEARER, environ=ENVIRON)
    assert "user:pw" not in str(caught.value)
    assert len(server.requests) == 1


def test_a_redirect_on_the_same_host_is_followed_with_the_key(httpserver: HTTPServer, fetch: Fetch) -> None:
    httpserver.expect_request("/models").respond_with_data("", status=308, headers={"Location": "/v2/models"})
    httpserver.expect_request("/v2/models").respond_with_json({"data": []})
    auth = {"type": "query", "name": "key", "env": "ACME_KEY"}
    (page,) = fetch(httpserver.url_for(""), auth=auth, environ=ENVIRON)
    assert page.url == httpserver.url_for("/v2/models")
    assert [request.args["key"] for request, _ in httpserver.log] == [KEY, KEY]


def test_redirects_that_never_end_are_left(httpserver: HTTPServer, fetch: Fetch) -> None:
    httpserver.expect_request("/models").respond_with_data("", status=302, headers={"Location": "/models"})
    with pytest.raises(ListingRefusedError, match="more than 3 redirects"):
        fetch(httpserver.url_for(""))
    assert len(httpserver.log) == 4


@pytest.mark.parametrize("style", ["next_url", "link_header", "none"])
def test_a_next_page_on_another_host_is_refused_and_no_key_goes_there(
    httpserver: HTTPServer, other_host: HTTPServer, fetch: Fetch, style: str
) -> None:
    elsewhere = other_host.url_for("/models?page=2")
    httpserver.expect_request("/models").respond_with_json(
        {"data": [], "next": elsewhere}, headers={"Link": f'<{elsewhere}>; rel="next"'}
    )
    pagination = {"type": style, "token": "next"} if style == "next_url" else {"type": style}
    with pytest.raises(ListingUnreadableError, match="on another host, which is not followed"):
        fetch(httpserver.url_for(""), auth=BEARER, environ=ENVIRON, pagination=pagination)
    assert other_host.log == []
