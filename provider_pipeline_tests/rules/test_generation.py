import copy
import time

import pytest

from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.generation.explain import explain_rule
from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline.rules.validator import RuleValidator
from provider_pipeline_tests.rules import samples


def rows_of(sample):
    result = RuleValidator().validate_rule(RuleGenerator().analyze_sample(sample), sample)
    assert result["valid"], result["issues"]
    return {row["model_id"]: row for row in result["extracted_models"]}


@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("openai_like", {"gpt-4o", "text-embedding-3-small", "whisper-1"}),
        ("bare_list", {"gpt-4o", "text-embedding-3-small", "whisper-1"}),
        ("cursor", {"claude-opus-4-1", "claude-3-haiku"}),
        ("methods", {"models/gemini-9-pro", "models/embedding-009"}),
        ("map_of_maps", {"alpha-7b-chat", "beta-70b-chat", "gamma-13b-chat"}),
        ("several_arrays", {"nimbus-general", "nimbus-2-phone", "stratus-hera-en", "stratus-zeus-en"}),
        ("composite", {"acme/sdxl", "zeta/sdxl"}),
        ("wrapped", {"alpha-7b", "beta-8b"}),
        ("errors_first", {"gpt-4o", "text-embedding-3-small", "whisper-1"}),
    ],
)
def test_the_models_are_found_in_every_envelope(name, ids):
    assert set(rows_of(samples.ALL[name])) == ids


def test_a_map_of_id_to_object_takes_the_ids_from_its_keys():
    assert "acme/model-7b-instruct" in rows_of(samples.ALL["map"])


def test_limits_names_modalities_and_prices_are_read_from_a_rich_listing():
    row = rows_of(samples.RICH)["acme/model-5b-instruct"]
    assert row["display_name"] == "Acme: Model 5B"
    assert row["context_length"] == 20480
    assert row["max_output_tokens"] == 5120
    assert row["input_modalities"] == ["image", "text"]
    assert row["input_price"] == pytest.approx(0.5)
    assert row["output_price"] == pytest.approx(2.0)
    assert row["metadata_json"]["created"] == 1700432000


def test_the_rejected_alternative_of_a_field_is_kept_in_the_evidence():
    analysis = RuleGenerator().analyze_sample(samples.RICH)
    assert [entry["expression"] for entry in analysis["evidence"]["fields"]["context_length"]] == [
        "context_length",
        "top_provider.context_length",
    ]


def test_a_unit_that_each_row_names_is_followed_and_other_units_give_no_token_price():
    rows = rows_of(samples.UNIT_BY_ROW)
    assert rows["alpha-chat"]["input_price"] == 0.6
    assert rows["gamma-chat"]["input_price"] is None


@pytest.mark.parametrize(
    ("prices", "unit"),
    [
        ((2.5e-6, 1e-5), "usd_per_token"),
        ((0.0005, 0.0015), "usd_per_thousand_tokens"),
        ((0.25, 1.25), "usd_per_million_tokens"),
        ((20000, 100000), "cents_per_100_million_tokens"),
    ],
)
def test_the_unit_of_a_price_is_told_from_its_magnitude(prices, unit):
    items = [{"id": f"m{n}", "pricing": {"input": prices[0] * n, "output": prices[1] * n}} for n in (1, 2)]
    assert RuleGenerator().analyze_sample({"data": items})["units"]["input_price"] == unit


def test_words_in_a_path_tell_the_unit_before_the_magnitude_does():
    items = [{"id": f"m{n}", "inputTokenPennies": 300, "outputTokenPennies": 1500, "unit": "mtok"} for n in range(3)]
    row = rows_of({"models": items})["m1"]
    assert (row["input_price"], row["output_price"]) == (3.0, 15.0)


@pytest.mark.parametrize(
    ("created", "reason"),
    [
        ([0, 0, 0], "zero"),
        ([1626777600] * 3, "the constant of one-api"),
        ([1712345678] * 3, "constant"),
        ([1712345678, 1712345679, 1712345680], "all within seconds: the time of the request"),
        ([1712345678000, 1612345678000, 1512345678000], "milliseconds"),
    ],
)
def test_a_creation_time_that_says_nothing_is_left_out(created, reason):
    sample = {"data": [{"id": f"model-{n}", "created": value} for n, value in enumerate(created)]}
    analysis = RuleGenerator().analyze_sample(sample)
    assert "created" not in analysis["fields"]
    assert analysis["evidence"]["junk"]["created"] == reason


def test_a_genuine_creation_time_is_kept():
    assert RuleGenerator().analyze_sample(samples.OPENAI_LIKE)["fields"]["created"] == "created"


def test_a_plain_name_inside_another_object_is_not_the_model_s_name():
    items = [{"id": f"m{n}", "task": {"name": f"Task {n}"}} for n in range(3)]
    assert "name" not in RuleGenerator().analyze_sample({"data": items})["fields"]


def test_an_output_limit_that_only_repeats_the_context_under_an_ambiguous_name_is_not_taken():
    items = [{"id": f"m{n}", "context_length": 4096 * n, "max_tokens": 4096 * n} for n in (1, 2, 3)]
    assert "max_output_tokens" not in RuleGenerator().analyze_sample({"data": items})["fields"]


def test_two_lists_that_could_both_be_the_listing_are_reported_as_ambiguous():
    sample = {
        "data": [{"id": f"alpha-{n}", "object": "model", "owned_by": "x", "created": n} for n in range(9)],
        "items": [{"name": f"beta-{n}", "id": f"b-{n}", "type": "chat", "pricing": {"input": 1}} for n in range(9)],
    }
    analysis = RuleGenerator().analyze_sample(sample)
    assert [entry["type"] for entry in analysis["issues"]] == ["ambiguous"]
    assert analysis["confidence"] < 0.5


def test_a_clear_listing_is_not_ambiguous():
    analysis = RuleGenerator().analyze_sample(samples.OPENAI_LIKE)
    assert analysis["issues"] == []
    assert analysis["confidence"] > 0.8


@pytest.mark.parametrize(
    "sample", [None, True, 3, "<html>", [], {}, ["gpt-4o"], {"error": {"message": "no"}}, {"data": []}, [[]]]
)
def test_a_sample_without_a_listing_gives_a_rule_that_says_so(sample):
    analysis = RuleGenerator().analyze_sample(sample)
    assert [entry["type"] for entry in analysis["issues"]] == ["no_listing_found"]
    assert analysis["confidence"] == 0
    assert not RuleValidator().validate_rule(analysis, sample)["valid"]


@pytest.mark.parametrize("name", sorted(samples.ALL))
def test_the_same_sample_gives_the_same_rule_and_is_left_as_it_was(name):
    sample = copy.deepcopy(samples.ALL[name])
    first, second = RuleGenerator().analyze_sample(sample), RuleGenerator().analyze_sample(copy.deepcopy(sample))
    assert first == second
    assert ExtractionRule.parse(first).digest == ExtractionRule.parse(second).digest
    assert sample == samples.ALL[name]


def test_a_rule_for_thousands_of_models_takes_less_than_a_second():
    items = [{"id": f"org{n % 97}/model-{n}-7b-instruct", "context_length": 4096, "created": n} for n in range(6500)]
    started = time.perf_counter()
    RuleGenerator().analyze_sample({"data": items})
    assert time.perf_counter() - started < 3  # under one second on an idle machine; tests share theirs


def test_the_explanation_marks_the_winners_and_keeps_the_losers():
    explained = explain_rule(RuleGenerator().analyze_sample(samples.ERRORS_FIRST))
    assert [entry["selector"] for entry in explained["candidates"] if entry["chosen"]] == ["result[*]"]
    assert any(entry["selector"] == "errors[*]" for entry in explained["candidates"])
    assert explained["summary"]["models"] == 3
    embedding = next(entry for entry in explained["capabilities"] if entry["capability"] == "embedding")
    assert embedding["models_by_name"] == 1
    assert 0 < embedding["patterns_matching"] < embedding["patterns"]


def test_a_rule_written_by_hand_can_be_explained_too():
    explained = explain_rule({"jmespath_rule": "data[*]", "capability_rules": []})
    assert explained["candidates"] == []
    assert explained["summary"]["pagination"] == {"type": "none"}


def test_named_properties_in_a_list_are_fields_and_evidence():
    def item(n, **properties):
        return {
            "id": f"m{n}",
            "properties": [{"property_id": key, "value": value} for key, value in properties.items()],
        }

    rows = rows_of(
        {
            "result": [
                item(1, context_window="24000", function_calling="true"),
                item(2, context_window="8000", function_calling="false"),
            ]
        }
    )
    assert (rows["m1"]["context_length"], rows["m2"]["context_length"]) == (24000, 8000)
    assert (rows["m1"]["capabilities"]["tools"], rows["m2"]["capabilities"]["tools"]) == (True, False)


def test_a_model_is_not_lost_for_an_odd_value_that_the_sample_itself_holds():
    items = [{"id": f"m{n}", "context_length": 4096, "pricing": {"input": 0.5, "output": 1}} for n in range(30)]
    items[3]["context_length"], items[7]["pricing"]["input"] = "unknown", -7
    sample = {"data": items}
    rule = RuleGenerator().analyze_sample(sample)
    assert rule["expect"]["unreadable"] == ["context_length", "input_price"]
    rows = rows_of(sample)
    assert len(rows) == 30
    assert (rows["m3"]["context_length"], rows["m7"]["input_price"], rows["m4"]["context_length"]) == (None, None, 4096)


def test_a_very_long_listing_is_read_from_a_sample_and_chosen_as_surely():
    items = [{"id": f"org/model-{n}", "object": "model", "owned_by": "org", "created": n} for n in range(25_000)]
    analysis = RuleGenerator().analyze_sample({"data": items, "errors": [{"id": "w"}]})
    assert analysis["jmespath_rule"] == "data[*]"
    assert analysis["confidence"] > 0.8
