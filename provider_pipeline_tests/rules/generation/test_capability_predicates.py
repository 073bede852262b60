"""Capabilities from the items' own metadata."""

import pytest

from provider_pipeline_tests.rules.generation.generated import rows_of


@pytest.mark.parametrize(
    "written", [(True, False), ("true", "false"), ("yes", "no"), (1, 0)], ids=["booleans", "texts", "words", "numbers"]
)
@pytest.mark.parametrize("key", ["supports_vision", "hasVision", "isVisionSupported", "vision_enabled"])
def test_booleans_are_understood_in_every_spelling(key, written):
    rows = rows_of({"data": [{"id": "m1", key: written[0]}, {"id": "m2", key: written[1]}]})
    assert [rows[name]["capabilities"].get("vision") for name in ("m1", "m2")] == [True, False]


def states_of(*items):
    """The capabilities of each item, by id."""
    return {name: row["capabilities"] for name, row in rows_of({"data": list(items)}).items()}


@pytest.mark.parametrize(
    "item",
    [
        {"supported_endpoint_types": ["openai"]},
        {"supported_endpoint_types": ["anthropic", "openai"]},
        {"endpoints": ["openai"]},
        {"modality": "text"},
        {"type": "text"},
        {"category": "language"},
        {"type": "multimodal"},
    ],
)
def test_a_protocol_or_a_medium_makes_a_model_of_unknown_name_a_chat_model_and_no_other(item):
    names = ("acme-one", "text-embedding-3-small", "bge-reranker-v2-m3", "whisper-1", "tts-1", "dall-e-3")
    states = states_of(*({"id": name, **item} for name in names))
    assert [name for name in names if states[name].get("chat")] == ["acme-one"]
    assert not any(states[name].get("vision") for name in names[1:])


def test_a_type_of_the_item_wins_over_its_medium_in_either_order():
    one = states_of({"id": "acme-one", "type": "embed", "modality": "text"}, {"id": "acme-two", "modality": "text"})
    two = states_of({"id": "acme-one", "modality": "text", "task": "rerank"}, {"id": "acme-two", "modality": "text"})
    assert one["acme-one"]["chat"] is two["acme-one"]["chat"] is False
    assert one["acme-two"]["chat"] is two["acme-two"]["chat"] is True


def test_of_a_channels_endpoint_types_the_more_specific_one_counts_for_a_model_of_unknown_name():
    states = states_of(
        {"id": "acme-paint", "supported_endpoint_types": ["image-generation", "openai"]},
        {"id": "acme-one", "supported_endpoint_types": ["openai"]},
        {"id": "jina-embeddings-v3", "supported_endpoint_types": ["jina-rerank"]},
    )
    assert states["acme-paint"] == {"image_generation": True}
    assert states["acme-one"] == {"chat": True}
    assert (states["jina-embeddings-v3"]["embedding"], states["jina-embeddings-v3"]["rerank"]) == (True, False)


def test_the_parameters_of_an_adapter_say_nothing_about_the_model():
    parameters = {"supported_openai_params": ["tools", "reasoning_effort", "thinking"]}
    states = states_of(
        {"id": "acme-ear", "mode": "audio_transcription", **parameters}, {"id": "acme-one", **parameters}
    )
    assert states["acme-ear"]["audio_transcription"] is True
    assert not {"tools", "reasoning"} & {*states["acme-ear"], *states["acme-one"]}


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"capabilities": {"output": {"audio": True}}}, {"audio_output": True}),
        ({"capabilities": {"input": {"audio": True}}}, {"audio_input": True}),
        ({"capabilities": {"input": {"image": True}}}, {"vision": True}),
        ({"capabilities": {"input": {"image": False}}}, {"vision": False}),
        ({"capabilities": {"output": {"image": True}}}, {"image_generation": True}),
        ({"capabilities": {"output": {"image": {"supported": True}}}}, {"image_generation": True}),
        ({"capabilities": {"image": {"input": True, "output": False}}}, {"vision": True, "image_generation": False}),
        ({"modalities": {"output": {"text": False, "video": True}}}, {"chat": False, "video_generation": True}),
        ({"modalities": {"input": {"image": True}, "output": {"text": False}}}, {"chat": False}),
        ({"supports_chat": False, "supports_image_input": True}, {"chat": False}),
        ({"supports_chat": True, "supports_image_input": True}, {"chat": True, "vision": True}),
        ({"defaults": {"reasoning": False}}, {}),
        ({"rate_limits": {"vision": True}}, {}),
        ({"embedding_only": False}, {}),
        ({"can_reason": False}, {"reasoning": False}),
    ],
)
def test_a_boolean_is_read_with_its_path(item, expected):
    assert states_of({"id": "acme-one", **item}, {"id": "acme-two", **item})["acme-one"] == expected


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"reasoning": {"allowed_options": ["off", "on"], "default": "on"}}, {"reasoning": True}),
        ({"capabilities": {"reasoning": {"efforts": ["low"]}, "vision": False}}, {"reasoning": True, "vision": False}),
        ({"thinking": {"min_budget": 1024, "max_budget": 32000}}, {"reasoning": True}),
        ({"tools": {"parallel": True}}, {"tools": True}),
        ({"tools": {"parallel": False}}, {}),
        ({"reasoning": {"allowed_options": ["off"]}}, {}),
        ({"reasoning": {"allowed_options": []}}, {}),
        ({"reasoning": {}}, {}),
        ({"reasoning": {"supported": False, "efforts": ["low"]}}, {"reasoning": False}),
        ({"pricing": {"reasoning": {"tiers": ["a"]}}}, {}),
        ({"audio": {"voices": ["anna"]}}, {}),
    ],
)
def test_an_object_under_an_abilitys_name_states_it_if_it_offers_something(item, expected):
    assert states_of({"id": "acme-one", **item}, {"id": "acme-two", **item})["acme-one"] == expected


@pytest.mark.parametrize("mode", ["search", "ocr", "realtime", "Object Detection", "crystal-gazing"])
def test_an_item_whose_mode_is_none_of_the_capabilities_is_no_chat_model_by_its_name(mode):
    states = states_of(
        {"id": "gpt-4o", "mode": mode},
        {"id": "gpt-4.1", "mode": "chat"},
        {"id": "text-embedding-3-small", "mode": "embedding"},
    )
    assert not {"chat", "tools", "vision"} & set(states["gpt-4o"])
    assert (states["gpt-4.1"]["chat"], states["gpt-4.1"]["tools"]) == (True, True)


def test_an_unknown_mode_silences_no_name_where_modes_are_mostly_unknown():
    kinds = ["HF_BASE_MODEL", "HF_PEFT_ADDON", "EMBEDDING_MODEL"]
    states = states_of(*({"id": f"gpt-4o-{place}", "type": kind} for place, kind in enumerate(kinds)))
    assert [states[name].get("chat") for name in sorted(states)] == [True, True, False]


def test_a_boolean_wins_over_the_doubt_of_an_unknown_mode():
    states = states_of(
        {"id": "gpt-realtime", "mode": "realtime", "supports_function_calling": True},
        {"id": "gpt-4o", "mode": "chat", "supports_function_calling": True},
    )
    assert states["gpt-realtime"]["tools"] is True


@pytest.mark.parametrize("key", ["supported_parameters", "supported_sampling_parameters"])
def test_parameters_never_deny(key):
    states = states_of({"id": "deepseek-r1", key: ["temperature"]}, {"id": "gpt-oss-120b", key: ["top_p"]})
    assert [states[name]["reasoning"] for name in ("deepseek-r1", "gpt-oss-120b")] == [True, True]


def test_what_parameters_name_for_other_models_a_name_alone_does_not_prove():
    states = states_of(
        {"id": "gpt-4o", "supported_parameters": ["temperature"]},
        {"id": "acme-one", "supported_parameters": ["tools"]},
    )
    assert "tools" not in states["gpt-4o"]
    assert states["acme-one"]["tools"] is True


def test_a_boolean_that_denies_wins_over_a_parameter():
    states = states_of(
        {"id": "acme-one", "supports_tools": False, "supported_parameters": ["tools"]},
        {"id": "acme-two", "supports_tools": True, "supported_parameters": ["tools"]},
    )
    assert [states[name]["tools"] for name in ("acme-one", "acme-two")] == [False, True]


def test_modalities_deny_only_what_they_name_for_other_models():
    text, both = ["text"], ["text", "image"]
    alone = states_of(*({"id": name, "input_modalities": text, "output_modalities": text} for name in ("acme", "zorb")))
    assert alone["acme"] == {"chat": True}
    beside = states_of(
        {"id": "acme", "input_modalities": text, "output_modalities": text},
        {"id": "zorb", "input_modalities": both, "output_modalities": text},
    )
    assert beside["acme"] == {"chat": True, "vision": False}


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"labels": ["custom", "tool-calling"]}, {"tools": True}),
        ({"model_ability": ["chat", "vision"]}, {"chat": True, "vision": True}),
        ({"model_ability": ["audio2text"]}, {"audio_transcription": True}),
        ({"model_ability": ["text2audio"]}, {"text_to_speech": True}),
        ({"features": ["audio"]}, {"audio_input": True}),
        ({"features": ["audio"], "type": "transcription"}, None),
        ({"features": None}, {}),
    ],
)
def test_lists_of_features_state_and_a_medium_among_them_states_weakly(item, expected):
    states = states_of({"id": "acme-one", **item}, {"id": "acme-two", **item})["acme-one"]
    if expected is None:
        assert "audio_input" not in states
    else:
        assert states == expected


@pytest.mark.parametrize("chat", [["chat"], {"chat": True}], ids=["a feature", "a boolean"])
def test_a_task_that_rules_out_chat_wins_over_a_feature_that_all_models_have(chat):
    tasks = {"acme-ranker": "rerank", "acme-vectors": "embedding", "acme-talk": "chat"}
    states = states_of(*({"id": name, "mode": task, "capabilities": chat} for name, task in tasks.items()))
    assert {name: each.get("chat") for name, each in states.items()} == {
        "acme-ranker": False,
        "acme-vectors": False,
        "acme-talk": True,
    }


def test_a_model_whose_features_name_another_purpose_is_no_chat_model_by_its_name():
    features = {"gpt-4o-edits": ["autocomplete"], "gpt-4o": ["chat"], "gpt-4.1": ["vision"], "gpt-4.1-mini": []}
    states = states_of(*({"id": name, "capabilities": named} for name, named in features.items()))
    assert {name: each.get("chat") for name, each in states.items()} == {
        "gpt-4o-edits": None,
        "gpt-4o": True,
        "gpt-4.1": True,
        "gpt-4.1-mini": True,
    }


@pytest.mark.parametrize(("other", "vision"), [("text->text", None), ("text+image->text", False)])
def test_an_arrow_without_an_image_denies_vision_only_where_other_arrows_name_images(other, vision):
    arrows = {"gpt-4o": "text->text", "gpt-4.1": other, "gpt-4.1-mini": "text->text"}
    states = states_of(*({"id": name, "architecture": {"modality": arrow}} for name, arrow in arrows.items()))
    assert states["gpt-4o"].get("vision") is vision
    assert "image_generation" not in states["gpt-4o"]


@pytest.mark.parametrize(
    ("yes", "no", "capability"),
    [
        ({"supports_web_search": True}, {"supports_web_search": False}, "web_search"),
        (
            {"capabilities": {"web_search": {"supported": True}}},
            {"capabilities": {"web_search": {"supported": False}}},
            "web_search",
        ),
        ({"supports_prompt_caching": True}, {"supports_prompt_caching": False}, "prompt_caching"),
        ({"supports_pdf_input": True}, {"supports_pdf_input": False}, "pdf_input"),
        ({"supports_audio_output": True}, {"supports_audio_output": False}, "audio_output"),
        ({"supports_parallel_function_calling": True}, {"supports_parallel_function_calling": False}, "parallel_tools"),
        ({"supports": {"parallel_tool_calls": True}}, {"supports": {"parallel_tool_calls": False}}, "parallel_tools"),
        ({"supports_computer_use": True}, {"supports_computer_use": False}, "computer_use"),
        ({"features": ["web-search", "chat"]}, {"features": ["chat"]}, "web_search"),
        ({"features": ["computer_use", "chat"]}, {"features": ["chat"]}, "computer_use"),
        (
            {"supported_parameters": ["tools", "parallel_tool_calls"]},
            {"supported_parameters": ["tools"]},
            "parallel_tools",
        ),
        ({"input_modalities": ["text", "pdf"]}, {"input_modalities": ["text"]}, "pdf_input"),
    ],
)
def test_abilities_of_a_service_are_stated_by_its_listing(yes, no, capability):
    states = states_of({"id": "acme-one", **yes}, {"id": "acme-two", **no})
    assert states["acme-one"][capability] is True
    assert states["acme-two"].get(capability) in (False, None)
    assert "text_to_speech" not in states["acme-one"]


def test_what_gives_audio_says_so_by_its_modalities():
    given = {"acme-one": ["text", "audio"], "acme-two": ["text"]}
    states = states_of(*({"id": name, "output_modalities": listed} for name, listed in given.items()))
    assert [states[name].get("audio_output") for name in given] == [True, False]


def test_a_document_is_no_pdf_and_a_name_states_no_ability_of_a_service():
    states = states_of(
        {"id": "gpt-4o-audio-preview", "input_modalities": ["text", "file"]}, {"id": "gpt-4o-search-preview"}
    )
    for each in states.values():
        assert not {
            "web_search",
            "prompt_caching",
            "pdf_input",
            "audio_output",
            "parallel_tools",
            "computer_use",
        } & set(each)


def test_an_image_that_a_client_paints_with_a_tool_is_not_painted_by_the_model():
    client = {"vision": True, "image_generation": True, "file_upload": True, "code_interpreter": True}
    states = states_of({"id": "acme-one", "meta": {"capabilities": client}}, {"id": "acme-two"})
    assert states["acme-one"] == {"vision": True}
    own = states_of({"id": "acme-one", "capabilities": {"vision": True, "image_generation": True}}, {"id": "acme-two"})
    assert own["acme-one"] == {"vision": True, "image_generation": True}


def test_features_name_a_side_and_a_medium():
    features = ["input:text", "input:image", "input:audio", "input:pdf", "output:text", "output:audio"]
    states = states_of(
        {"id": "acme-one", "capabilities": features}, {"id": "acme-two", "capabilities": ["output:image"]}
    )
    assert states["acme-one"] == dict.fromkeys(("vision", "audio_input", "pdf_input", "audio_output"), True)
    assert states["acme-two"] == {"image_generation": True}


@pytest.mark.parametrize("path", ["/api/chat/completions", "/api/v1/chat/completions"])
def test_endpoints_are_known_behind_the_path_of_an_api(path):
    states = states_of(
        {"id": "acme-one", "endpoints": [path]},
        {"id": "acme-two", "endpoints": [path.replace("chat/completions", "embeddings")]},
    )
    assert (states["acme-one"]["chat"], states["acme-two"]["embedding"]) == (True, True)
    assert (states["acme-one"].get("embedding"), states["acme-two"].get("chat")) == (False, False)


def test_audio_made_from_text_need_not_be_speech():
    states = states_of(
        {"id": "acme-one", "category": "text-to-audio"}, {"id": "acme-two", "category": "text-to-speech"}
    )
    assert not states["acme-one"].get("text_to_speech")
    assert states["acme-two"]["text_to_speech"]


def test_a_language_model_in_the_mode_completion_does_not_chat():
    states = states_of(
        {"id": "acme-one", "model_type": "llm", "properties": {"mode": "chat"}},
        {"id": "acme-two", "model_type": "llm", "properties": {"mode": "completion"}},
        {"id": "acme-three", "model_type": "llm"},
    )
    assert (states["acme-one"]["chat"], states["acme-three"]["chat"]) == (True, True)
    assert states["acme-two"]["completion"]
    assert not states["acme-two"].get("chat")


@pytest.mark.parametrize("name", ["clarity-upscaler", "rembg", "birefnet"])
def test_editing_images_is_generating_them_only_where_the_name_says_nothing_else(name):
    states = states_of(
        {"id": name, "category": "image-to-image"}, {"id": "acme-qwen-edit", "category": "image-to-image"}
    )
    assert (states[name]["image_generation"], states[name]["chat"]) == (False, False)
    assert (states["acme-qwen-edit"]["image_generation"], states["acme-qwen-edit"]["chat"]) == (True, False)


def test_a_broad_word_beside_the_word_chat_is_another_kind():
    states = states_of({"id": "acme-one", "mode": "chat"}, {"id": "gpt-3.5-turbo-instruct", "mode": "llm"})
    assert (states["acme-one"]["chat"], states["gpt-3.5-turbo-instruct"]["chat"]) == (True, False)


def test_a_model_for_completions_does_not_chat_by_its_name():
    states = states_of({"id": "gpt-41-copilot", "type": "completion"}, {"id": "gpt-4o", "type": "chat"})
    assert (states["gpt-41-copilot"]["completion"], states["gpt-41-copilot"].get("chat")) == (True, None)


@pytest.mark.parametrize("task", ["summarization", "voice-activity-detection", "upscale"])
def test_a_task_that_is_none_of_the_capabilities_silences_the_name(task):
    states = states_of(
        {"id": "acme-qwen-7b", "pipeline_tag": task}, {"id": "gpt-4o", "pipeline_tag": "text-generation"}
    )
    assert not any(states["acme-qwen-7b"].get(each) for each in ("chat", "tools", "reasoning"))


def test_a_purpose_among_the_features_outweighs_a_broader_type():
    states = states_of(
        {"id": "acme-read", "model_type": "image", "model_ability": ["ocr"]},
        {"id": "acme-paint", "model_type": "image", "model_ability": ["text2image"]},
    )
    assert states["acme-read"].get("image_generation") is None
    assert states["acme-paint"]["image_generation"] is True


def test_a_task_may_be_a_key_with_settings_below_it():
    states = states_of(
        {"id": "acme-order", "model_type": {"reranker": {"id2label": {"0": "score"}}}},
        {"id": "acme-vec", "model_type": {"embedding": {"pooling": "cls"}}},
    )
    assert (states["acme-order"]["rerank"], states["acme-order"]["chat"]) == (True, False)
    assert (states["acme-vec"]["embedding"], states["acme-vec"]["chat"]) == (True, False)


def test_what_takes_images_to_paint_from_them_is_no_vision_model():
    states = states_of(
        {"id": "acme-paint", "type": "text-to-image", "supports_image_input": True},
        {"id": "acme-one", "type": "chat", "supports_image_input": True},
    )
    assert (states["acme-paint"].get("vision"), states["acme-one"]["vision"]) == (None, True)


def test_a_named_feature_with_a_boolean_beside_it_is_stated_and_denied():
    states = states_of(
        {"id": "m1", "capabilities": [{"name": "vision", "supported": True}, {"name": "tools", "supported": False}]},
        {"id": "m2", "capabilities": [{"name": "vision", "supported": False}, {"name": "tools", "supported": True}]},
    )
    assert [(states[name]["vision"], states[name]["tools"]) for name in ("m1", "m2")] == [(True, False), (False, True)]


@pytest.mark.parametrize("around", ["provider", "planned", "evals", "fine_tuning"])
def test_a_boolean_about_something_else_states_no_ability_of_the_model(around):
    states = states_of({"id": "m1", around: {"vision": True, "tools": True}}, {"id": "m2", around: {"vision": False}})
    assert states == {"m1": {}, "m2": {}}
