"""A model API is detected by its listing, and nothing else is taken for one."""

import json
import re
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from provider_pipeline.errors import ConfigurationError, MissingCredentialError
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.listing.policy import RequestPolicy
from provider_pipeline.presets.detection import (
    MAX_REQUESTS,
    PROBE_LIMITS,
    REQUESTS_PER_SECOND,
    Detection,
    detect,
    preset_at,
    slug_of,
    urls_to_probe,
)
from provider_pipeline.presets.file_rules import first_rule
from provider_pipeline.presets.library import load_provider_file, preset_sample, presets, provider_file_text
from provider_pipeline_tests.fleet import CHAT_MODELS, listing

KEYS = {"ACME_API_KEY": "sk-acme"}
HERE = RequestPolicy(allow_private=True)


def detected(url: str, auth: dict[str, Any] | None = None, policy: RequestPolicy = HERE) -> Detection:
    """The detection, without pauses between requests."""
    client = ListingClient(PROBE_LIMITS, environ=KEYS)
    return detect(url, auth=auth or {"type": "none"}, client=client, policy=policy, requests_per_second=1000)


def served(httpserver: HTTPServer, path: str, document: Any, **matching: Any) -> None:
    httpserver.expect_request(path, **matching).respond_with_json(document)


@pytest.mark.parametrize(
    ("slug", "kind", "auth"),
    [
        ("openai", "openai-compatible", {"type": "bearer", "env": "ACME_API_KEY"}),
        ("anthropic", "anthropic", {"type": "header", "name": "x-api-key", "env": "ACME_API_KEY"}),
        ("gemini", "google", {"type": "header", "name": "x-goog-api-key", "env": "ACME_API_KEY"}),
        ("ollama", "ollama", {"type": "none"}),
        ("openrouter", "openrouter", {"type": "none"}),
        ("vllm", "vllm", {"type": "none"}),
        ("mistral", "mistral", {"type": "bearer", "env": "ACME_API_KEY"}),
        ("cohere", "cohere", {"type": "bearer", "env": "ACME_API_KEY"}),
    ],
)
def test_each_kind_is_detected_and_described_as_a_provider_file(
    httpserver: HTTPServer, tmp_path: Any, slug: str, kind: str, auth: dict[str, Any]
):
    sample = preset_sample(slug)

    def answer(request: Request) -> Response:
        sent = request.headers.get("Authorization", request.headers.get(auth.get("name", ""), ""))
        if sent.removeprefix("Bearer ") != ("sk-acme" if "env" in auth else ""):
            return Response('{"error": "no key"}', status=401)
        return Response(json.dumps(sample), content_type="application/json")

    path = presets()[slug].endpoints[0].path.partition("?")[0]
    httpserver.expect_request(path).respond_with_handler(answer)
    found = detected(httpserver.url_for(""), auth).found
    assert found is not None
    assert (found.rule.metadata["provider_kind"]["kind"], found.file.endpoints[0].path) == (kind, path)
    assert {row["model_id"] for row in found.rows} == set(presets()[slug].sample_rows)

    file = tmp_path / "found.yaml"
    file.write_text(provider_file_text(found.file))
    again = load_provider_file(file)
    assert again == found.file
    assert again.auth == auth
    rule = first_rule(again, found.sample)
    assert rule is not None
    assert [each.pagination for each in rule.endpoints] == [
        None if each.pagination == {"type": "none"} else each.pagination for each in found.rule.endpoints
    ]


@pytest.mark.parametrize(
    ("given", "base", "path"),
    [
        ("/openai/v1/models", "", "/openai/v1/models"),
        ("/openai/v1", "/openai/v1", "/models"),
        ("/openai/v1/", "/openai/v1", "/models"),
        ("/openai", "/openai", "/v1/models"),
        ("/somewhere/else", "", "/openai/v1/models"),
        ("/custom/list?all=true", "", "/custom/list?all=true"),
    ],
)
def test_the_address_may_be_that_of_the_api_of_a_part_of_it_or_of_the_listing(
    httpserver: HTTPServer, given: str, base: str, path: str
):
    served(httpserver, (base + path).partition("?")[0], listing(*CHAT_MODELS))
    found = detected(httpserver.url_for("").rstrip("/") + given).found
    assert found is not None
    assert found.file.base_url == httpserver.url_for("").rstrip("/") + base
    assert found.file.endpoints[0].path == path


USERS = [
    {"id": n, "name": name, "username": name.lower(), "email": f"{name}@x.example"} for n, name in enumerate("ABC")
]
WEATHER = {"list": [{"dt": n, "weather": [{"id": 800 + n, "main": "Clear", "icon": "01d"}]} for n in range(3)]}
FILES = [{"name": f"llama-{n}b.gguf", "size": 1, "mod_time": "2026", "is_dir": False} for n in (3, 7)]
PEOPLE = {"object": "list", "data": [{"id": f"user-{n}", "object": "organization.user", "role": "owner"} for n in "ab"]}
CARS = {"models": [{"id": 1, "make": "BMW", "name": "X5"}, {"id": 2, "make": "VW", "name": "Golf"}]}
PAGE = "<!doctype html><html><head><title>{}</title></head><body></body></html>"


@pytest.mark.parametrize(
    ("body", "kind", "status", "said"),
    [
        (PAGE.format("Acme Corporation"), "text/html", 200, "a web page titled 'Acme Corporation'"),
        (PAGE.format("Sign in"), "text/html", 200, "a login page titled 'Sign in'"),
        (PAGE.format("Index of /"), "text/html", 200, "a web page titled 'Index of /'"),
        ('<?xml version="1.0"?><rss><channel/></rss>', "application/rss+xml", 200, "a web page instead of JSON"),
        ("", "text/plain", 200, "an empty body"),
        ("It works!", "text/plain", 200, "malformed JSON"),
        (json.dumps(USERS), "application/json", 200, "its list is not one of models"),
        (json.dumps(WEATHER), "application/json", 200, "its list is not one of models"),
        (json.dumps(FILES), "application/json", 200, "its list is not one of models"),
        (json.dumps(PEOPLE), "application/json", 200, "its list is not one of models"),
        (json.dumps(CARS), "application/json", 200, "its list is not one of models"),
        ('{"status": "up", "version": "1.2"}', "application/json", 200, "it has no list of objects with ids"),
        ("[]", "application/json", 200, "it has no list of objects with ids"),
        ('{"error": "no such thing"}', "application/json", 200, "an error instead of a listing"),
        ("nope", "text/plain", 404, "answered 404"),
        ('{"error": "who are you?"}', "application/json", 401, "answered 401"),
        ("busy", "text/plain", 503, "answered 503"),
    ],
)
def test_anything_but_a_model_api_is_refused_in_one_line(
    httpserver: HTTPServer, body: str, kind: str, status: int, said: str
):
    httpserver.no_handler_status_code = 404
    httpserver.expect_request("/").respond_with_data(body, status=status, content_type=kind)
    httpserver.expect_request("/v1/models").respond_with_data(body, status=status, content_type=kind)
    found = detected(httpserver.url_for("").rstrip("/"))
    assert found.found is None
    assert said in found.reason
    assert "\n" not in found.reason
    assert found.reason.startswith("no model API found at http://localhost")


PRIVATE = ("fraud-detector", "support-bot")
ROUTES = {
    "endpoints": [{"name": name, "endpoint_type": "llm/v1/chat", "limit": None} for name in PRIVATE],
    "next_page_token": None,
}


@pytest.mark.parametrize(
    ("path", "document"),
    [
        ("/api/2.0/endpoints/", ROUTES),
        ("/v1/models", {"models": [*PRIVATE]}),
        ("/llm/catalogue", [{"id": name, "owner": "risk"} for name in PRIVATE]),
        ("/deployments?state=ready", {"items": [{"name": name, "replicas": 2} for name in PRIVATE]}),
    ],
)
def test_a_listing_that_was_given_is_read_whatever_its_models_are_called(
    httpserver: HTTPServer, path: str, document: Any
):
    served(httpserver, path.partition("?")[0], document)
    found = detected(httpserver.url_for("").rstrip("/") + path).found
    assert found is not None
    assert {row["model_id"] for row in found.rows} == set(PRIVATE)
    assert [each.path for each in found.file.endpoints] == [path]


def test_private_names_are_found_below_a_host_if_path_and_key_speak_of_models(httpserver: HTTPServer):
    httpserver.no_handler_status_code = 404
    served(httpserver, "/v1/models", {"models": [*PRIVATE]})
    found = detected(httpserver.url_for("")).found
    assert found is not None
    assert {row["model_id"] for row in found.rows} == set(PRIVATE)


@pytest.mark.parametrize(
    ("path", "document"), [("/v1/models", {"object": "list", "data": []}), ("/api/tags", {"models": []}), ("/all", [])]
)
def test_an_empty_listing_that_was_given_makes_a_file_without_a_rule(httpserver: HTTPServer, path: str, document: Any):
    served(httpserver, path, document)
    found = detected(httpserver.url_for(path)).found
    assert found is not None
    assert (found.rule, found.sample, [*found.rows]) == (None, None, [])
    assert [each.path for each in found.file.endpoints] == [path]


def test_an_empty_listing_below_a_host_needs_two_signs_and_yields_to_one_with_models(httpserver: HTTPServer):
    httpserver.no_handler_status_code = 404
    served(httpserver, "/v1/models", {"object": "list", "data": []})
    empty = detected(httpserver.url_for("")).found
    assert empty is not None
    assert empty.rule is None
    served(httpserver, "/api/models", listing(*CHAT_MODELS))
    full = detected(httpserver.url_for("")).found
    assert full is not None
    assert full.file.endpoints[0].path == "/api/models"
    httpserver.clear()
    httpserver.no_handler_status_code = 404
    served(httpserver, "/v1/models", {"data": []})
    assert "its list is empty" in detected(httpserver.url_for("")).reason


BARE = {"object": "list", "data": [{"id": name, "object": "model"} for name in CHAT_MODELS]}


def test_the_listing_that_states_most_about_the_same_models_is_chosen(httpserver: HTTPServer):
    httpserver.no_handler_status_code = 404
    served(httpserver, "/v1/models", BARE)
    served(httpserver, "/model/info", listing(*CHAT_MODELS))
    found = detected(httpserver.url_for(""))
    assert found.found is not None
    assert found.found.file.endpoints[0].path == "/model/info"
    assert [probe.outcome.rpartition(": ")[2] for probe in found.probes if probe.error is None] == [
        f"{len(CHAT_MODELS)} models"
    ] * 2


def test_a_richer_listing_of_only_some_models_is_not_chosen(httpserver: HTTPServer):
    httpserver.no_handler_status_code = 404
    served(httpserver, "/v1/models", BARE)
    served(httpserver, "/model/info", listing(*CHAT_MODELS[:1]))
    found = detected(httpserver.url_for("")).found
    assert found is not None
    assert found.file.endpoints[0].path == "/v1/models"


def test_a_web_page_at_the_usual_path_is_passed_over(httpserver: HTTPServer):
    for path in ("/", "/v1/models"):
        httpserver.expect_request(path).respond_with_data(PAGE.format("Chat"), content_type="text/html")
    served(httpserver, "/api/models", listing(*CHAT_MODELS))
    found = detected(httpserver.url_for("")).found
    assert found is not None
    assert found.file.endpoints[0].path == "/api/models"


def test_a_listing_by_provider_is_found_though_every_other_path_is_a_web_page(httpserver: HTTPServer):
    models = {
        name: {"id": name, "name": name, "limit": {"context": 8192, "output": 1024}}
        for name in ("gpt-4o", "claude-sonnet-4-5")
    }
    served(httpserver, "/config/providers", {"providers": [{"id": "acme", "key": "k", "models": models}]})
    httpserver.expect_request(re.compile(".*")).respond_with_data(PAGE.format("Code"), content_type="text/html")
    found = detected(httpserver.url_for("")).found
    assert found is not None
    assert found.file.endpoints[0].path == "/config/providers"
    assert len(found.rows) == len(models)


@pytest.mark.parametrize(
    ("status", "body", "with_key"),
    [
        (500, "Internal Server Error", False),
        (400, '{"error": {"message": "No connected db."}}', True),
        (400, '{"type": "InvalidKeyException", "message": "Token Authentication failed."}', False),
        (503, '{"detail": "starting"}', True),
    ],
)
def test_an_error_at_a_listing_path_is_the_reason_and_not_the_page_at_the_root(
    httpserver: HTTPServer, status: int, body: str, with_key: bool
):
    httpserver.no_handler_status_code = 404
    httpserver.expect_request("/").respond_with_data(PAGE.format("Swagger UI"), content_type="text/html")
    httpserver.expect_request("/v1/models").respond_with_data(body, status=status)
    auth = {"type": "bearer", "env": "ACME_API_KEY"} if with_key else {"type": "none"}
    found = detected(httpserver.url_for(""), auth)
    assert f"/v1/models answered {status}" in found.reason
    assert ("check the key in ACME_API_KEY" if with_key else "--key-env NAME") in (found.hint or "")


def test_a_redirect_to_a_login_on_another_host_is_not_followed(httpserver: HTTPServer):
    login = Response(status=302, headers={"Location": "https://login.example/?next=models"})
    httpserver.expect_request("/v1/models").respond_with_response(login)
    httpserver.expect_request("/").respond_with_response(login)
    found = detected(httpserver.url_for("/v1/models"))
    assert found.found is None
    assert "a redirect to https://login.example" in found.reason


def test_if_a_key_is_required_the_hint_says_how_to_give_one(httpserver: HTTPServer):
    served_key = {"Authorization": "Bearer another"}
    served(httpserver, "/v1/models", listing(*CHAT_MODELS), headers=served_key)
    httpserver.expect_request("/v1/models").respond_with_data("{}", status=401)
    without = detected(httpserver.url_for(""))
    assert "--key-env" in (without.hint or "")
    refused = detected(httpserver.url_for(""), {"type": "bearer", "env": "ACME_API_KEY"})
    assert "check the key in ACME_API_KEY" in (refused.hint or "")
    assert "--key-header" in (refused.hint or "")
    with pytest.raises(MissingCredentialError, match="NO_KEY"):
        detected(httpserver.url_for(""), {"type": "bearer", "env": "NO_KEY"})


def test_probing_stops_at_a_listing_that_was_given_and_when_nothing_answers(httpserver: HTTPServer):
    served(httpserver, "/models", listing(*CHAT_MODELS))
    found = detected(httpserver.url_for("/models"))
    assert len(found.probes) == len(httpserver.log) == 1
    dead = detected("http://127.0.0.1:9")
    assert len(dead.probes) == 1
    assert "the connection was refused" in dead.reason
    nobody = detected("https://nobody.invalid", policy=RequestPolicy())
    assert len(nobody.probes) == 1


def test_probing_stops_at_too_many_requests(httpserver: HTTPServer):
    httpserver.expect_request("/v1/models").respond_with_data("slow down", status=429)
    assert len(detected(httpserver.url_for("")).probes) == 1


def test_requests_are_few_slow_and_to_one_origin():
    assert REQUESTS_PER_SECOND <= 3
    for url in ("https://acme.example", "https://acme.example/a/b/c", "https://acme.example/v1?x=1"):
        places = urls_to_probe(url)
        assert len({base + path for base, path in places}) == len(places) <= MAX_REQUESTS
        assert all(base.startswith("https://acme.example") for base, _ in places)
    assert ("https://acme.example/v1", "/v1/models") not in urls_to_probe("https://acme.example/v1")


def test_private_addresses_need_permission_and_malformed_urls_are_refused(httpserver: HTTPServer):
    with pytest.raises(ConfigurationError, match="--allow-private"):
        detected(httpserver.url_for(""), policy=RequestPolicy())
    assert httpserver.log == []
    for text in ("acme.example", "ftp://acme.example", "https://user:sk-1@acme.example", "https://a.example?api_key=s"):
        with pytest.raises(ConfigurationError) as raised:
            detected(text)
        assert "sk-1" not in str(raised.value)


def test_the_preset_of_a_host_is_recognised():
    assert preset_at("https://api.openai.com/v1") == "openai"
    assert preset_at("https://api.acme.example") is None


def test_a_slug_is_derived_from_the_host_name():
    assert [
        slug_of(url) for url in ("https://api.acme.example/v1", "https://llm.acme.co.uk", "http://gpubox:8000")
    ] == [
        "acme",
        "acme",
        "gpubox",
    ]
    assert slug_of("http://127.0.0.1:8000") == slug_of("http://localhost") == slug_of("http://[::1]:1") == ""
