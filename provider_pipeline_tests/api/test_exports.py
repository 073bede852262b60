"""The listing that OpenAI's clients read, and exports, over HTTP."""

from collections.abc import Callable

import pytest

from provider_pipeline.api.settings import ApiSettings
from provider_pipeline.exports.forms import FORMS
from provider_pipeline_tests.api.conftest import Api, problem
from provider_pipeline_tests.exports.conftest import ACME, fill_catalogue

LISTINGS = ("/v1/models", "/api/v1/models", "/providers/acme/v1/models")
PATHS = (*LISTINGS, "/exports", "/exports/api.json", "/exports/litellm")


@pytest.fixture
def filled(api: Api) -> Api:
    """The API with the models of the exports' tests."""
    fill_catalogue(api.fleet.database)
    return api


@pytest.mark.parametrize("path", LISTINGS)
def test_the_listing_is_openais_form_with_what_is_known(filled: Api, path: str):
    listed = filled.get(path)
    assert (listed["object"], listed["total_count"], listed["links"]) == ("list", len(ACME), {"next": None})
    models = {each["id"].removeprefix("acme/"): each for each in listed["data"]}
    assert all({"id", "object", "created", "owned_by"} <= each.keys() for each in models.values())
    big = models["claude-big"]
    assert (big["id"] == "claude-big") is path.startswith("/providers")
    assert [big[name] for name in ("context_length", "context_window", "max_model_len")] == [1_000_000] * 3
    assert big["pricing"]["prompt"] == "0.0000008"
    assert big["architecture"]["input_modalities"] == ["image", "text"]
    assert big["capabilities"]["vision"] is True
    assert big["created"] == 1_747_180_800  # released on 2025-05-14
    bare = models["=HYPERLINK(1)"]
    assert bare.keys() == {"id", "object", "created", "owned_by", "name"}


def test_every_form_is_served(filled: Api):
    assert [each["name"] for each in filled.get("/exports")["forms"]] == list(FORMS)
    for name, form in FORMS.items():
        answer = filled("GET", f"/exports/{name}", scope="read")
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith(form.media_type)
        assert int(answer.headers["x-models"]) + int(answer.headers["x-models-left-out"]) == len(ACME)
    assert filled.get("/exports/api.json") == filled.get("/exports/models-dev")


def test_an_export_is_narrowed_and_of_the_past(filled: Api):
    assert filled.get("/exports/litellm?as_of=2020-01-01T00:00:00Z") == {}
    assert len(filled.get("/exports/litellm?provider=acme&fill=canonical")) == 4
    assert problem(filled("GET", "/exports/litellm?provider=nobody"), 404, "unknown-provider")
    assert "litellm-proxy" in problem(filled("GET", "/exports/odd"), 404, "no-such-form")["detail"]
    problem(filled("GET", "/exports/litellm?as_of=2020-01-01T00:00:00Z&fill=canonical"), 422, "configuration")


@pytest.mark.parametrize("path", ["/v1/models", "/exports/litellm"])
def test_an_unchanged_table_is_not_sent_again(synced: Api, path: str):
    first = synced("GET", path, scope="read")
    known = {"If-None-Match": first.headers["etag"]}
    again = synced("GET", path, scope="read", headers=known)
    assert (again.status_code, again.content) == (304, b"")
    assert synced("POST", "/api/providers/acme/sync-models").status_code == 200
    assert synced("GET", path, scope="read", headers=known).status_code == 200


@pytest.mark.parametrize("path", PATHS)
def test_the_listing_needs_a_token_unless_it_is_public(filled: Api, serving: Callable[[ApiSettings], Api], path: str):
    problem(filled("GET", path, scope=None), 401, "token-missing")
    public = serving(ApiSettings(public_listing=True))
    assert public("GET", path, scope=None).status_code == 200
    # Clients that must send some key send any.
    assert public("GET", path, scope=None, headers={"Authorization": "Bearer none"}).status_code == 200
    problem(public("GET", "/api/models", scope=None), 401, "token-missing")
    problem(public("POST", "/api/providers/acme/sync-models", scope=None), 401, "token-missing")
