from datetime import date

import pytest

from provider_pipeline.catalog.history import list_models
from provider_pipeline.catalog.model_search import ModelQuery, models_state, search
from provider_pipeline_tests.catalog.builders import FULL, NOON, model, record_success

MODELS = [
    model("a", **FULL | {"context_length": 8_000, "input_price": 2.0}),
    model("b", **FULL | {"context_length": 32_000, "input_price": 1.0}),
    model("c", family="other"),
]


@pytest.fixture
def find(session, write):
    write(MODELS)

    def ids(**filters) -> list[str]:
        return [each["model_id"] for each in search(session, ModelQuery(**filters), limit=10).models]

    return ids


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({}, ["a", "b", "c"]),
        ({"sort": "-model_id"}, ["c", "b", "a"]),
        ({"family": "other"}, ["c"]),
        ({"capabilities": ("chat",)}, ["a", "b"]),
        ({"capabilities": ("chat", "embedding")}, []),
        ({"modality": "image"}, ["a", "b"]),
        ({"min_context": 10_000}, ["b"]),
        ({"max_input_price": 1.5}, ["b"]),
        ({"retires_before": date(2026, 8, 1)}, ["a", "b"]),
        ({"retires_before": date(2026, 7, 31)}, []),
        ({"status": "missing"}, []),
        ({"sort": "input_price"}, ["b", "a", "c"]),
        ({"sort": "-input_price"}, ["a", "b", "c"]),
    ],
)
def test_filters_and_sorting(find, filters, found):
    assert find(**filters) == found


@pytest.mark.parametrize("order", ["model_id", "context_length", "input_price", "first_seen_at"])
@pytest.mark.parametrize("descending", [False, True])
def test_pages_of_one_model_are_the_whole_list_in_order(session, find, order, descending):
    sort = f"-{order}" if descending else order
    query, pages, after = ModelQuery(sort=sort), [], None
    while True:
        page = search(session, query, limit=1, after=after)
        pages += [each["model_id"] for each in page.models]
        if (after := page.last) is None:
            break
    assert pages == find(sort=sort)
    assert sorted(pages) == ["a", "b", "c"]


def test_the_state_changes_with_every_sync_and_only_then(session, provider, write):
    write(MODELS)
    before = models_state(session, provider)
    assert models_state(session, provider) == before
    record_success(session, provider.id, now=NOON, rule_version=1, result={})
    assert models_state(session, provider) != before


def test_a_successor_that_the_provider_does_not_list_is_kept_and_marked(session, write):
    write([model("old", successor_model_id="new"), model("older", successor_model_id="elsewhere"), model("new")])
    found = {each["model_id"]: each for each in search(session, ModelQuery(), limit=10).models}
    said = {name: (each["successor_model_id"], each["successor_is_listed"]) for name, each in found.items()}
    assert said == {"old": ("new", True), "older": ("elsewhere", False), "new": (None, None)}
    assert {each["model_id"]: each["successor_is_listed"] for each in list_models(session)} == {
        "old": True,
        "older": False,
        "new": None,
    }
