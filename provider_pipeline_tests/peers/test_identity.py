"""What ids are read as, held against what LiteLLM, genai-prices and models.dev say of the same ids."""

import importlib
import importlib.util
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from genai_prices.data import providers
from genai_prices.types import ClauseEquals, ClauseOr

from provider_pipeline.rules.identity import Canonical, canonical_of

BENCH = Path(__file__).parents[2] / "bench"


def canonical_id(model_id: str) -> str | None:
    found = canonical_of(model_id)
    return None if found is None else found.id


def spellings(clause: object) -> Iterator[str]:
    """The ids that a clause of genai-prices names wholly."""
    if isinstance(clause, ClauseEquals):
        yield clause.equals
    elif isinstance(clause, ClauseOr):
        for each in clause.or_:
            yield from spellings(each)


def listed_by_litellm() -> dict[str, dict[str, object]]:
    found = importlib.util.find_spec("litellm")
    assert found is not None
    assert found.origin is not None
    entries: dict[str, dict[str, object]] = json.loads(
        Path(found.origin).with_name("model_prices_and_context_window_backup.json").read_text()
    )
    return entries


def aliases() -> dict[str, str]:
    """LiteLLM's other names of models, with the names that they stand for."""
    return {name: str(entry["alias_of"]) for name, entry in listed_by_litellm().items() if "alias_of" in entry}


def test_each_spelling_of_a_known_model_at_genai_prices_is_that_model():
    compared = 0
    for provider in providers:
        for model in provider.models:
            # A model there is a price, so it may be several models; spellings of one differ in signs only.
            by_letters: dict[str, list[Canonical]] = {}
            for each in spellings(model.match):
                name = re.sub(r"^(?:databricks-|system\.ai\.|[^/]*/)", "", each.lower())
                found = canonical_of(each)
                if found is not None:
                    by_letters.setdefault(re.sub(r"[^a-z0-9]", "", name), []).append(found)
            for found_ones in by_letters.values():
                # An unknown name is another model under each owner.
                if any(each.certainty == "known" for each in found_ones):
                    assert len({each.id for each in found_ones}) == 1, (provider.id, model.id, found_ones)
                    compared += len(found_ones)
    assert compared > 1_000


def test_an_alias_at_litellm_is_its_model_or_a_name_whose_meaning_moves():
    pairs = aliases()
    assert len(pairs) > 50
    joined = {alias: canonical_id(alias) for alias, name in pairs.items() if canonical_id(alias) != canonical_id(name)}
    # `claude-opus-latest` is another model next year, so it is none of today's models.
    assert [alias for alias in joined if not alias.endswith("-latest")] == []
    versioned = {canonical_id(name) for name in pairs.values()}
    assert {alias: found for alias, found in joined.items() if found in versioned} == {}


def test_a_provider_that_lists_a_name_with_and_without_a_role_lists_two_models():
    names = listed_by_litellm().keys()
    both = [(name, f"{name}{role}") for name in names for role in ("-instruct", "-chat") if f"{name}{role}" in names]
    assert len(both) > 20
    joined = [one for one, other in both if canonical_id(one) == canonical_id(other)]
    # Only the instruct model of Llama 3.3 was released.
    assert [name for name in joined if "llama-3.3-70b" not in name] == []


def test_a_provider_that_lists_two_versions_at_bedrock_lists_two_models():
    names = listed_by_litellm().keys()
    both = [(name, name.replace("-v1", "-v2:0")) for name in names if name.endswith("-v1")]
    pairs = [pair for pair in both if pair[1] in names]
    assert len(pairs) > 1
    assert [pair for pair in pairs if canonical_id(pair[0]) == canonical_id(pair[1])] == []


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(BENCH)
    module = importlib.import_module("identity_at_peers")
    yield module
    sys.modules.pop("identity_at_peers")


def test_names_that_people_gave_at_models_dev_agree_with_what_is_joined(bench):
    entries = bench.entries()
    slips = [each for each in entries if each.is_slip]
    assert len(slips) < 20
    right, pairs = bench.precision(entries)
    assert right / pairs >= 0.994
    right, pairs = bench.precision([each for each in entries if not each.is_slip])
    assert right / pairs >= 0.998
    joined, same = bench.recall(entries)
    assert joined / same >= 0.99
    right, wrong, none = bench.assigned(entries)
    assert right / (right + wrong + none) >= 0.97
    assert wrong / (right + wrong + none) <= 0.005
    assert pairs > 30_000
    assert same > 10_000


def entry(bench, name: str, model_id: str = "any"):
    return bench.Entry("acme", model_id, name, "2026-01-01", "any", True)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Claude Opus 4", "Claude Opus 4.1"),
        ("GLM 4.5", "GLM-4.5V"),
        ("GPT-5.2", "GPT-5.2 Pro"),
        ("Qwen3 32B", "Qwen3 14B"),
        ("Hermes 3 Llama 3.1", "Hermes 4 Llama 3.1"),
    ],
)
def test_the_judge_tells_models_apart(bench, one: str, other: str):
    assert entry(bench, one).contradicts(entry(bench, other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("v0-1.0-md", "v0 1.0 MD"),
        ("GLM 5 Vision Turbo", "GLM-5V-Turbo"),
        ("Llama 3.3 Nemotron Super 49B v1.5", "Nvidia Nemotron Super 49B v1.5"),
        ("Claude 3.5 Haiku", "claude-3-5-haiku-20241022"),
        ("Claude 4.6 Opus Thinking", "Claude 4.6 Opus Thinking Max"),
    ],
)
def test_the_judge_knows_spellings_of_one_model(bench, one: str, other: str):
    assert not entry(bench, one).contradicts(entry(bench, other))


def test_an_entry_whose_name_contradicts_its_own_id_is_a_slip(bench):
    assert entry(bench, "Claude Opus 4", "anthropic/claude-opus-4.1").is_slip
    assert entry(bench, "Qwen3.5-97B-A17B", "hf:Qwen/Qwen3.5-397B-A17B").is_slip
    assert not entry(bench, "GLM 4.5", "accounts/fireworks/models/glm-4p5").is_slip
    assert not entry(bench, "Grok 4.20", "grok-4-20").is_slip
    assert not entry(bench, "Devstral 2 (latest)", "devstral-medium-latest").is_slip


def test_a_nickname_is_the_name_that_other_entries_give_for_it(bench):
    names = ["Nano Banana", "Gemini 2.5 Flash Image", "Nano Banana (Gemini 2.5 Flash Image)", "Chat (GPT-5)", "GPT-5"]
    found = bench.nicknames(names)
    assert found["nanobanana"] == "Gemini 2.5 Flash Image"
    assert "chatgpt5" not in found
