"""What is tried again, and when."""

import time
from email.utils import formatdate

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from provider_pipeline.errors import (
    ListingRefusedError,
)
from provider_pipeline.listing import FetchLimits
from provider_pipeline_tests.listing.conftest import Fetch


def test_a_server_that_recovers_is_read(httpserver: HTTPServer, fetch: Fetch) -> None:
    httpserver.expect_ordered_request("/models").respond_with_data("", status=503)
    httpserver.expect_ordered_request("/models").respond_with_data("", status=429, headers={"Retry-After": "0"})
    httpserver.expect_ordered_request("/models").respond_with_json({"data": []})
    assert len(fetch(httpserver.url_for(""))) == 1


@pytest.mark.parametrize("retry_after", ["1", "date"])
def test_retry_after_is_waited_for(httpserver: HTTPServer, fetch: Fetch, retry_after: str) -> None:
    times: list[float] = []

    def respond(_: Request) -> Response:
        times.append(time.monotonic())
        wait = retry_after if retry_after != "date" else formatdate(time.time() + 2, usegmt=True)
        return Response("{}") if len(times) > 1 else Response("", status=429, headers={"Retry-After": wait})

    httpserver.expect_request("/models").respond_with_handler(respond)
    fetch(httpserver.url_for(""))
    # A date has whole seconds, so at least one of its two remains.
    assert times[1] - times[0] >= 0.9


def test_a_server_that_asks_for_a_longer_wait_than_we_would_sit_out_is_not_asked_again(
    httpserver: HTTPServer, fetch: Fetch
) -> None:
    httpserver.expect_request("/models").respond_with_data("", status=429, headers={"Retry-After": "86400"})
    with pytest.raises(ListingRefusedError, match="asks to wait 86400 s") as caught:
        fetch(httpserver.url_for(""))
    assert caught.value.transient
    assert len(httpserver.log) == 1


def test_a_wait_that_would_outlast_the_deadline_is_not_begun(httpserver: HTTPServer, fetch: Fetch) -> None:
    httpserver.expect_request("/models").respond_with_data("", status=503, headers={"Retry-After": "20"})
    with pytest.raises(ListingRefusedError, match="answered 503"):
        fetch(httpserver.url_for(""), limits=FetchLimits(deadline=10, longest_wait=30))
    assert len(httpserver.log) == 1
