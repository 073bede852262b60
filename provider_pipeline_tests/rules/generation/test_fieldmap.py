"""Which path becomes which field: names, limits, modalities, creation times, base models."""

import pytest

from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline.rules.validator import RuleValidator
from provider_pipeline_tests.rules import samples
from provider_pipeline_tests.rules.generation.generated import rows_of


def test_limits_names_modalities_and_prices_are_read_from_a_rich_listing():
    row = rows_of(samples.RICH)["acme/model-5b-instruct"]
    assert row["display_name"] == "Acme: Model 5B"
    assert row["context_length"] == 20480
    assert row["max_output_tokens"] == 5120
    assert row["input_modalities"] == ["image", "text"]
    assert row["input_price"] == pytest.approx(0.5)
    assert row["output_price"] == pytest.approx(2.0)
    assert row["metadata_json"]["created"] == "2023-11-19T22:13:20Z"


def test_the_rejected_alternative_of_a_field_is_kept_in_the_evidence():
    analysis = RuleGenerator().analyze_sample(samples.RICH)
    assert [entry["expression"] for entry in analysis["evidence"]["fields"]["context_length"]] == [
        "context_length",
        "top_provider.context_length",
    ]


def test_a_plain_name_inside_another_object_does_not_name_the_model():
    items = [{"id": f"m{n}", "task": {"name": f"Task {n}"}} for n in range(3)]
    assert "name" not in RuleGenerator().analyze_sample({"data": items})["fields"]


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


LIMITS = {"acme/gpt-4o": 128000, "acme/llama-3.1-8b-instruct": 131072, "acme/bge-m3": 8192}


def test_an_unknown_key_of_a_limit_is_recognised_by_its_words():
    items = [{"id": name, "usableContextWindowSize": limit, "context_cache_price": 9} for name, limit in LIMITS.items()]
    assert {name: row["context_length"] for name, row in rows_of({"data": items}).items()} == LIMITS


@pytest.mark.parametrize(
    ("limits", "found"),
    [
        ({"context_window": {"input": 8192, "output": 1024}}, (8192, 1024)),
        ({"token_limits": {"input": 8192, "output": 1024}}, (8192, 1024)),
        ({"context": {"max": 8192}}, (8192, None)),
        ({"limits": {"ctx": 8192, "out": 1024}}, (8192, 1024)),
        ({"tokens": {"in": 8192, "out": 1024}}, (8192, 1024)),
        ({"max": {"prompt": 8192, "completion": 1024}}, (8192, 1024)),
        ({"token_limits": {"total": 8192, "response": 1024}}, (8192, 1024)),
        ({"usage": {"tokens": {"in": 8192, "out": 1024}}}, (None, None)),
        ({"price": {"tokens": {"in": 8192, "out": 1024}}}, (None, None)),
        ({"limits": {"context": 8192, "completion": 1024, "rpm": 60, "tokens_per_minute": 9000}}, (8192, 1024)),
        ({"rate_limits": {"tokens_per_minute": 9000, "max_tokens_per_day": 90000}}, (None, None)),
    ],
)
def test_limits_are_recognised_by_the_keys_around_them(limits, found):
    row = rows_of({"data": [{"id": f"m{n}", **limits} for n in range(3)]})["m1"]
    assert (row["context_length"], row["max_output_tokens"]) == found


def test_limits_may_carry_their_unit():
    sample = {"data": [{"id": "a", "context": "128K tokens"}, {"id": "b", "context": "8192 tokens"}]}
    rows = RuleValidator().validate_rule(RuleGenerator().analyze_sample(sample), sample)["extracted_models"]
    assert [row["context_length"] for row in rows] == [128_000, 8192]


def test_an_ambiguous_output_limit_that_repeats_the_context_length_is_not_taken():
    items = [{"id": f"m{n}", "context_length": 4096 * n, "max_tokens": 4096 * n} for n in (1, 2, 3)]
    assert "max_output_tokens" not in RuleGenerator().analyze_sample({"data": items})["fields"]


@pytest.mark.parametrize(
    "limits",
    [
        {"meta": {"n_ctx_train": 8192, "n_ctx": 2048}},
        {"n_ctx_train": 8192, "meta": {"runtime": {"n_ctx": 2048}}},
        {"max_position_embeddings": 8192, "engine": {"max_model_len": 2048}},
        {"context_length_train": 8192, "server": {"ctx_size": 2048}},
    ],
)
def test_the_context_that_is_served_comes_before_the_one_a_model_was_trained_with(limits):
    rows = rows_of({"data": [{"id": f"llama-{n}", **limits} for n in range(3)]})
    assert {row["context_length"] for row in rows.values()} == {2048}


def test_the_context_a_model_was_trained_with_is_read_where_nothing_else_is_known():
    rows = rows_of({"data": [{"id": f"llama-{n}", "meta": {"n_ctx_train": 8192}} for n in range(3)]})
    assert {row["context_length"] for row in rows.values()} == {8192}


@pytest.mark.parametrize(
    "embedder",
    [{"max_tokens": 8192}, {"context_length": 8192, "max_tokens": 8192}],
    ids=["without a context", "as its context"],
)
def test_the_ambiguous_limit_of_an_embedder_is_not_its_output_limit(embedder):
    items = [
        {"id": "acme-chat", "context_length": 32768, "max_tokens": 4096},
        {"id": "acme-coder", "context_length": 65536, "max_tokens": 8192},
        {"id": "acme-embed", "type": "embedding", **embedder},
    ]
    rows = rows_of({"data": items})
    assert {name: row["max_output_tokens"] for name, row in rows.items()} == {
        "acme-chat": 4096,
        "acme-coder": 8192,
        "acme-embed": None,
    }


def test_an_ambiguous_limit_that_only_models_without_a_context_have_is_not_taken():
    items = [{"id": "acme-chat", "context_length": 32768}, {"id": "acme-rerank", "type": "rerank", "max_tokens": 512}]
    assert "max_output_tokens" not in RuleGenerator().analyze_sample({"data": items})["fields"]


def test_one_row_of_prose_does_not_cost_the_others_their_limits():
    items = [{"id": f"acme-{n}", "max_input_tokens": 8192 * n, "max_output_tokens": 1024 * n} for n in range(1, 4)]
    prose = {"id": "specimen", "max_input_tokens": "most tokens of a prompt", "max_output_tokens": "most of an answer"}
    rows = rows_of({"data": [prose, *items]})
    assert (rows["acme-2"]["context_length"], rows["acme-2"]["max_output_tokens"]) == (16384, 2048)
    assert (rows["specimen"]["context_length"], rows["specimen"]["max_output_tokens"]) == (None, None)


def test_a_limit_with_its_unit_beside_it_is_read():
    items = [{"id": f"acme-{n}", "context_length": {"value": 8192 * n, "unit": "tokens"}} for n in range(1, 4)]
    assert rows_of({"data": items})["acme-2"]["context_length"] == 16384


def test_modalities_that_are_objects_are_read_with_the_limits_inside_them():
    def item(name, *inputs, context):
        texts = {"type": "text", "accepts": {"max_context_length": {"value": context, "unit": "tokens"}}}
        return {
            "id": name,
            "input_modalities": [texts, *({"type": one} for one in inputs)],
            "output_modalities": [{"type": "text"}],
        }

    rows = rows_of({"data": [item("acme-a", context=8192), item("acme-b", "image", context=4096)]})
    assert [row["context_length"] for row in rows.values()] == [8192, 4096]
    assert [row["input_modalities"] for row in rows.values()] == [["text"], ["image", "text"]]
    assert [row["output_modalities"] for row in rows.values()] == [["text"], ["text"]]


def test_the_default_of_a_request_is_not_a_limit_of_the_model():
    models = [{"id": f"m{n}", "context_length": 8192, "default_parameters": {"max_tokens": 512}} for n in range(3)]
    assert "max_output_tokens" not in RuleGenerator().analyze_sample({"data": models})["fields"]


def test_alternatives_fill_the_gaps_of_the_chosen_path():
    sample = {
        "data": [
            {"id": "a", "context_length": 8192, "max_output_tokens": 1024},
            {"id": "b", "limits": {"max_context_window_tokens": 4096, "max_output_tokens": 512}},
            {"id": "c", "context_length": 2048},
        ]
    }
    analysis = RuleGenerator().analyze_sample(sample)
    assert analysis["fields"]["context_length"] == "context_length || limits.max_context_window_tokens"
    rows = RuleValidator().validate_rule(analysis, sample)["extracted_models"]
    assert [(row["context_length"], row["max_output_tokens"]) for row in rows] == [
        (8192, 1024),
        (4096, 512),
        (2048, None),
    ]


def test_alternatives_that_disagree_are_not_used():
    sample = {
        "data": [{"id": f"m{n}", "context_length": 8192 * n, "top": {"context_length": 512 * n}} for n in range(1, 20)]
        + [{"id": "m99", "top": {"context_length": 99}}]
    }
    assert RuleGenerator().analyze_sample(sample)["fields"]["context_length"] == "context_length"


@pytest.mark.parametrize(
    "given",
    [
        {"input": ["text", "image"], "output": ["text"]},
        {"accepts": ["text", "image"], "produces": ["text"]},
        {"io": {"in": ["text", "image"], "out": ["text"]}},
        {"capabilities": {"input": {"text": True, "image": True, "audio": False}, "output": {"text": True}}},
    ],
)
def test_modalities_are_recognised_by_their_values(given):
    row = rows_of({"data": [{"id": f"m{n}", **given} for n in range(3)]})["m1"]
    assert (row["input_modalities"], row["output_modalities"]) == (["image", "text"], ["text"])


@pytest.mark.parametrize(
    ("created", "reason"),
    [
        ([0, 0, 0], "zero"),
        ([1626777600] * 3, "the constant of one-api"),
        ([1712345678] * 3, "constant"),
        ([1712345678, 1712345679, 1712345680], "all within seconds: the time of the request"),
        (
            ["2026-05-02T10:11:12.123456789Z", "2026-05-02T10:11:12.2Z", "2026-05-02T10:11:13Z"],
            "all within seconds: the time of the request",
        ),
        (["2026-05-02 10:11:12 UTC", "2026-05-02 10:11:13 UTC"], "all within seconds: the time of the request"),
        (
            ["Sat, 02 May 2026 10:11:12 GMT", "Sat, 02 May 2026 10:11:13 GMT"],
            "all within seconds: the time of the request",
        ),
        (["2026-05-02T10:11:12Z"], "a single model: a date cannot be told from the time of the request"),
    ],
)
def test_a_meaningless_creation_time_is_left_out(created, reason):
    sample = {"data": [{"id": f"model-{n}", "created": value} for n, value in enumerate(created)]}
    analysis = RuleGenerator().analyze_sample(sample)
    assert "created" not in analysis["fields"]
    assert analysis["evidence"]["junk"]["created"] == reason


def test_a_genuine_creation_time_is_kept():
    assert RuleGenerator().analyze_sample(samples.OPENAI_LIKE)["fields"]["created"] == "created"


@pytest.mark.parametrize(
    "created",
    [
        ["2025-05-02T10:11:12Z", "2026-05-02T10:11:13Z"],
        ["2026-05-02T00:00:00Z", "2026-05-03T00:00:00Z"],
        ["2026-05-02"],
        ["2026-05-02T00:00:00Z"],
        [1712345678000, 1612345678000, 1512345678000],
    ],
)
def test_a_creation_time_that_tells_models_apart_or_is_only_a_date_is_kept(created):
    sample = {"data": [{"id": f"model-{n}", "created": value} for n, value in enumerate(created)]}
    assert RuleGenerator().analyze_sample(sample)["fields"]["created"] == "created"


def test_where_ids_are_arbitrary_the_base_model_gives_the_capabilities():
    sample = {
        "data": [
            {"id": "prod-main", "model": "gpt-4o", "status": "succeeded"},
            {"id": "search-index", "model": "text-embedding-3-large", "status": "succeeded"},
            {"id": "gpt-4.1", "model": "gpt-4.1", "status": "succeeded"},
        ]
    }
    analysis = RuleGenerator().analyze_sample(sample)
    assert analysis["fields"]["base_model"] == "model"
    rows = {row["model_id"]: row for row in RuleValidator().validate_rule(analysis, sample)["extracted_models"]}
    assert rows["search-index"]["capabilities"]["embedding"] is True
    assert rows["prod-main"]["capabilities"]["chat"] is True


def test_models_of_every_task_count_as_known_base_models():
    behind = {"find": "acme/text-embedding-3-small", "hear": "acme/whisper-1", "sort": "cohere/rerank-v3.5"}
    sample = {"data": [{"model_name": name, "params": {"model": base}} for name, base in behind.items()]}
    analysis = RuleGenerator().analyze_sample(sample)
    assert analysis["fields"]["base_model"] == "params.model"
    rows = {row["model_id"]: row for row in RuleValidator().validate_rule(analysis, sample)["extracted_models"]}
    assert rows["find"]["capabilities"]["embedding"] is True
    assert rows["hear"]["capabilities"]["audio_transcription"] is True
    assert rows["sort"]["capabilities"]["rerank"] is True


def test_where_ids_name_known_models_there_is_no_base_model():
    sample = {"data": [{"id": "gpt-4o", "model": "whisper-1"}, {"id": "claude-3-haiku", "model": "whisper-1"}]}
    assert "base_model" not in RuleGenerator().analyze_sample(sample)["fields"]


def test_a_model_without_its_display_name_takes_its_own_next_best_name():
    items = [
        {"id": "acme-1", "display_name": "Acme One", "name": "one"},
        {"id": "acme-2", "display_name": None, "name": "two"},
        {"id": "acme-3", "display_name": "", "name": "three"},
        {"id": "acme-4", "display_name": "Acme Four", "name": "four"},
        {"id": "acme-5", "display_name": None, "name": None},
    ]
    names = [row["display_name"] for row in rows_of({"data": items}).values()]
    assert names == ["Acme One", "two", "three", "Acme Four", None]


def test_the_name_of_the_model_behind_a_deployment_is_not_a_display_name():
    items = [
        {"id": f"dep-{n}", "display_name": None if n == 2 else f"Team {n}", "model": {"name": "gpt-4o"}}
        for n in range(4)
    ]
    assert rows_of({"data": items})["dep-2"]["display_name"] is None


def test_the_text_that_callers_send_is_the_id_beside_a_number():
    items = [{"id": 4100 + n, "ident": f"glm-{n}", "name": f"GLM {n}"} for n in range(3)]
    rows = rows_of({"items": items})
    assert [(name, row["display_name"]) for name, row in rows.items()] == [(f"glm-{n}", f"GLM {n}") for n in range(3)]
    assert list(rows_of({"items": [{"id": 7, "name": "gpt-4o"}, {"id": 8, "name": "o3"}]})) == ["gpt-4o", "o3"]


@pytest.mark.parametrize(
    "around",
    [
        lambda name: {"litellm_params": {"model": name}},
        lambda name: {"details": {"resources": {"backend": {"model": {"name": name}}}}},
        lambda name: {"properties": {"model": {"name": name}}},
    ],
)
def test_the_model_behind_a_deployment_is_found_deep_in_the_item(around):
    items = [{"id": f"d{n:08x}", **around(name)} for n, name in enumerate(("gpt-4o", "openai/o3", "claude-sonnet-4"))]
    assert [row["family"] for row in rows_of({"data": items}).values()] == ["gpt-4o", "o3", "claude-sonnet"]


@pytest.mark.parametrize("key", ["max_tokens", "max_new_tokens"])
def test_what_a_server_sends_with_its_requests_is_no_limit_of_the_model(key):
    items = [
        {"id": name, "settings": {"ctx_len": limit}, "parameters": {"temperature": 0.7, key: 2048 + n}}
        for n, (name, limit) in enumerate(LIMITS.items())
    ]
    rows = rows_of({"data": items})
    assert {name: row["context_length"] for name, row in rows.items()} == LIMITS
    assert {row["max_output_tokens"] for row in rows.values()} == {None}


def test_limits_beside_whether_a_temperature_is_taken_are_the_models():
    items = [
        {"id": name, "parameters": {"temperature": True, "context_length": limit, "max_output_tokens": 512 + n}}
        for n, (name, limit) in enumerate(LIMITS.items())
    ]
    assert [row["max_output_tokens"] for row in rows_of({"data": items}).values()] == [512, 513, 514]


def test_a_limit_of_one_of_a_models_versions_is_not_the_models():
    items = [
        {"id": name, "versions": [{"name": "stable", "config": {"context_length": {"value": limit}}}]}
        for name, limit in LIMITS.items()
    ]
    assert {row["context_length"] for row in rows_of({"data": items}).values()} == {None}


def test_an_ambiguous_limit_beside_the_settings_of_requests_is_one_of_them():
    items = [
        {"id": name, "context_window": limit, "temperature": 0.7, "max_tokens": 400 + n}
        for n, (name, limit) in enumerate(LIMITS.items())
    ]
    assert {row["max_output_tokens"] for row in rows_of({"data": items}).values()} == {None}
    for item in items:
        item["max_output_tokens"] = item.pop("max_tokens")
    assert [row["max_output_tokens"] for row in rows_of({"data": items}).values()] == [400, 401, 402]


def test_the_bound_of_a_plan_is_no_limit_of_the_model():
    items = [
        {"id": name, "model_limits": {"max_sequence_length": limit}, "limits": {"lite": {"max_output_tokens": 400 + n}}}
        for n, (name, limit) in enumerate(LIMITS.items())
    ]
    rows = rows_of({"data": items})
    assert {name: (row["context_length"], row["max_output_tokens"]) for name, row in rows.items()} == {
        name: (limit, None) for name, limit in LIMITS.items()
    }


def test_input_and_output_together_are_the_window_where_both_are_stated():
    items = [{"id": n, "max_total_tokens": limit, "max_input_tokens": limit - 1000} for n, limit in LIMITS.items()]
    assert {name: row["context_length"] for name, row in rows_of({"data": items}).items()} == LIMITS


def test_a_length_in_another_unit_is_no_limit_in_tokens():
    def limits(unit):
        items = [
            {"id": name, "max_input_length": limit, "max_input_length_unit": unit} for name, limit in LIMITS.items()
        ]
        return {name: row["context_length"] for name, row in rows_of({"data": items}).items()}

    assert (limits("tokens"), set(limits("characters").values())) == (LIMITS, {None})


@pytest.mark.parametrize("around", ["fine_tuning", "batch", "plan"])
def test_the_limit_of_another_use_is_not_that_of_requests(around):
    items = [{"id": name, around: {"max_context_length": limit}} for name, limit in LIMITS.items()]
    assert {row["context_length"] for row in rows_of({"data": items}).values()} == {None}
