from datetime import date
from typing import get_args

import pytest
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from provider_pipeline.catalog.history import list_models
from provider_pipeline.catalog.model_search import ModelKey, ModelQuery, models_state, page_state, search
from provider_pipeline.catalog.tables.models import RARE_PURPOSES
from provider_pipeline.rules.matching import purpose_names
from provider_pipeline.rules.model_columns import Sorting
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


def test_models_without_a_value_come_last_by_id_and_ties_follow_the_direction(session, write):
    write(
        [
            model("a"),
            model("b", context_length=1),
            model("c", context_length=1),
            model("d", context_length=2),
            model("e"),
        ]
    )
    for sort, expected in (("context_length", "bcdae"), ("-context_length", "dcbae")):
        query, pages, after = ModelQuery(sort=sort), "", None
        while True:
            page = search(session, query, limit=2, after=after)
            pages += "".join(each["model_id"] for each in page.models)
            if (after := page.last) is None:
                break
        assert pages == expected


@pytest.mark.parametrize("sort", [each for each in get_args(Sorting) if not each.endswith("model_id")])
def test_a_sorted_page_is_a_range_of_an_index_wherever_it_begins(session, write, sort):
    write(MODELS)
    column = sort.removeprefix("-")
    value = "2026-01-01" if column == "first_seen_at" else "1"
    # A table of three rows is read faster without an index: what matters is that there is another way.
    for setting in ("enable_seqscan", "enable_sort", "enable_bitmapscan"):
        session.execute(text(f"SET LOCAL {setting} = off"))
    for after in (None, ModelKey(value, 1, "a")):
        (plan, *_) = plans(session, ModelQuery(sort=sort, status="active"), after)
        assert f"provider_model_{column}_idx" in plan
        assert "Sort" not in plan
        assert (f"Index Cond: (ROW({column}, provider_id, model_id)" in plan) is (after is not None)


def test_a_page_of_models_that_end_before_a_day_is_a_range_of_the_index_of_those_that_end(session, write):
    write(MODELS)
    for setting in ("enable_seqscan", "enable_sort", "enable_bitmapscan"):
        session.execute(text(f"SET LOCAL {setting} = off"))
    for after in (None, ModelKey(None, 1, "a")):
        (plan,) = plans(session, ModelQuery(retires_before=date(2027, 1, 1), status="active"), after)
        assert "provider_model_ends_idx" in plan
        assert "Sort" not in plan


@pytest.mark.parametrize("capabilities", [("rerank",), ("chat", "rerank")])
def test_a_page_of_models_of_a_rare_purpose_is_a_range_of_the_index_of_these_models(session, write, capabilities):
    write(MODELS)
    for setting in ("enable_seqscan", "enable_sort", "enable_bitmapscan"):
        session.execute(text(f"SET LOCAL {setting} = off"))
    for after in (None, ModelKey(None, 1, "a")):
        (plan,) = plans(session, ModelQuery(capabilities=capabilities, status="active"), after)
        assert "provider_model_rerank_idx" in plan
        assert "Sort" not in plan


def test_every_purpose_but_the_most_common_ones_has_an_index():
    assert set(RARE_PURPOSES) == purpose_names() - {"chat", "completion"}


def plans(session: Session, query: ModelQuery, after: ModelKey | None) -> list[str]:
    """The plans of a page's statements."""
    statements = []

    def note(*call: object) -> None:
        statements.append(call[2:4])

    engine = session.get_bind()
    event.listen(engine, "before_cursor_execute", note)
    search(session, query, limit=10, after=after)
    event.remove(engine, "before_cursor_execute", note)
    connection = session.connection()
    explained = (connection.exec_driver_sql(f"EXPLAIN {sql}", given) for sql, given in statements)
    return ["\n".join(plan.scalars()) for plan in explained]


def test_the_state_changes_with_every_sync_and_only_then(session, provider, write):
    write(MODELS)
    before = models_state(session, provider)
    assert models_state(session, provider) == before
    record_success(session, provider.id, now=NOON, rule_version=1, result={})
    assert models_state(session, provider) != before


def test_the_state_of_a_page_is_that_of_the_models_as_long_as_its_digest_is_cheap(session, provider, write):
    write(MODELS)
    assert page_state(session, None) == models_state(session, None)
    assert page_state(session, provider) == models_state(session, provider)


def test_with_very_many_providers_the_state_of_a_page_of_all_changes_with_every_transaction_and_only_then(
    session, provider, write
):
    write(MODELS)
    for statement in (
        "INSERT INTO provider (slug, name) SELECT format('it-%s', n), 'It' FROM generate_series(1, 10001) AS n",
        "INSERT INTO provider_sync (provider_id, last_checked_at) SELECT id, now() FROM provider WHERE name = 'It'",
        "ANALYZE provider_sync",
    ):
        session.execute(text(statement))
    session.commit()
    before, of_one = page_state(session, None), page_state(session, provider)
    assert page_state(session, None) == before
    write([*MODELS[1:]], hour=1)
    record_success(session, provider.id, now=NOON, rule_version=1, result={})
    session.commit()
    assert page_state(session, None) != before
    assert page_state(session, provider) != of_one


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
