"""OAuth2 client credentials, against a token endpoint and an API that accepts only its tokens."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import unquote_plus

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from provider_pipeline.errors import (
    ListingRefusedError,
    ListingUnreachableError,
    ListingUnreadableError,
    ModelSyncerError,
)
from provider_pipeline.listing.auth.credentials import (
    MAX_LIFETIME,
    UNSTATED_LIFETIME,
    Token,
    TokenCache,
    token_lifetime,
)
from provider_pipeline_tests.listing.auth.conftest import LISTING, Ask, Said
from provider_pipeline_tests.listing.conftest import QUICK
from provider_pipeline_tests.listing.hostile import Conversation, HostileServer, answer

SECRET = "s3cret/+ =ü-0123456789"
ENVIRON = {"ACME_SECRET": SECRET}


class Authority:
    """A token endpoint and an API beside it."""

    def __init__(self, server: HTTPServer) -> None:
        self.issued: list[str] = []
        self.valid: set[str] = set()
        self.forms: list[dict[str, str]] = []
        self.expires_in: object = 3600
        self.lifts_every_token = False
        self.url = server.url_for("/token")
        self.asked = 0
        server.expect_request("/token", method="POST").respond_with_handler(self._token)
        server.expect_request("/models").respond_with_handler(self._models)

    def auth(self, **more: object) -> dict[str, Any]:
        return {
            "type": "oauth2_client_credentials",
            "token_url": self.url,
            "client_id": {"value": "pipe:line"},
            "client_secret": {"env": "ACME_SECRET"},
            **more,
        }

    def _token(self, request: Request) -> Response:
        form = request.form.to_dict()
        given = request.authorization
        client = (form.get("client_id"), form.get("client_secret"))
        if given is not None:
            client = (unquote_plus(given.username or ""), unquote_plus(given.password or ""))
        self.forms.append(form)
        if client != ("pipe:line", SECRET) or form["grant_type"] != "client_credentials":
            document = {"error": "invalid_client", "error_description": f"no client has {client[1]}"}
            return Response(json.dumps(document), 401, content_type="application/json")
        token = f"token-{len(self.issued)}-0123456789" * 20  # longer than what an error quotes
        self.issued.append(token)
        self.valid.add(token)
        stated = {} if self.expires_in is None else {"expires_in": self.expires_in}
        document = {"access_token": token, "token_type": "Bearer", **stated}
        return Response(json.dumps(document), content_type="application/json")

    def _models(self, request: Request) -> Response:
        self.asked += 1
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in self.valid or self.lifts_every_token:
            self.valid.discard(token)
            document = {"error": f"token {token} is not valid"}
            return Response(json.dumps(document), 401, content_type="application/json")
        page = int(request.args.get("page", "1"))
        return Response(json.dumps(LISTING | {"page": page, "pages": 3}), content_type="application/json")


QUOTED = "s3cret%2F%2B+%3D%C3%BC-0123456789"
PAGES = {"type": "page_number", "param": "page", "page": "page", "total_pages": "pages"}


@pytest.fixture
def authority(httpserver: HTTPServer) -> Authority:
    return Authority(httpserver)


@pytest.mark.parametrize("client_auth", ["basic", "body"])
def test_the_secret_buys_a_token_and_the_token_the_listing(
    httpserver: HTTPServer, authority: Authority, asker: Ask, said: Said, client_auth: str
) -> None:
    auth = authority.auth(client_auth=client_auth, scope="models.read models.list", audience="https://api.acme.example")
    (page,) = asker(ENVIRON).fetch(auth)
    assert page["data"] == LISTING["data"]
    credentials = {"client_id": "pipe:line", "client_secret": SECRET} if client_auth == "body" else {}
    wanted = {"scope": "models.read models.list", "audience": "https://api.acme.example"}
    assert authority.forms == [{"grant_type": "client_credentials", **wanted, **credentials}]
    (asked,) = [request for request, _ in httpserver.log if request.path == "/token"]
    assert ("Authorization" in asked.headers) == (client_auth == "basic")
    for secret in (SECRET, QUOTED, *authority.issued):
        assert secret not in said


def test_a_token_serves_all_pages_and_the_next_listing(authority: Authority, asker: Ask) -> None:
    ask = asker(ENVIRON)
    assert len(ask.fetch(authority.auth(), pagination=PAGES)) == 3
    assert len(ask.fetch(authority.auth(), pagination=PAGES)) == 3
    assert len(authority.issued) == 1


def test_a_token_belongs_to_one_provider_configuration_and_secret(authority: Authority, asker: Ask) -> None:
    environ = dict(ENVIRON)
    ask = asker(environ)
    ask.fetch(authority.auth())
    ask.fetch(authority.auth(), slug="other")
    ask.fetch(authority.auth(scope="more"))
    assert len(authority.issued) == 3
    environ["ACME_SECRET"] = "another-0123456789"
    with pytest.raises(ListingRefusedError, match="POST"):
        ask.fetch(authority.auth())


@pytest.mark.parametrize(("expires_in", "requests"), [(3600, 1), ("3600", 1), (None, 1), (0, 3), (-5, 3)])
def test_an_expired_token_is_not_used(authority: Authority, asker: Ask, expires_in: object, requests: int) -> None:
    authority.expires_in = expires_in
    asker(ENVIRON).fetch(authority.auth(), pagination=PAGES)
    assert len(authority.issued) == requests


def test_a_token_is_dropped_shortly_before_it_expires() -> None:
    now = [1000.0]
    cache = TokenCache(clock=lambda: now[0])
    fetched: list[float] = []

    def fetch() -> Token:
        fetched.append(now[0])
        return Token(f"t{len(fetched)}", 3600)

    for moment in (1000.0, 4539.0, 4540.0, 4541.0):
        now[0] = moment
        cache.get("acme", fetch)
    assert fetched == [1000.0, 4540.0]
    now[0] = 5000.0
    assert cache.get("acme", lambda: Token("unused", 60)) == "t2"
    assert cache.get("other", lambda: Token("short", 10)) == "short"
    now[0] = 5008.9
    assert cache.get("other", lambda: Token("too early", 10)) == "short"
    now[0] = 5009.0
    assert cache.get("other", lambda: Token("next", 10)) == "next"


@pytest.mark.parametrize(
    ("expires_in", "seconds"),
    [
        (3600, 3600),
        (59.5, 59.5),
        ("3600", 3600),
        (10**400, MAX_LIFETIME),
        (-1, 0),
        (None, UNSTATED_LIFETIME),
        (True, UNSTATED_LIFETIME),
        ("soon", UNSTATED_LIFETIME),
        ("9" * 5000, UNSTATED_LIFETIME),
        ([], UNSTATED_LIFETIME),
    ],
)
def test_a_lifetime_is_read_from_whatever_servers_send(expires_in: object, seconds: float) -> None:
    assert token_lifetime(expires_in) == seconds


def test_a_token_that_was_revoked_is_fetched_anew_once(authority: Authority, asker: Ask) -> None:
    ask = asker(ENVIRON)
    ask.fetch(authority.auth())
    authority.valid.clear()
    (page,) = ask.fetch(authority.auth())
    assert page["data"] == LISTING["data"]
    assert len(authority.issued) == 2


def test_a_token_revoked_between_two_pages_costs_no_page(authority: Authority, asker: Ask) -> None:
    authority.expires_in = 3600
    ask = asker(ENVIRON)
    fresh = authority.valid

    class Once(set[str]):
        """Forgets the first token after its first use."""

        def __contains__(self, token: object) -> bool:
            held = super().__contains__(token)
            if token == authority.issued[0]:
                self.discard(authority.issued[0])
            return held

    authority.valid = Once(fresh)
    assert [page["page"] for page in ask.fetch(authority.auth(), pagination=PAGES)] == [1, 2, 3]
    assert len(authority.issued) == 2


def test_an_api_that_refuses_every_token_is_asked_twice(authority: Authority, asker: Ask, said: Said) -> None:
    authority.lifts_every_token = True
    with pytest.raises(ListingRefusedError) as caught:
        asker(ENVIRON).fetch(authority.auth())
    error = caught.value
    assert (error.status, error.transient, len(authority.issued), authority.asked) == (401, False, 2, 2)
    assert "token *** is not valid" in error.message
    assert "the client secret in ACME_SECRET" in (error.hint or "")
    said.note(error)
    for secret in (SECRET, *(token[:20] for token in authority.issued)):
        assert secret not in said


def test_a_wrong_secret_is_reported_with_the_token_url_and_its_message(
    authority: Authority, asker: Ask, said: Said
) -> None:
    wrong = "wrong-0123456789"
    with pytest.raises(ListingRefusedError) as caught:
        asker({"ACME_SECRET": wrong}).fetch(authority.auth())
    error = caught.value
    assert error.message.startswith(f"acme: POST {authority.url} answered 401 UNAUTHORIZED (application/json: ")
    assert "'invalid_client: no client has ***'" in error.message
    assert "ACME_SECRET" in (error.hint or "")
    assert (error.status, error.transient, authority.asked) == (401, False, 0)
    said.note(error)
    assert wrong not in said


def _json(document: object, status: int = 200) -> Callable[[HTTPServer], None]:
    return lambda server: server.expect_request("/token").respond_with_json(document, status=status)


def _html(server: HTTPServer) -> None:
    page = "<!doctype html><title>Sign in</title>"
    server.expect_request("/token").respond_with_data(page, content_type="text/html")


@pytest.mark.parametrize(
    ("answers", "kind", "says", "transient", "requests"),
    [
        (_json({"error": "invalid_scope"}, 400), ListingRefusedError, r"answered 400 .*'invalid_scope'", False, 1),
        (_json({"message": "later"}, 503), ListingRefusedError, r"answered 503 .*'later'.*after 3 attempts", True, 3),
        (_json({"message": "slow down"}, 429), ListingRefusedError, "answered 429", True, 3),
        (_html, ListingUnreadableError, "a login page titled 'Sign in' instead of JSON", False, 1),
        (_json({"error": "bad_verification"}), ListingRefusedError, "200 with an error .*'bad_verification'", False, 1),
        (_json({"token": "sk-0123456789"}), ListingUnreadableError, "without a usable access_token", False, 1),
        (_json({"access_token": "a\nb"}), ListingUnreadableError, "without a usable access_token", False, 1),
        (_json({"access_token": {"x": 1}}), ListingUnreadableError, "without a usable access_token", False, 1),
        (_json(["sk-0123456789"]), ListingUnreadableError, "without a usable access_token", False, 1),
    ],
)
def test_a_token_endpoint_without_a_token_is_reported_and_the_api_not_asked(
    httpserver: HTTPServer,
    asker: Ask,
    said: Said,
    answers: Callable[[HTTPServer], None],
    kind: type[ModelSyncerError],
    says: str,
    transient: bool,
    requests: int,
) -> None:
    answers(httpserver)
    auth = {
        "type": "oauth2_client_credentials",
        "token_url": httpserver.url_for("/token"),
        "client_id": {"value": "pipeline"},
        "client_secret": {"env": "ACME_SECRET"},
    }
    with pytest.raises(kind, match=says) as caught:
        asker(ENVIRON).fetch(auth)
    error = caught.value
    assert f"acme: POST {httpserver.url_for('/token')}" in error.message
    assert error.transient == transient
    assert error.hint
    assert [request.path for request, _ in httpserver.log] == ["/token"] * requests
    said.note(error)
    assert SECRET not in said
    assert "sk-0123456789" not in said


def test_a_token_endpoint_that_is_not_there_is_unreachable(authority: Authority, asker: Ask) -> None:
    with pytest.raises(ListingUnreachableError, match=r"acme: POST http://127.0.0.1:1/token got no answer") as caught:
        asker(ENVIRON).fetch(authority.auth(token_url="http://127.0.0.1:1/token"))
    assert caught.value.transient


def test_a_token_endpoint_that_drips_is_cut_at_the_listings_deadline(authority: Authority, asker: Ask) -> None:
    def drip(talk: Conversation) -> None:
        talk.send(answer(b"", length=100_000))
        talk.drip()

    with HostileServer(drip) as slow:
        limits = QUICK.model_copy(update={"deadline": 0.5})
        with pytest.raises(ListingUnreadableError, match=r"acme: POST .*/token took too long.* the 0.5 s") as caught:
            asker(ENVIRON, limits).fetch(authority.auth(token_url=f"{slow.url}/token"))
    assert caught.value.transient


def test_a_redirect_of_the_token_endpoint_is_not_followed(
    httpserver: HTTPServer, other_host: HTTPServer, authority: Authority, asker: Ask
) -> None:
    for name, target in (("far", other_host.url_for("/token")), ("near", httpserver.url_for("/token"))):
        moved = Response("", 307, {"Location": target})
        httpserver.expect_request(f"/{name}").respond_with_response(moved)
        with pytest.raises(ListingRefusedError, match="which is not followed"):
            asker(ENVIRON).fetch(authority.auth(client_auth="body", token_url=httpserver.url_for(f"/{name}")))
    assert len(other_host.log) == 0
    assert authority.forms == []


def test_the_secret_goes_to_the_token_endpoint_and_the_token_to_the_api(
    httpserver: HTTPServer, other_host: HTTPServer, authority: Authority, asker: Ask
) -> None:
    other_host.clear()
    other_host.expect_request("/login").respond_with_json({"access_token": "elsewhere-0123", "expires_in": 60})
    authority.valid.add("elsewhere-0123")
    asker(ENVIRON).fetch(authority.auth(token_url=other_host.url_for("/login"), client_auth="body"))
    assert [request.form.get("client_secret") for request, _ in other_host.log] == [SECRET]
    ((request, _),) = httpserver.log
    assert request.headers["Authorization"] == "Bearer elsewhere-0123"


def test_many_listings_at_once_fetch_one_token(authority: Authority, asker: Ask) -> None:
    ask = asker(ENVIRON)
    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(lambda _: ask.fetch(authority.auth()), range(12)))
    assert len(authority.issued) == 1


def test_a_refusal_of_an_old_token_does_not_drop_a_newer_one() -> None:
    cache = TokenCache()
    assert cache.get("acme", lambda: Token("old", 60)) == "old"
    cache.drop("acme", "old")
    assert cache.get("acme", lambda: Token("new", 60)) == "new"
    cache.drop("acme", "old")
    assert cache.get("acme", lambda: Token("newer", 60)) == "new"


def test_a_fetch_that_fails_lets_the_next_in_line_try() -> None:
    cache = TokenCache()
    entered, leave = threading.Event(), threading.Event()

    def fails() -> Token:
        entered.set()
        leave.wait(10)
        raise ListingUnreachableError("no")

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(cache.get, "acme", fails)
        assert entered.wait(10)
        second = pool.submit(cache.get, "acme", lambda: Token("mine", 60))
        leave.set()
        assert second.result(10) == "mine"
        assert isinstance(first.exception(10), ListingUnreachableError)
