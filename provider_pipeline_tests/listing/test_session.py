"""What the requests of one listing share."""

import json

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from provider_pipeline_tests.listing.conftest import Fetch

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


def test_every_request_says_who_asks_and_what_it_can_read(httpserver: HTTPServer, fetch: Fetch) -> None:
    httpserver.expect_request("/models").respond_with_json({"data": [{"id": "a"}]})
    fetch(httpserver.url_for(""))
    ((request, _),) = httpserver.log
    assert request.headers["User-Agent"].startswith("provider-pipeline/")
    names = ("Accept", "Accept-Encoding", "Connection", "Host")
    wanted = ["application/json", "gzip, deflate", "keep-alive", f"{httpserver.host}:{httpserver.port}"]
    assert [request.headers[name] for name in names] == wanted
