"""Rules with several endpoints, where a model that two of them list is one row, and rules with details."""

from typing import Any

import pytest
from hypothesis import given, strategies as st

from provider_pipeline import RuleValidator
from provider_pipeline.errors import InvalidRuleError
from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline.rules.history import RowsInMemory
from provider_pipeline.rules.judge import ListingJudge
from provider_pipeline.rules.rows import Profile, meta_hash

CAPABILITIES = {
    "chat": {"patterns": {"regex": ["gpt-.*"]}},
    "embedding": {"patterns": {"evidence": ["kind == 'embedding'"], "counter_evidence": ["kind == 'chat'"]}},
    "tools": {"patterns": {"evidence": ["tools"]}},
}


def rule(*endpoints: dict[str, Any]) -> ExtractionRule:
    return ExtractionRule.parse(
        {"model_list_config": {"endpoint": list(endpoints)}, "endpoints_config": CAPABILITIES},
    )


def endpoint(path: str, **fields: str) -> dict[str, Any]:
    return {"endpoint": path, "selector": "data[*]", "fields": {"id": "id", **fields}}


TWO = rule(
    endpoint("/v1/models", name="name", context_length="context", owned_by="owner"),
    endpoint("/v1/priced-models", context_length="context", input_price="price", region="region"),
)


def judged(pages: list[tuple[int, list[Any]]], **options: Any):
    judge = ListingJudge(TWO, **options)
    rows = [row for number, items in pages for row in judge.add_page({"data": items}, endpoint=number)]
    verdict = judge.verdict()
    return list(verdict.settled(rows)), verdict


def test_a_model_of_two_endpoints_is_one_row_of_the_first_ones_values_with_its_gaps_filled():
    rows, verdict = judged(
        [
            (0, [{"id": "gpt-4o", "name": "GPT-4o", "context": 128_000, "owner": "acme"}, {"id": "gpt-3.5-turbo"}]),
            (1, [{"id": "gpt-4o", "context": 4096, "price": 2.5, "region": "eu", "tools": True}]),
        ]
    )
    merged = {row["model_id"]: row for row in rows}["gpt-4o"]
    assert [row["model_id"] for row in rows] == ["gpt-3.5-turbo", "gpt-4o"]
    assert (merged["display_name"], merged["context_length"], merged["input_price"]) == ("GPT-4o", 128_000, 2.5)
    assert merged["metadata_json"] == {"owned_by": "acme", "region": "eu"}
    assert merged["capabilities"] == {"chat": True, "tools": True}
    assert merged["capability_sources"] == {"chat": "regex", "tools": "evidence"}
    assert merged["meta_hash"] == meta_hash(merged)
    assert (verdict.valid, verdict.profile, verdict.issues) == (True, Profile.of_rows(rows), ())


def test_of_two_endpoints_that_decide_a_capability_the_stronger_source_wins_then_the_first():
    rows, _ = judged([(0, [{"id": "a", "kind": "chat"}]), (1, [{"id": "a", "kind": "embedding"}])])
    assert rows[0]["capabilities"] == {"embedding": False}
    named = ExtractionRule.parse(
        {
            "model_list_config": {"endpoint": [endpoint("/a"), endpoint("/b")]},
            "endpoints_config": {"chat": {"patterns": {"regex": ["gpt-.*"], "counter_evidence": ["kind == 'image'"]}}},
        }
    )
    judge = ListingJudge(named)
    judge.add_page({"data": [{"id": "gpt-image"}]}, endpoint=0)
    (row,) = judge.add_page({"data": [{"id": "gpt-image", "kind": "image"}]}, endpoint=1)
    assert (row["capabilities"], row["capability_sources"]) == ({"chat": False}, {"chat": "evidence"})


def test_of_two_endpoints_a_name_wins_over_weak_evidence():
    patterns = {"weak_evidence": ["modality == 'text'"], "regex": ["!base-embed"]}
    rule = ExtractionRule.parse(
        {
            "model_list_config": {
                "endpoint": [endpoint("/a"), {**endpoint("/b"), "fields": {"id": "id", "base_model": "base"}}]
            },
            "endpoints_config": {"chat": {"patterns": patterns}},
        }
    )
    judge = ListingJudge(rule)
    (first,) = judge.add_page({"data": [{"id": "a", "modality": "text"}]}, endpoint=0)
    assert first["capability_sources"] == {"chat": "weak_evidence"}
    (row,) = judge.add_page({"data": [{"id": "a", "base": "base-embed", "modality": "text"}]}, endpoint=1)
    assert (row["capabilities"], row["capability_sources"]) == ({"chat": False}, {"chat": "regex"})


def test_an_id_that_one_endpoint_repeats_is_still_a_duplicate():
    _, verdict = judged([(0, [{"id": "gpt-4o"}, {"id": "gpt-4o"}]), (1, [{"id": "gpt-4o"}])])
    (problem,) = verdict.issues
    assert (problem["type"], problem["message"].split()[0]) == ("duplicate_ids", "1")
    assert verdict.profile.count == 1


@pytest.mark.parametrize("empty", [0, 1])
def test_an_endpoint_that_is_empty_beside_another_fails_the_listing(empty: int):
    _, verdict = judged([(empty, []), (1 - empty, [{"id": "gpt-4o"}])])
    (problem,) = verdict.issues
    assert (problem["type"], problem["severity"]) == ("empty_listing", "error")
    assert TWO.endpoints[empty].path in problem["message"]


def test_the_selector_that_finds_no_list_is_named_and_no_other():
    two = rule(endpoint("/a"), {**endpoint("/b"), "selector": "models[*]"})
    judge = ListingJudge(two)
    judge.add_page({"data": [{"id": "gpt-4o"}]}, endpoint=0)
    judge.add_page({"data": [{"id": "gpt-4o"}]}, endpoint=1)
    (problem,) = judge.verdict().issues
    assert problem["message"] == "the selector models[*] finds no list in the page"


def test_what_is_judged_against_history_is_the_merged_row():
    before = [{"model_id": name, "input_price": 2.5, "context_length": 128_000} for name in ("gpt-4o", "gpt-4.1")]
    pages = [
        (0, [{"id": "gpt-4o", "context": 128_000}, {"id": "gpt-4.1", "context": 128_000}]),
        (1, [{"id": "gpt-4o", "context": 9, "price": 250.0}, {"id": "gpt-4.1", "context": 9, "price": 250.0}]),
    ]
    _, verdict = judged(pages, history=RowsInMemory(before))
    assert [(issue["type"], issue["severity"], issue["actual"]) for issue in verdict.issues] == [
        ("prices_jumped", "error", "100%")
    ]


def test_a_value_set_aside_at_one_endpoint_is_filled_from_another():
    rows, verdict = judged([(0, [{"id": "gpt-4o", "context": -7}]), (1, [{"id": "gpt-4o", "context": 8192}])])
    assert [row["context_length"] for row in rows] == [8192]
    assert (verdict.valid, verdict.rejected_count) == (True, 0)


def test_the_validator_reads_one_sample_with_every_endpoint_and_gives_each_model_once():
    sample = {"data": [{"id": "gpt-4o", "name": "GPT-4o", "price": 2.5}]}
    result = RuleValidator().validate_rule(TWO, sample)
    (row,) = result["extracted_models"]
    assert (result["valid"], row["display_name"], row["input_price"]) == (True, "GPT-4o", 2.5)


ITEMS = st.lists(
    st.fixed_dictionaries(
        {"id": st.sampled_from(["gpt-a", "gpt-b", "c"])},
        optional={
            "name": st.sampled_from(["A", "B"]),
            "context": st.sampled_from([1000, 2000, -1, -7]),
            "price": st.sampled_from([1.0, 2.0]),
            "owner": st.sampled_from(["x", "y"]),
            "kind": st.sampled_from(["chat", "embedding"]),
        },
    ),
    max_size=4,
)


@given(first=ITEMS, second=ITEMS)
def test_every_model_comes_out_once_and_the_profile_counts_what_comes_out(first: list[Any], second: list[Any]):
    rows, verdict = judged([(0, first), (1, second)])
    assert len({row["model_id"] for row in rows}) == len(rows)
    assert verdict.profile == Profile.of_rows(rows)
    alone = {row["model_id"]: row for row in judged([(0, first)])[0]}
    for row in rows:
        assert row["meta_hash"] == meta_hash(row)
        own = alone.get(row["model_id"], {})
        assert all(row[column] == own[column] for column in ("display_name", "context_length") if own.get(column))


DETAILED = {
    "model_list_config": {
        "endpoint": "/v1/models",
        "selector": "data[*]",
        "fields": {"id": "id", "context_length": "detail.limits.context", "name": "detail.title || name"},
        "detail": {"path": "/v1/models/{id}", "concurrency": 2},
    },
    "endpoints_config": {"vision": {"patterns": {"evidence": ["detail.vision"]}}},
}


def test_a_row_is_read_from_the_list_and_from_the_models_own_answer():
    listing = {"data": [{"id": "a/b", "name": "list a"}, {"id": "gone", "name": "list gone"}, {"id": "late"}]}
    details = {"a/b": {"title": "A", "limits": {"context": 8192}, "vision": True}, "gone": None}
    result = RuleValidator().validate_rule(DETAILED, {"listing": listing, "details": details})
    rows = {row["model_id"]: row for row in result["extracted_models"]}
    assert (rows["a/b"]["display_name"], rows["a/b"]["context_length"]) == ("A", 8192)
    assert rows["a/b"]["capabilities"] == {"vision": True}
    assert (rows["gone"]["display_name"], rows["gone"]["context_length"]) == ("list gone", None)
    assert rows["late"]["context_length"] is None


@pytest.mark.parametrize("document", [{"data": [{"id": "a"}]}, {"listing": {}, "details": {}}, {"details": []}, None])
def test_a_page_without_listing_and_details_fails_the_extraction(document: Any):
    result = RuleValidator().validate_rule(DETAILED, document)
    assert [issue["type"] for issue in result["issues"]] == ["extraction_failed"]


def test_a_detail_is_kept_in_both_written_forms_and_belongs_to_the_digest():
    parsed = ExtractionRule.parse(DETAILED)
    assert parsed.to_stored()._asdict() == DETAILED
    assert ExtractionRule.parse(parsed.to_analysis()) == parsed
    assert parsed.to_analysis()["detail"] == {"path": "/v1/models/{id}", "concurrency": 2}
    config = DETAILED["model_list_config"]
    other = {**DETAILED, "model_list_config": {**config, "detail": {"path": "/v2/models/{id}"}}}
    assert ExtractionRule.parse(other).digest != parsed.digest
    assert ExtractionRule.parse(other).endpoints[0].detail.concurrency == 4


@pytest.mark.parametrize(
    "detail",
    [
        {},
        {"path": "/v1/models"},
        {"path": "/v1/{id}/{id}"},
        {"path": "/v1/{id}/{name}"},
        {"path": "/v1/{id}", "concurrency": 0},
        {"path": "/v1/{id}", "concurrency": 17},
        {"path": "/v1/{id}", "method": "POST"},
    ],
)
def test_an_invalid_detail_is_refused_in_one_line(detail: dict[str, Any]):
    with pytest.raises(InvalidRuleError, match=r"detail[^\n]*$"):
        ExtractionRule.parse({"jmespath_rule": "data[*]", "capability_rules": [], "detail": detail})


@pytest.mark.parametrize(
    ("name", "base", "family", "capability"),
    [
        pytest.param("house-chat", "o3-pro", "o3-pro", "vision", id="the id says less than the base model's name"),
        pytest.param("house-reranker", "qwen3-8b", None, "rerank", id="the id says otherwise"),
        pytest.param("house-chat", "own-model", None, "chat", id="the base model is unknown"),
        pytest.param("claude", "claude-opus-4-5", "claude-opus", "reasoning", id="the id names a whole family"),
        pytest.param("claude", "qwen3-8b", "claude", "chat", id="the base model is of another family"),
    ],
)
def test_the_base_model_speaks_for_an_id_that_does_not_contradict_it(name, base, family, capability):
    listing = {"data": [{"id": name, "model": base}]}
    rule = RuleGenerator().analyze_sample(listing) | {"fields": {"id": "id", "base_model": "model"}}
    (row,) = RuleValidator().validate_rule(rule, listing)["extracted_models"]
    assert row["family"] == family
    assert row["capabilities"][capability] is True
    assert row["capabilities"].get("chat") is (capability != "rerank")


def test_deployments_of_several_families_behind_one_name_have_no_family():
    listing = {"data": [{"id": "mixed", "model": "gpt-4.1"}, {"id": "mixed", "model": "claude-sonnet-4-5"}]}
    rule = RuleGenerator().analyze_sample(listing) | {"fields": {"id": "id", "base_model": "model"}}
    (row,) = RuleValidator().validate_rule(rule, listing)["extracted_models"]
    assert row["family"] is None


def test_what_one_record_of_an_id_states_beats_the_silence_and_the_denial_of_another():
    rule = RuleGenerator().analyze_sample(
        {
            "data": [
                {"id": "nova-9", "kind": "image", "architecture": {"output_modalities": ["image"]}},
                {
                    "id": "nova-9",
                    "kind": "chat",
                    "architecture": {"output_modalities": ["text"]},
                    "context_length": 8192,
                },
                {"id": "gpt-4o", "kind": "chat", "architecture": {"output_modalities": ["text"]}},
            ]
        }
    )
    sample = {
        "data": [
            {"id": "nova-9", "architecture": {"output_modalities": ["image"]}},
            {"id": "nova-9", "architecture": {"output_modalities": ["text"]}, "context_length": 8192},
        ]
    }
    for listing in (sample, {"data": sample["data"][::-1]}):
        (row,) = RuleValidator().validate_rule(rule, listing)["extracted_models"]
        assert row["capabilities"]["image_generation"] is True
        assert sorted(row["output_modalities"]) == ["image", "text"]
        assert row["context_length"] == 8192
