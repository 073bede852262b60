"""Details of single models, over real HTTP."""

import gzip
import json
import re
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from provider_pipeline.errors import ConfigurationError, ListingRefusedError, ListingUnreadableError, ModelSyncerError
from provider_pipeline.listing.client import ListingClient, detail_url
from provider_pipeline.listing.endpoints import ListingEndpoint, ListingSource
from provider_pipeline.listing.limits import FetchLimits
from provider_pipeline.listing.pages import Page
from provider_pipeline.listing.policy import RequestPolicy
from provider_pipeline.rules.document import Detail
from provider_pipeline_tests.listing.conftest import QUICK

ONE_MODEL = re.compile("^/models/")


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    """A server that answers several requests at once."""
    with HTTPServer(host="127.0.0.1", port=0, threaded=True) as running:
        yield running


class Answers:
    """A provider with a list and details for each model, which records its requests."""

    def __init__(self, server: HTTPServer, *model_ids: Any) -> None:
        self.model_ids = list(model_ids)
        self.answers: dict[str, Response] = {}
        self.asked: list[str] = []
        self.url = server.url_for("")
        self._lock = threading.Lock()
        self._running = 0
        self.most_running = 0
        self.meeting: threading.Barrier | None = None
        server.expect_request("/models").respond_with_handler(self._list)
        server.expect_request(ONE_MODEL).respond_with_handler(self._one)

    def _list(self, _: Request) -> Response:
        body = json.dumps({"data": [{"id": model_id} for model_id in self.model_ids]})
        return Response(body, content_type="application/json", headers={"ETag": '"v1"'})

    def _one(self, request: Request) -> Response:
        sent = request.environ["REQUEST_URI"].removeprefix("/models/")
        with self._lock:
            self.asked.append(sent)
            self._running += 1
            self.most_running = max(self.most_running, self._running)
        try:
            if self.meeting is not None:
                self.meeting.wait(10)
            model_id = unquote(sent)
            return self.answers.get(model_id) or json_response({"id": model_id, "context": len(model_id)})
        finally:
            with self._lock:
                self._running -= 1

    def pages(self, *, limits: FetchLimits = QUICK, concurrency: int = 4, **endpoint: Any) -> list[Page]:
        """The listing, with details."""
        listed = {"path": "/models", "selector": "data[*]", "id_field": "id", **endpoint}
        source = ListingSource(
            slug="acme",
            base_url=self.url,
            endpoints=(ListingEndpoint(detail=Detail(path="/models/{id}", concurrency=concurrency), **listed),),
            policy=RequestPolicy(allow_private=True),
        )
        return list(ListingClient(limits, environ={}).pages(source))


def json_response(document: Any, status: int = 200) -> Response:
    return Response(json.dumps(document), status=status, content_type="application/json")


def test_a_page_holds_the_listing_and_an_answer_for_each_of_its_models(server: HTTPServer):
    answers = Answers(server, "a", "bb", "a", 7, None, {"no": "id"})
    (page,) = answers.pages()
    assert page.document["listing"] == {"data": [{"id": each} for each in answers.model_ids]}
    assert page.document["details"] == {name: {"id": name, "context": len(name)} for name in ("a", "bb", "7")}
    assert json.loads(page.content) == page.document
    assert sorted(answers.asked) == ["7", "a", "bb"]
    assert (page.etag, page.fingerprint, page.not_modified) == (None, None, False)


ODD_IDS = {
    "acme/small": "acme%2Fsmall",
    "a b?c#d": "a%20b%3Fc%23d",
    "50%": "50%25",
    "../../secrets": "..%2F..%2Fsecrets",
    "%2e%2e": "%252e%252e",
    "größe": "gr%C3%B6%C3%9Fe",
    "a:b@c": "a%3Ab%40c",
}


def test_an_id_is_one_part_of_the_path_whatever_it_holds(server: HTTPServer):
    answers = Answers(server, *ODD_IDS)
    (page,) = answers.pages()
    assert sorted(answers.asked) == sorted(ODD_IDS.values())
    assert {name: entry["id"] for name, entry in page.document["details"].items()} == {name: name for name in ODD_IDS}


@pytest.mark.parametrize("model_id", [".", ".."])
def test_an_id_that_climbs_to_another_path_is_not_asked_for(server: HTTPServer, model_id: str):
    answers = Answers(server, model_id)
    with pytest.raises(ListingUnreadableError, match=r"acme: the detail of .* cannot be part of a URL's path"):
        answers.pages()
    assert answers.asked == []


def test_an_id_that_climbs_together_with_the_detail_s_path_is_not_asked_for():
    source = ListingSource(slug="acme", base_url="https://api.example.com")
    assert detail_url(source, Detail(path="/models/.{id}"), "a") == "https://api.example.com/models/.a"
    assert detail_url(source, Detail(path="/models?id={id}"), "..") == "https://api.example.com/models?id=.."
    with pytest.raises(ListingUnreadableError):
        detail_url(source, Detail(path="/models/.{id}"), ".")


def test_a_model_that_is_not_known_has_no_detail(server: HTTPServer):
    answers = Answers(server, "a", "gone")
    answers.answers["gone"] = json_response({"error": "no such model"}, 404)
    (page,) = answers.pages()
    assert page.document["details"] == {"a": {"id": "a", "context": 1}, "gone": None}


FAILURES = {
    "status 500": (Response("oops", status=500), ListingRefusedError, "answered 500"),
    "status 401": (Response("no", status=401), ListingRefusedError, "answered 401"),
    "elsewhere": (
        Response(status=302, headers={"Location": "https://other.example/a"}),
        ListingRefusedError,
        "redirect",
    ),
    "a web page": (Response("<html><title>Login</title></html>"), ListingUnreadableError, "Login"),
    "an error with status 200": (json_response({"error": {"message": "too busy"}}), ListingRefusedError, "too busy"),
    "half of it": (Response('{"id": ', content_type="application/json"), ListingUnreadableError, "JSON"),
}


@pytest.mark.parametrize(("answer", "kind", "said"), FAILURES.values(), ids=FAILURES.keys())
def test_any_other_failure_fails_the_listing_and_names_the_model(
    server: HTTPServer, answer: Response, kind: type[ModelSyncerError], said: str
):
    answers = Answers(server, "a", "acme/bad", "c")
    answers.answers["acme/bad"] = answer
    limits = QUICK.model_copy(update={"retries": 0})
    with pytest.raises(kind, match=r"^acme: the detail of 'acme/bad': [^\n]+$") as caught:
        answers.pages(limits=limits)
    assert said in caught.value.message
    assert caught.value.hint
    assert "acme%2Fbad" in caught.value.message


def test_after_a_failure_no_further_model_is_asked_about(server: HTTPServer):
    answers = Answers(server, *(f"m{number}" for number in range(50)))
    answers.answers["m0"] = Response("no", status=403)
    with pytest.raises(ListingRefusedError, match="'m0'"):
        answers.pages(concurrency=1)
    assert answers.asked == ["m0"]


@pytest.mark.parametrize("concurrency", [1, 3])
def test_as_many_requests_run_at_once_as_the_rule_allows(server: HTTPServer, concurrency: int):
    answers = Answers(server, *(f"m{number}" for number in range(12)))
    answers.meeting = threading.Barrier(concurrency)  # each request waits until all of them arrived
    answers.pages(concurrency=concurrency)
    assert (answers.most_running, len(answers.asked)) == (concurrency, 12)


def test_more_details_than_the_limit_are_not_begun(server: HTTPServer):
    answers = Answers(server, "a", "b", "c")
    with pytest.raises(ListingUnreadableError, match=r"acme: .*at most 2.*max_details"):
        answers.pages(limits=QUICK.model_copy(update={"max_details": 2}))
    assert answers.asked == []


def test_details_count_towards_the_bytes_of_the_listing(server: HTTPServer):
    answers = Answers(server, "a", "b")
    answers.answers["b"] = json_response({"text": "x" * 5000})
    with pytest.raises(ListingUnreadableError, match="'b'"):
        answers.pages(limits=QUICK.model_copy(update={"max_total_bytes": 4000}))


def test_details_are_under_the_listings_deadline(server: HTTPServer):
    answers = Answers(server, "a", "b")
    release = threading.Event()

    def hang(_: Request) -> Response:
        release.wait(20)
        return json_response({})

    server.clear()
    server.expect_request("/models").respond_with_handler(answers._list)
    server.expect_request(ONE_MODEL).respond_with_handler(hang)
    try:
        with pytest.raises(ModelSyncerError, match="took too long"):
            answers.pages(limits=QUICK.model_copy(update={"deadline": 1.0, "retries": 0}))
    finally:
        release.set()


def test_reading_details_takes_from_the_listings_deadline_too(server: HTTPServer):
    answers = Answers(server, *(f"m{number}" for number in range(120)))
    much = gzip.compress(b'["\\ud800",' + b"1e5," * 110_000 + b"0]")
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    answers.answers = {model_id: Response(much, headers=headers) for model_id in answers.model_ids}
    with pytest.raises(ModelSyncerError, match="took too long"):
        answers.pages(limits=QUICK.model_copy(update={"deadline": 1.0}), concurrency=1)
    assert 0 < len(answers.asked) < 120


def test_a_sample_asks_about_the_first_models_only(server: HTTPServer):
    answers = Answers(server, "a", "b", "c")
    (page,) = answers.pages(max_details_per_page=2)
    assert sorted(page.document["details"]) == ["a", "b"]


def test_a_page_without_a_list_asks_nothing_and_is_handed_on_for_the_rule_to_judge(server: HTTPServer):
    answers = Answers(server, "a")
    (page,) = answers.pages(selector="models[*]")
    assert page.document == {"listing": {"data": [{"id": "a"}]}, "details": {}}


def test_a_detail_s_path_holds_no_secret() -> None:
    with pytest.raises(ConfigurationError, match=r"^acme"):
        ListingSource(
            slug="acme",
            base_url="https://api.example.com",
            endpoints=(ListingEndpoint(path="/models", detail=Detail(path="/models/{id}?api_key=x")),),
        )
