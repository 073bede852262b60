"""Enum values such as MODALITY_IMAGE are read for the word in them."""

import pytest

from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline.rules.validator import RuleValidator
from provider_pipeline.rules.values import enum_word, read_modalities


def item(name: str, task: str, *output: str, taken: tuple[str, ...] = ("TEXT",), features: tuple[str, ...] = ()):
    return {
        "id": name,
        "capabilities": [f"CAPABILITY_{task}"],
        "input_modalities": [f"MODALITY_{each}" for each in taken],
        "output_modalities": [f"MODALITY_{each}" for each in output],
        "features": [f"FEATURE_{each}" for each in features],
    }


ITEMS = [
    item("house-a", "CHAT", "TEXT", taken=("TEXT", "IMAGE"), features=("TOOL_CALLING", "REASONING")),
    item("house-b", "EMBEDDING"),
    item("house-c", "IMAGE_GENERATION", "IMAGE"),
    item("house-d", "CHAT", "TEXT", features=("STRUCTURED_OUTPUT",)),
]


def test_prefixed_words_state_modalities_and_capabilities():
    rule = RuleGenerator().analyze_sample({"data": ITEMS})
    rows = {row["model_id"]: row for row in RuleValidator().validate_rule(rule, {"data": ITEMS})["extracted_models"]}
    assert rows["house-a"]["input_modalities"] == ["image", "text"]
    has = {name: {key for key, held in row["capabilities"].items() if held} for name, row in rows.items()}
    assert {"chat", "vision", "tools", "reasoning"} <= has["house-a"]
    assert "embedding" in has["house-b"]
    assert "image_generation" in has["house-c"]
    assert has["house-d"] == {"chat", "structured_output"}


def test_a_prefixed_modality_that_comes_later_is_not_denied():
    rule = RuleGenerator().analyze_sample({"data": ITEMS})
    later = {"data": [*ITEMS, item("house-e", "CHAT", "TEXT", taken=("TEXT", "AUDIO"))]}
    rows = {row["model_id"]: row for row in RuleValidator().validate_rule(rule, later)["extracted_models"]}
    assert rows["house-e"]["capabilities"]["audio_input"] is True


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("MODALITY_IMAGE", "IMAGE"),
        ("TASK_TYPE_CHAT", "TASK_TYPE_CHAT"),
        ("modality_image", "modality_image"),
        ("FEATURE", "FEATURE"),
        ("IMAGE", "IMAGE"),
    ],
)
def test_only_known_prefixes_in_capitals_are_dropped(text: str, word: str):
    assert enum_word(text) == word


def test_modalities_keep_their_common_names():
    assert read_modalities(["MODALITY_IMAGE", "TEXT", "MODALITY_PDF"]) == ["file", "image", "text"]
