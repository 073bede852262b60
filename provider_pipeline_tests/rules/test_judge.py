import copy
import json

import pytest

from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline.rules.history import RowsInMemory
from provider_pipeline.rules.ids import SeenModels
from provider_pipeline.rules.issues import GUARDS, PLAUSIBILITY_ISSUES
from provider_pipeline.rules.judge import ListingJudge
from provider_pipeline.rules.model_columns import ROW_COLUMNS
from provider_pipeline.rules.rows import meta_hash
from provider_pipeline.rules.thresholds import Thresholds
from provider_pipeline.rules.validator import RuleValidator
from provider_pipeline_tests.rules import samples

RICH_RULE = RuleGenerator().analyze_sample(samples.RICH)


def judged(sample, *, rule=None, previous=None, thresholds=None):
    return RuleValidator(thresholds).validate_rule(rule or RICH_RULE, sample, previous=previous)


def types(result, severity="error"):
    return [issue["type"] for issue in result["issues"] if issue["severity"] == severity]


def changed(change):
    sample = copy.deepcopy(samples.RICH)
    for position, item in enumerate(sample["data"]):
        change(position, item)
    return sample


def many(count, **fields):
    return {"data": [{"id": f"model-{n}", "context_length": 1024 * (n % 9 + 1), **fields} for n in range(count)]}


ROWS = judged(samples.RICH)["extracted_models"]


def test_a_row_has_exactly_the_documented_columns_in_their_order():
    assert ROWS
    for row in ROWS:
        assert tuple(row) == ROW_COLUMNS
        assert row["meta_hash"] == meta_hash(row)
    json.dumps(ROWS, allow_nan=False)


def test_the_rule_s_own_sample_is_valid_with_and_without_history():
    assert judged(samples.RICH)["valid"]
    assert judged(samples.RICH, previous=ROWS)["valid"]


@pytest.mark.parametrize(
    "answer", [None, "<html></html>", 3, True, [], {}, {"error": {"code": 1}}, {"data": {"error": 1}}]
)
def test_an_answer_without_a_listing_fails_the_extraction(answer):
    result = judged(answer)
    assert not result["valid"]
    assert types(result) == ["extraction_failed"]
    assert result["extracted_models"] == []


LIMITS = {"alpha-7b": {"max_input": 8192, "max_output": 1024}, "beta-70b": {"max_input": 32768, "max_output": 4096}}


@pytest.mark.parametrize(
    "answer",
    [
        {"error": {"message": "try again later", "code": 503}},
        {"payload": LIMITS},
        {"models": LIMITS, "paging": {"total": 2}},
        {"alpha-7b": {"max_input": None, "max_output": None}, "beta-70b": {}},
    ],
)
def test_a_map_of_other_things_is_no_map_of_models(answer):
    rule = RuleGenerator().analyze_sample(LIMITS)
    assert types(judged(answer, rule=rule)) == ["extraction_failed"]


def test_a_model_in_a_map_may_have_none_of_the_fields():
    rule = RuleGenerator().analyze_sample(LIMITS)
    result = judged({"gamma-13b": {}, **LIMITS}, rule=rule)
    assert result["valid"]
    assert [row["model_id"] for row in result["extracted_models"]] == ["gamma-13b", "alpha-7b", "beta-70b"]


@pytest.mark.parametrize("empty", [[], None])
def test_an_empty_listing_is_never_valid(empty):
    assert types(judged({"data": empty})) == ["empty_listing"]


def test_a_missing_list_is_not_an_empty_one():
    rule = {"jmespath_rule": "result.models[*]", "capability_rules": []}
    for answer in (None, {}, {"result": None}, {"result": {}}, {"result": {"models": {}}}):
        assert types(judged(answer, rule=rule)) == ["extraction_failed"]
    assert types(judged({"result": {"models": None}}, rule=rule)) == ["empty_listing"]


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("id", None, "missing_id"),
        ("id", "", "missing_id"),
        ("id", 7, "id_form"),
        ("id", True, "id_form"),
        ("id", ["a"], "id_form"),
        ("id", "nul\x00", "unstorable_id"),
        ("id", "half\ud800", "unstorable_id"),
        ("id", "x" * 513, "id_too_long"),
    ],
)
def test_one_bad_row_of_many_is_rejected_alone_with_its_reason(field, value, reason):
    sample = {"data": [{**copy.deepcopy(samples.RICH["data"][0]), "id": f"m-{n}"} for n in range(100)]}
    sample["data"][3][field] = value
    result = judged(sample)
    assert result["valid"]
    assert types(result, "warning") == [reason]
    assert len(result["extracted_models"]) == 99
    json.dumps(result, allow_nan=False)


ODD_VALUES = [
    ("context_length", "context_length", -5, "negative_limit"),
    ("context_length", "context_length", "large", "not_a_limit"),
    ("context_length", "context_length", 10**400, "implausible_limit"),
    ("context_length", "context_length", float("nan"), "not_a_limit"),
    ("name", "display_name", "nul\x00", "unstorable_text"),
    ("name", "display_name", ["Model"], "not_a_text"),
    ("pricing", "input_price", {"prompt": "-3"}, "negative_price"),
    ("pricing", "input_price", {"prompt": "1"}, "implausible_price"),
    ("pricing", "input_price", {"prompt": float("inf")}, "not_a_price"),
    ("pricing", "input_price", {"prompt": "cheap"}, "not_a_price"),
]


@pytest.mark.parametrize("count", [4, 100])
@pytest.mark.parametrize(("field", "column", "value", "reason"), ODD_VALUES)
def test_one_odd_value_is_set_aside_and_its_model_stays(field, column, value, reason, count):
    sample = {"data": [{**copy.deepcopy(samples.RICH["data"][0]), "id": f"m-{n}"} for n in range(count)]}
    whole = judged(sample)["extracted_models"]
    sample["data"][3][field] = value
    result = judged(sample)
    assert result["valid"]
    assert types(result, "warning") == [reason]
    (issue,) = (issue for issue in result["issues"] if issue["severity"] == "warning")
    assert issue["message"].startswith(f"1 of {count} values of {column} were set aside: ")
    assert issue["sample"][0].startswith("m-3: ")
    changed_columns = {name for name in whole[3] if whole[3][name] != result["extracted_models"][3][name]}
    assert {column} <= changed_columns <= {column, "output_price", "prices", "meta_hash"}
    assert result["extracted_models"][3][column] is None
    assert result["extracted_models"][:3] == whole[:3]
    json.dumps(result, allow_nan=False)


def test_several_odd_values_of_one_model_are_set_aside_each():
    rule = {
        "jmespath_rule": "data[*]",
        "fields": {
            "id": "id",
            "name": "name",
            "context_length": "context",
            "input_modalities": "in",
            "terms": "terms",
        },
        "capability_rules": [],
    }
    item = {"id": "gpt-4o", "name": 4, "context": -9, "in": [{"type": "text"}], "terms": {"text": "nul\x00"}}
    result = judged({"data": [item, {"id": "gpt-4.1", "name": "GPT-4.1"}]}, rule=rule)
    reasons = {"negative_limit", "not_a_text", "not_modalities", "unstorable_text"}
    assert set(types(result, "warning")) == {*reasons, "capabilities_uncovered"}
    assert result["extracted_models"][0]["metadata_json"] == {}
    assert result["valid"]


@pytest.mark.parametrize(("odd", "valid"), [(4, True), (5, False), (20, False)])
def test_too_many_odd_values_in_a_column_hold_the_listing(odd, valid):
    sample = changed(lambda n, item: item.update(context_length="large") if n < odd else None)
    sample["data"] = sample["data"][:20]
    assert judged(sample)["valid"] is valid


def test_few_odd_values_in_a_column_that_is_rarely_given_hold_nothing():
    sample = many(200, name="Model")
    for item in sample["data"]:
        del item["context_length"]
    for item in sample["data"][:3]:
        item["context_length"] = "large"
    rule = {
        "jmespath_rule": "data[*]",
        "fields": {"id": "id", "context_length": "context_length"},
        "capability_rules": [],
    }
    assert judged(sample, rule=rule)["valid"]
    for item in sample["data"][3:6]:
        item["context_length"] = "large"
    assert types(judged(sample, rule=rule)) == ["not_a_limit"]


def test_the_share_of_odd_values_that_a_rule_s_own_sample_had_is_allowed_later_too():
    sample = many(40)
    for item in sample["data"]:
        item["pricing"] = {"prompt": 0.5, "completion": 2.0}
    for item in sample["data"][:11]:
        item["pricing"] = {"prompt": 16_000.0, "completion": 2.0}
    rule = RuleGenerator().analyze_sample(sample)
    assert rule["expect"]["set_aside_share"] == 0.275
    assert judged(sample, rule=rule)["valid"]


def test_too_many_bad_rows_make_the_listing_invalid():
    result = judged(changed(lambda n, item: item.update(id=None) if n < 2 else None))
    assert not result["valid"]
    assert types(result) == ["missing_id"]


@pytest.mark.parametrize("none", [None, 0, -1, "0", ""])
def test_a_limit_of_zero_or_minus_one_means_no_limit(none):
    result = judged(changed(lambda _, item: item.update(context_length=none)))
    assert result["valid"]
    assert {row["context_length"] for row in result["extracted_models"]} == {None}
    assert types(result, "info") == ([] if none in (None, "") else ["no_limit"])


def test_limits_of_minus_one_are_counted_and_others_below_zero_hold_the_listing():
    result = judged(changed(lambda n, item: item.update(context_length=-1) if n < 15 else None))
    assert result["valid"]
    (noted,) = [issue for issue in result["issues"] if issue["type"] == "no_limit"]
    assert noted["message"].startswith("15 values of context_length are 0 or -1")
    assert types(judged(changed(lambda n, item: item.update(context_length=-7) if n < 15 else None))) == [
        "negative_limit"
    ]


def test_the_only_model_s_value_that_turns_odd_holds_the_listing():
    good = {"data": samples.RICH["data"][:1]}
    odd = {"data": [{**good["data"][0], "context_length": -7}]}
    assert types(judged(odd, previous=judged(good)["extracted_models"])) == ["negative_limit"]


@pytest.mark.parametrize(("field", "column", "value", "reason"), ODD_VALUES)
def test_one_odd_value_of_a_server_with_one_model_holds_nothing(field, column, value, reason):
    result = judged({"data": [{**copy.deepcopy(samples.RICH["data"][0]), field: value}]})
    assert result["valid"]
    assert reason in types(result, "warning")
    assert result["extracted_models"][0][column] is None


def test_a_price_of_minus_one_means_no_price_and_zero_is_free():
    rows = judged(changed(lambda n, item: item["pricing"].update(prompt="-1" if n else "0")))["extracted_models"]
    assert [row["input_price"] for row in rows[:2]] == [0.0, None]


def test_of_rows_with_one_id_the_fullest_is_taken_whatever_the_order():
    poor = {"id": "acme/model-1b-instruct"}
    first, last = copy.deepcopy(samples.RICH), copy.deepcopy(samples.RICH)
    first["data"].insert(0, poor)
    last["data"].append(poor)
    assert judged(first)["extracted_models"] == judged(last)["extracted_models"] == ROWS
    assert types(judged(first), "info") == ["duplicate_ids"]


def test_any_number_of_repeated_ids_is_fine_if_the_records_agree():
    result = judged({"data": samples.RICH["data"] * 8})
    assert result["valid"]
    assert (result["extracted_models"], types(result, "info")) == (ROWS, ["duplicate_ids"])


def test_repeats_that_took_the_place_of_known_models_make_the_listing_invalid():
    few = {"data": samples.RICH["data"][:6]}
    repeated = {"data": few["data"][:3] * 2}
    result = RuleValidator().validate_rule(RICH_RULE, repeated, judged(few)["extracted_models"])
    assert "duplicate_ids" in types(result)


def test_a_price_on_which_the_records_of_an_id_disagree_is_unknown():
    twice = copy.deepcopy(samples.RICH)
    other = copy.deepcopy(twice["data"][0])
    other["pricing"]["prompt"] = "0.000123"
    twice["data"].append(other)
    for listing in (twice, {"data": twice["data"][::-1]}):
        result = judged(listing)
        row = next(row for row in result["extracted_models"] if row["model_id"] == other["id"])
        assert (row["input_price"], row["output_price"]) == (None, ROWS[0]["output_price"])
        assert types(result, "warning") == ["duplicate_ids"]


@pytest.mark.parametrize("name", ["*", "acme/*", "gpt-4*", "sample_spec"])
def test_routing_patterns_and_specimens_are_no_models(name):
    result = judged({"data": [*samples.RICH["data"], {"id": name}]})
    assert result["valid"]
    assert (result["extracted_models"], types(result, "info")) == (ROWS, ["not_a_model"])


def test_agents_in_a_list_of_models_are_no_models():
    result = judged({"data": [*samples.RICH["data"], {"id": "acme/writer", "object": "agent"}]})
    assert result["valid"]
    assert (result["extracted_models"], types(result, "info")) == (ROWS, ["not_a_model"])


def test_a_default_is_no_model_only_where_it_is_a_key():
    item = {"object": "model", "owned_by": "me"}
    keyed = {"jmespath_rule": "with_keys(@)", "fields": {"id": "_key"}, "capability_rules": []}
    listed = {"jmespath_rule": "data[*]", "fields": {"id": "id"}, "capability_rules": []}
    validate = RuleValidator().validate_rule
    rows = validate(keyed, {"default": item, "gpt-4o": item})["extracted_models"]
    assert [row["model_id"] for row in rows] == ["gpt-4o"]
    rows = validate(listed, {"data": [{"id": "default"}]})["extracted_models"]
    assert [row["model_id"] for row in rows] == ["default"]


def test_many_contradictory_repeated_ids_make_the_listing_invalid():
    assert "duplicate_ids" in types(judged(changed(lambda n, item: item.update(id=f"same-{n % 15}"))))


def test_pages_are_judged_together_and_repeats_across_pages_are_seen():
    rule = ExtractionRule.parse(RICH_RULE)
    whole, paged = ListingJudge(rule), ListingJudge(rule)
    rows = whole.add_page(samples.RICH)
    first = {"data": samples.RICH["data"][:20]}
    second = {"data": samples.RICH["data"][19:]}
    assert paged.add_page(first) + paged.add_page(second) == rows
    assert paged.verdict().profile == whole.verdict().profile
    assert [issue["type"] for issue in paged.verdict().issues] == ["duplicate_ids"]


def test_a_price_on_which_the_pages_disagree_is_unknown_in_any_order():
    other = copy.deepcopy(samples.RICH["data"][0])
    other["pricing"]["prompt"] = "0.000123"
    for pages in ([samples.RICH, {"data": [other]}], [{"data": [other]}, samples.RICH]):
        judge = ListingJudge(ExtractionRule.parse(RICH_RULE))
        rows = [row for page in pages for row in judge.add_page(page)]
        verdict = judge.verdict()
        (row,) = [row for row in verdict.settled(rows) if row["model_id"] == other["id"]]
        assert (row["input_price"], row["output_price"]) == (None, ROWS[0]["output_price"])
        assert row["meta_hash"] == meta_hash(row)
        assert [issue["severity"] for issue in verdict.issues] == ["warning"]


def test_where_a_later_endpoint_s_pages_disagree_the_first_endpoint_s_price_stays():
    endpoint = {"selector": "data[*]", "fields": {"id": "id", "context_length": "size"}}
    rule = ExtractionRule.parse(
        {"model_list_config": {"endpoint": [{**endpoint, "endpoint": "/a"}, {**endpoint, "endpoint": "/b"}]}}
    )
    judge = ListingJudge(rule)
    rows = [
        row
        for place, size in ((0, 1000), (1, 2000), (1, 3000))
        for row in judge.add_page({"data": [{"id": "m", "size": size}]}, endpoint=place)
    ]
    assert [row["context_length"] for row in judge.verdict().settled(rows)] == [1000]


def test_an_error_of_the_watch_ends_the_judgement():
    watched: list[int] = []

    def watch() -> None:
        watched.append(1)
        if len(watched) > 5:
            raise TimeoutError

    judge = ListingJudge(ExtractionRule.parse(RICH_RULE), watch=watch)
    judge.add_page({"data": []})
    judge.add_page({})
    judge.add_page({"data": [0] * 1_001})
    assert len(watched) == 5
    with pytest.raises(TimeoutError):
        judge.add_page({"data": [0] * 100_000})


def test_an_output_limit_above_the_context_in_most_models_is_an_error():
    assert "output_above_context" in types(judged(changed(lambda _, item: item.update(context_length=10))))


def test_the_issue_says_what_was_expected_what_came_and_what_to_do():
    for problem in judged({"data": []})["issues"]:
        assert set(problem) == {"type", "severity", "message", "expected", "actual", "sample", "recovery"}
        assert problem["recovery"]


def test_a_malformed_rule_is_an_issue():
    result = judged(samples.RICH, rule={"jmespath_rule": "data[", "capability_rules": []})
    assert types(result) == ["invalid_rule"]


def test_a_minimal_rule_extracts_ids_and_names():
    rule = {
        "jmespath_rule": "data[*]",
        "capability_rules": [{"capability": "chat", "patterns": {"regex": ["gpt-.*"]}}],
        "metadata": {},
    }
    result = judged(samples.OPENAI_LIKE, rule=rule)
    assert result["valid"]
    assert result["matched_capabilities"]["gpt-4o"] == ["chat"]


# ---- with history


def test_a_listing_that_shrank_is_blocked_and_a_small_loss_is_not():
    assert "listing_shrunk" in types(judged({"data": samples.RICH["data"][:20]}, previous=ROWS))
    assert judged({"data": samples.RICH["data"][:28]}, previous=ROWS)["valid"]


def test_thresholds_are_per_provider():
    shrunk = {"data": samples.RICH["data"][:20]}
    assert judged(shrunk, previous=ROWS, thresholds=Thresholds(min_count_ratio=0.5))["valid"]


def test_turnover_of_nearly_all_ids_has_its_own_type():
    other = changed(lambda n, item: item.update(id=f"other/brand-{n}"))
    assert types(judged(other, previous=ROWS)) == ["listing_turned_over"]


def test_ids_written_in_another_form_are_distinguished_from_turnover():
    other = changed(lambda n, item: item.update(id=f"brand-{n}"))
    assert types(judged(other, previous=ROWS)) == ["id_form_changed"]


def test_ids_that_differ_only_in_case_are_the_same_ids():
    assert judged(changed(lambda _, item: item.update(id=item["id"].upper())), previous=ROWS)["valid"]


def test_prices_that_jump_in_many_models_are_blocked_and_in_one_model_are_a_warning():
    def cheaper(factor, models):
        def change(n, item):
            if n < models:
                item["pricing"]["prompt"] = f"{float(item['pricing']['prompt']) * factor:.10f}"

        return change

    assert types(judged(changed(cheaper(0.01, 30)), previous=ROWS)) == ["prices_jumped"]
    one = judged(changed(cheaper(0.01, 1)), previous=ROWS)
    assert one["valid"]
    assert types(one, "warning") == ["prices_jumped"]
    assert judged(changed(cheaper(2, 30)), previous=ROWS)["valid"]


def test_prices_that_become_free_have_crossed_zero():
    free = changed(lambda _, item: item["pricing"].update(prompt="0", completion="0"))
    assert "prices_jumped" in types(judged(free, previous=ROWS))


def test_limits_that_shrink_for_many_are_blocked():
    small = changed(lambda _, item: item.update(context_length=item["context_length"] // 4))
    assert "limits_shrank" in types(judged(small, previous=ROWS))


def test_a_field_that_vanishes_is_blocked():
    assert types(judged(changed(lambda _, item: item.pop("context_length")), previous=ROWS)) == ["field_vanished"]
    assert judged(changed(lambda n, item: item.pop("context_length") if n % 5 == 0 else None), previous=ROWS)["valid"]


def test_one_value_for_all_models_is_blocked():
    same = changed(lambda _, item: item.update(context_length=10**6))
    assert types(judged(same, previous=ROWS)) == ["one_value_for_all"]


def test_a_missing_capability_is_a_warning_not_an_error():
    result = judged(many(10), rule={"jmespath_rule": "data[*]", "capability_rules": []})
    assert result["valid"]
    assert types(result, "warning") == ["capabilities_uncovered"]


def test_patterns_that_are_too_large_together_are_refused_and_do_not_hang():
    heavy = [f".*[a-z]{{1,200}}{n}.*" for n in range(1500)]
    rule = {"jmespath_rule": "data[*]", "capability_rules": [{"capability": "chat", "patterns": {"regex": heavy}}]}
    assert types(judged(samples.OPENAI_LIKE, rule=rule)) == ["invalid_rule"]


def test_rows_do_not_share_mutable_values():
    rows = judged({"data": [{"id": "gpt-4o"}, {"id": "gpt-4o-mini"}]})["extracted_models"]
    rows[0]["capabilities"].clear()
    rows[0]["capability_sources"].clear()
    assert rows[1]["capabilities"]["chat"] is True
    assert rows[1]["capability_sources"]["chat"] == "regex"
    assert judged({"data": [{"id": "gpt-4o"}]})["extracted_models"][0]["capabilities"]["chat"] is True


def _twenty_times(_position, item):
    item["pricing"] = {name: str(20 * float(value)) for name, value in item["pricing"].items()}


@pytest.mark.parametrize(
    ("guard", "kind", "listing"),
    [
        ("shrink", "listing_shrunk", {"data": samples.RICH["data"][:20]}),
        ("prices", "prices_jumped", changed(_twenty_times)),
    ],
)
def test_an_accepted_guard_warns_and_every_other_still_blocks(guard, kind, listing):
    def verdict(*accepted):
        judge = ListingJudge(
            ExtractionRule.parse(RICH_RULE),
            history=RowsInMemory(ROWS),
            accepted=accepted,
        )
        judge.add_page(listing)
        return judge.verdict()

    severities = {issue["type"]: issue["severity"] for issue in verdict(guard).issues}
    assert severities[kind] == "warning"
    assert verdict(guard).valid
    others = set(GUARDS) - {guard}
    assert not verdict(*others).valid


def test_every_guard_names_issues_that_exist_and_none_twice():
    kinds = [kind for guard in GUARDS.values() for kind in guard]
    assert sorted(kinds) == sorted(PLAUSIBILITY_ISSUES)


def test_a_long_listing_is_judged_as_a_short_one(monkeypatch):
    pages = [many(30), many(30), {"data": [{**item, "context_length": 7} for item in many(30)["data"]]}]
    rows = ListingJudge(ExtractionRule.parse(RICH_RULE)).add_page(many(30))
    upper_case = RowsInMemory([{**row, "model_id": row["model_id"].upper()} for row in rows])

    def judged_pages():
        judge = ListingJudge(ExtractionRule.parse(RICH_RULE), history=upper_case)
        for page in pages:
            judge.add_page(page)
        verdict = judge.verdict()
        return verdict.disputed, verdict.issues

    short = judged_pages()
    assert short[0] == {f"model-{n}": frozenset({"context_length"}) for n in range(30)}
    assert "listing_turned_over" not in {issue["type"] for issue in short[1]}
    monkeypatch.setattr(f"{SeenModels.__module__}._MAX_IN_FULL", 7)
    monkeypatch.setattr(f"{SeenModels.__module__}._MAX_SHARED", 3)
    assert judged_pages() == short
