"""Models over HTTP: filters, orders, pages, past moments, and conditional requests."""

import base64
import json
import random
from collections.abc import Iterator
from datetime import timedelta

import pytest

from provider_pipeline import catalog
from provider_pipeline.api.app import create_app
from provider_pipeline.api.settings import ApiSettings
from provider_pipeline_tests.api.conftest import Client, problem
from provider_pipeline_tests.catalog.builders import NOON, hours_later, model, record_success, register, write_models

USD = {"unit": "million_tokens", "currency": "USD"}
ROWS = {
    "acme": [
        model(
            "chat-big",
            family="acme-chat",
            context_length=1_000_000,
            input_price=3.0,
            output_price=15.000000000000000001,
            prices={
                "input": {**USD, "amount": 3.0, "tiers": [{"above": 200_000, "amount": 6.0}]},
                "output": {**USD, "amount": 15.0},
                "cache_read": {**USD, "amount": 0.3},
            },
            input_modalities=["image", "text"],
            output_modalities=["text"],
            capabilities={"chat": True, "vision": True, "tools": False},
        ),
        model(
            "chat/small",
            family="acme-chat",
            context_length=32_000,
            input_price=0.1,
            output_price=0.4,
            retires_on="2027-01-01",
            input_modalities=["text"],
            output_modalities=["text"],
            capabilities={"chat": True},
        ),
        model("unknown"),
    ],
    "other": [
        model(
            "painter",
            output_modalities=["image"],
            capabilities={"image_generation": True},
            input_price=3,
            output_price=3,
            prices={
                "image": {"amount": 0.04, "unit": "image", "currency": "USD"},
                "input": {**USD, "amount": 3},
                "output": {**USD, "amount": 3},
                "cache_read": {"amount": 0.1, "unit": "million_tokens", "currency": "EUR"},
            },
        ),
        model("zeta", context_length=32_000, capabilities={"chat": True, "vision": True}),
    ],
}


@pytest.fixture(scope="module")
def client(shared_database: catalog.database.Database) -> Iterator[Client]:
    with shared_database.session() as session:
        for slug, rows in ROWS.items():
            provider = register(session, slug)
            write_models(session, provider.id, rows, rule_version=1, now=NOON)
            accept(session, provider.id, NOON)
        session.commit()
    with Client(create_app(shared_database, ApiSettings(needs_token=False, burst=10_000))) as client:
        yield client


def accept(session, provider_id: int, now) -> None:
    record_success(
        session, provider_id, now=now, profile=None, raw_response_id=None, rule_version=1, result={"models": 1}
    )


def ids(client: Client, query: str, path: str = "/api/models") -> list[str]:
    answer = client.get(f"{path}?{query}")
    assert answer.status_code == 200, answer.text
    return [each["model_id"] for each in answer.json()["models"]]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["chat-big", "chat/small", "unknown", "painter", "zeta"]),
        ("capability=vision", ["chat-big", "zeta"]),
        ("capability=vision&min_context=200000", ["chat-big"]),
        ("capability=vision&capability=chat", ["chat-big", "zeta"]),
        ("capability=tools", []),
        ("priced=cache_read", ["chat-big", "painter"]),
        ("priced=cache_read&priced=image", ["painter"]),
        ("max_price=cache_read:0.3", ["chat-big"]),
        ("max_price=cache_read:0.29", []),
        ("max_price=image:0.04", ["painter"]),
        ("max_price=image:0.04&max_price=input:2.9", []),
        ("capability=video_generation", []),
        ("search=PAINT", ["painter"]),
        ("search=%25", []),
        ("family=acme-chat", ["chat-big", "chat/small"]),
        ("min_context=32000", ["chat-big", "chat/small", "zeta"]),
        ("min_context=32001", ["chat-big"]),
        ("modality=image", ["chat-big", "painter"]),
        ("max_input_price=2.5", ["chat/small"]),
        ("max_output_price=3", ["chat/small", "painter"]),
        ("retires_before=2027-01-02", ["chat/small"]),
        ("retires_before=2027-01-01", []),
        ("status=removed", []),
        ("status=all", ["chat-big", "chat/small", "unknown", "painter", "zeta"]),
        ("sort=-model_id", ["zeta", "painter", "unknown", "chat/small", "chat-big"]),
        ("sort=context_length", ["chat/small", "zeta", "chat-big", "unknown", "painter"]),
        ("sort=-context_length", ["chat-big", "zeta", "chat/small", "unknown", "painter"]),
        ("sort=input_price", ["chat/small", "chat-big", "painter", "unknown", "zeta"]),
        ("sort=-output_price", ["chat-big", "painter", "chat/small", "unknown", "zeta"]),
    ],
)
def test_filters_and_orders(client: Client, query: str, found: list[str]):
    assert ids(client, query) == found


def test_models_of_one_provider(client: Client):
    assert ids(client, "", "/api/providers/other/models") == ["painter", "zeta"]
    (first, *_) = client.get("/api/providers/acme/models").json()["models"]
    assert (first["provider"], first["capabilities"]) == ("acme", {"chat": True, "vision": True, "tools": False})
    assert first["last_seen_at"] == NOON.isoformat()


@pytest.mark.parametrize("query", ["capability=visoin", "modality=imagee", "family=zz", "priced=x", "max_price=x:1"])
def test_an_unknown_value_is_a_problem_that_names_the_known_ones(client: Client, query: str):
    answer = client.get(f"/api/models?{query}")
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:provider-pipeline:problem:unknown-value")
    assert "known: " in answer.json()["hint"]


@pytest.mark.parametrize("path", ["/api/models", "/api/providers/acme/models"])
@pytest.mark.parametrize("sort", ["model_id", "context_length", "input_price", "output_price", "first_seen_at"])
@pytest.mark.parametrize("sign", ["", "-"])
def test_pages_together_are_the_complete_list(client: Client, path: str, sort: str, sign: str):
    whole = client.get(path, params={"sort": sign + sort}).json()
    assert whole["next_cursor"] is None
    pages, cursor = [], ""
    while cursor is not None:
        page = client.get(
            path, params={"sort": sign + sort, "limit": 1, **({"cursor": cursor} if cursor else {})}
        ).json()
        pages += page["models"]
        cursor = page["next_cursor"]
    assert pages == whole["models"]


def test_the_past(client: Client, shared_database: catalog.database.Database):
    before, after = (NOON - timedelta(seconds=1)).isoformat(), NOON.isoformat()
    assert client.get("/api/models", params={"as_of": before}).json()["models"] == []
    page = client.get("/api/models", params={"as_of": after, "limit": 2}).json()
    assert [each["model_id"] for each in page["models"]] == ["chat-big", "chat/small"]
    assert page["models"][0]["last_seen_at"] is None
    rest = client.get("/api/models", params={"as_of": after, "cursor": page["next_cursor"]}).json()
    assert [each["model_id"] for each in rest["models"]] == ["unknown", "painter", "zeta"]
    one = client.get("/api/providers/other/models", params={"as_of": after, "sort": "-model_id", "limit": 1}).json()
    assert [each["model_id"] for each in one["models"]] == ["zeta"]


def test_unchanged_models_are_answered_with_304_until_the_next_sync(
    client: Client, shared_database: catalog.database.Database
):
    first = client.get("/api/models")
    etag = first.headers["etag"]
    for given in (etag, f'"other", {etag}', "*", etag.removeprefix("W/")):
        again = client.get("/api/models", headers={"If-None-Match": given})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    one = client.get("/api/providers/acme/models").headers["etag"]
    with shared_database.session() as session:
        accept(session, catalog.providers.get(session, "other").id, hours_later(1))
        session.commit()
    changed = client.get("/api/models", headers={"If-None-Match": etag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != etag
    assert client.get("/api/providers/acme/models", headers={"If-None-Match": one}).status_code == 304


def test_an_unknown_provider_is_a_404_that_names_similar_ones(client: Client):
    assert "acme" in problem(client.get("/api/providers/acm/models"), 404, "unknown-provider")["hint"]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=1001",
        "min_context=-1",
        "max_input_price=nan",
        "retires_before=soon",
        "max_input_price=inf",
        "status=nonsense",
        "sort=secret",
        "as_of=2x",
        "as_of=yesterday",
        "family=%00",
        "capability=%27%20OR%201",
        "cursor=%00",
    ],
)
def test_an_invalid_parameter_is_refused(client: Client, query: str):
    problem(client.get(f"/api/models?{query}"), 422, "invalid-request")


def test_a_misspelt_parameter_is_refused_with_the_known_ones(client: Client):
    refused = problem(client.get("/api/models?min_contxt=200000"), 422, "unknown-parameter")
    assert "min_contxt" in refused["detail"]
    assert "min_context" in refused["hint"]


def test_times_are_taken_as_the_command_line_takes_them(client: Client):
    written = [client.get(f"/api/models?as_of={text}").json() for text in ("2026-12-01", "2026-12-01T00:00:00Z")]
    assert written[0] == written[1]
    first = client.get("/api/models?as_of=1m&limit=1").json()
    second = client.get(f"/api/models?as_of=1m&limit=1&cursor={first['next_cursor']}")
    assert second.status_code == 200, second.text
    problem(client.get(f"/api/models?as_of=2m&limit=1&cursor={first['next_cursor']}"), 400, "broken-cursor")


def test_the_vocabulary_names_what_ships_and_what_listings_brought(client: Client):
    known = client.get("/api/vocabulary").json()
    assert {"chat", "vision"} <= set(known["capabilities"])
    assert {"text", "image"} <= set(known["modalities"])
    assert "acme-chat" in known["families"]
    assert {"name": "image", "unit": "image"} in known["price_components"]
    assert known["change_kinds"][:2] == ["added", "renamed"]
    for name in known["capabilities"]:
        assert client.get(f"/api/models?capability={name}").status_code == 200


def cursor_of(document: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


def test_broken_cursors_are_refused(client: Client):
    good = client.get("/api/models?limit=1&sort=input_price").json()["next_cursor"]
    place = json.loads(base64.urlsafe_b64decode(good + "=" * (-len(good) % 4)))
    broken = ["x", "e30", cursor_of([]), cursor_of({**place, "more": 1}), good[:-3]]
    broken += [
        cursor_of({**place, **change})
        for change in (
            {"of": "0000000000000000"},
            {"provider_id": "1"},
            {"provider_id": 2**70},
            {"model_id": "\x00"},
            {"model_id": None},
            {"value": "abc"},
            {"value": "NaN"},
            {"value": "1e999999"},
            {"value": 3},
        )
    ]
    for cursor in broken:
        problem(client.get("/api/models", params={"sort": "input_price", "cursor": cursor}), 400, "broken-cursor")
    problem(client.get("/api/models", params={"cursor": good}), 400, "broken-cursor")
    later = client.get("/api/models?limit=1&sort=first_seen_at").json()["next_cursor"]
    place = json.loads(base64.urlsafe_b64decode(later + "=" * (-len(later) % 4)))
    for value in ("0001-01-01T00:00:00+14:00", "2026", "now"):
        cursor = cursor_of({**place, "value": value})
        problem(client.get("/api/models", params={"sort": "first_seen_at", "cursor": cursor}), 400, "broken-cursor")


def test_random_cursors_are_refused(client: Client):
    random_bytes = random.Random(7)
    for _ in range(200):
        cursor = base64.urlsafe_b64encode(random_bytes.randbytes(random_bytes.randrange(1, 60))).decode().rstrip("=")
        assert client.get("/api/models", params={"cursor": cursor}).status_code == 400


def test_a_models_prices_are_listed_by_component_with_unit_currency_and_tiers(client):
    (model,) = client.get("/api/models?priced=image").json()["models"]
    assert model["prices"]["image"] == {"amount": 0.04, "unit": "image", "currency": "USD"}
    (big,) = client.get("/api/models?max_price=cache_read:1").json()["models"]
    assert big["prices"]["input"]["tiers"] == [{"above": 200_000, "amount": 6.0}]


@pytest.mark.parametrize("query", ["max_price=image", "max_price=image:cheap", "max_price=:1", "priced=A B"])
def test_a_filter_by_price_that_cannot_be_read_is_refused(client, query: str):
    problem(client.get(f"/api/models?{query}"), 422, "invalid-request")
