import tracemalloc

import pytest
from hypothesis import given, strategies as st

from provider_pipeline.rules.capability_rules import parse_capability_rules
from provider_pipeline.rules.ids import (
    CompactIds,
    SeenModels,
    capability_patterns,
    families,
    named_family,
    normalise_id,
)
from provider_pipeline.rules.matching import CompiledCapabilities, contradicts, nameable_capabilities
from provider_pipeline.rules.patterns import program_size
from provider_pipeline_tests.rules.any_json import QUICK

KNOWN = CompiledCapabilities(
    parse_capability_rules(
        {name: {"patterns": {"regex": patterns}} for name, patterns in capability_patterns().items()}
    )
)


def told(model_id, has=True):
    return {name for name, (state, _) in KNOWN.of_name(model_id).items() if state is has}


@pytest.mark.parametrize(
    ("known", "later"),
    [
        ("gpt-5", "gpt-6.1"),
        ("gpt-5-mini", "gpt-10-mini"),
        ("o3", "o5"),
        ("claude-opus-4-5", "claude-opus-10"),
        ("claude-sonnet-4-5-20250929", "claude-sonnet-5-20271101"),
        ("gemini-3-pro-preview", "gemini-10-pro-preview"),
        ("grok-4", "grok-11"),
        ("deepseek-v3.2", "deepseek-v10"),
        ("deepseek-r1", "deepseek-r3"),
        ("kimi-k2.5", "kimi-k4"),
        ("glm-4.6", "glm-7"),
        ("glm-4.6v", "glm-7v"),
        ("minimax-m2", "minimax-m5"),
        ("nova-2-lite", "nova-4-lite"),
        ("imagen-4.0-generate-001", "imagen-7.0-generate-001"),
        ("veo-3.0-generate-001", "veo-9.0-generate-001"),
        ("flux-2-pro", "flux-5-pro"),
        ("whisper-large-v3", "whisper-large-v7"),
        ("rerank-v3.5", "rerank-v9"),
        ("embed-v4.0", "embed-v9.0"),
    ],
)
def test_a_later_version_inherits_what_its_family_can_do(known, later):
    assert told(later) == told(known) != set()


@pytest.mark.parametrize(
    ("model_id", "only"),
    [
        ("kling-image-o1", "image_generation"),
        ("kling-v3", "video_generation"),
        ("wan2.6-image", "image_generation"),
        ("wan2.6-t2v", "video_generation"),
        ("vibevoice-1.5b", "text_to_speech"),
        ("vibevoice-asr", "audio_transcription"),
        ("minimax-speech-02-hd", "text_to_speech"),
        ("minimax-hailuo-2.3", "video_generation"),
        ("zerank-2", "rerank"),
        ("qwen3-vl-embedding-8b", "embedding"),
        ("qwen3-asr-flash", "audio_transcription"),
    ],
)
def test_a_model_that_does_one_thing_is_distinguished_from_its_namesakes(model_id, only):
    assert told(model_id) == {only}


def test_an_uncertain_capability_is_not_claimed():
    assert "vision" not in told("ernie-4.5-300b-a47b")
    assert "vision" in told("ernie-5.0")
    assert "reasoning" in told("jamba-reasoning-3b")
    assert not told("qwen3-forced-aligner-0.6b")
    assert {"vision", "reasoning"}.isdisjoint(told("llama-5-70b-instruct") | told("llama-5-70b-instruct", has=False))


@pytest.mark.parametrize(
    ("model_id", "family"),
    [
        ("openai/gpt-4o-2024-08-06", "gpt-4o"),
        ("us.anthropic.claude-3-5-sonnet-20241022-v2:0", "claude"),
        ("accounts/fireworks/models/llama-v3p1-8b-instruct", "llama-3.1"),
        ("Qwen/Qwen3-VL-8B-Instruct", "qwen-vl"),
        ("qwen-72b-chat", "qwen"),
        ("google/gemma-3-27b-it", "gemma"),
        ("something-else", None),
        ("00000000-0000-4000-8000-000000000000", None),
    ],
)
def test_an_id_belongs_to_a_family(model_id, family):
    assert named_family(model_id) == family


def test_every_family_compiles_and_names_documented_capabilities_only():
    names = nameable_capabilities()
    for family in families():
        assert set(family.says) <= names
        assert not contradicts({capability: bool(has) for capability, has in family.says.items()})
        for pattern in family.match:
            program_size(pattern)


@QUICK
@given(st.text(max_size=60))
def test_normalising_any_id_gives_lower_case(model_id):
    once = normalise_id(model_id)
    assert once == once.lower()
    assert isinstance(normalise_id(once), str)


def test_a_hubs_prefix_before_a_double_colon_hides_no_wrapper_of_the_name():
    assert normalise_id("fireworks::accounts/fireworks/models/mistral-7b-instruct-v3") == "mistral-7b-instruct-v3"
    assert normalise_id("hub::models/gemini-2.5-pro") == "gemini-2.5-pro"


@pytest.mark.parametrize(
    ("model_id", "name"),
    [
        ("openrouter/anthropic/claude-3.7-sonnet", "claude-3.7-sonnet"),
        ("af/google/gemini-2.5-flash", "gemini-2.5-flash"),
        ("a/b/c/openai/gpt-4o-mini", "gpt-4o-mini"),
        ("fireworks_ai/accounts/acme/models/llama-v3p1-8b-instruct", "llama-v3.1-8b-instruct"),
        ("accounts/acme/deployments/gpt-oss-120b", "gpt-oss-120b"),
        ("bedrock/us-east-1/anthropic.claude-3-5-sonnet-20241022-v2:0", "claude-3-5-sonnet"),
        ("hub::fireworks/accounts/acme/models/mistral-7b", "mistral-7b"),
        ("ll.gpt-4o", "gpt-4o"),
        ("team.eu.claude-sonnet-4", "claude-sonnet-4"),
        ("/srv/models/Qwen2.5-Coder-0.5B.gguf", "qwen2.5-coder-0.5b"),
        ("/home/me/llama-3-8b/", "llama-3-8b"),
        ("C:\\models\\gemma-3-27b.gguf", "gemma-3-27b"),
        ("acme/house/one", "house/one"),
        ("acme.house-one", "acme.house-one"),
    ],
)
def test_a_known_name_is_found_behind_any_number_of_prefixes(model_id: str, name: str):
    assert normalise_id(model_id) == name


@pytest.mark.parametrize(
    ("model_id", "family"),
    [
        ("gpt-5.2", "gpt-5"),
        ("gpt-6-mini", "gpt-6"),
        ("openai/gpt-11", "gpt-11"),
        ("deepseek-v4", "deepseek-v4"),
        ("deepseek-v5-flash", "deepseek-v5"),
        ("deepseek-r2", "deepseek-r2"),
        ("deepseek-reasoner", "deepseek-r1"),
        ("Llama-5-70B-Instruct", "llama-5"),
        ("qwen4-72b", "qwen-4"),
    ],
)
def test_a_new_generation_is_a_named_family_its_own(model_id: str, family: str):
    assert named_family(model_id) == family


@pytest.mark.parametrize(
    "model_id",
    [
        "meta-llama/Llama-Guard-2-8b", "llama-guard3:8b", "shieldgemma:9b", "meta/llama-prompt-guard-2-22m",
        "ToxicityPrompts/PolyGuard-Qwen", "nvidia/llama-3.1-nemoguard-8b-content-safety",
        "ibm/granite-guardian-3.3-8b", "Qwen/Qwen3Guard-Gen-8B", "duoguard-0.5b", "aprielguard",
    ],
)  # fmt: skip
def test_a_classifier_of_safety_is_not_said_to_chat(model_id):
    assert told(model_id) == {"moderation"}
    assert "chat" not in KNOWN.of_name(model_id)


@pytest.mark.parametrize(
    "model_id",
    [
        "qwen-mt-plus", "google/translategemma-4b-it", "tencent/Hunyuan-MT-Chimera-7B",
        "doubao-seed-translation-250915", "sarvam-translate:v1", "nvidia/riva-translate-4b-instruct",
        "nvidia/megatron-1b-nmt", "indictrans2-en-indic-1B", "gemini-2.0-flash-live-001", "qwen3-s2s-flash-realtime",
        "glm-realtime", "doubao-realtime", "grok-voice-agent", "step-1o-audio", "deepseek-ai/DeepSeek-OCR",
        "qwen-vl-ocr-latest", "lightonai/LightOnOCR-1B-1025", "nvidia/nemoretriever-parse", "llamaparse",
        "numind/NuExtract-2.0-8B", "opendatalab/MinerU2.5-2509-1.2B", "tensorrt_llm", "codet5p-16b",
        "GritLM/GritLM-7B",
    ],
)  # fmt: skip
def test_a_translator_a_session_of_speech_and_a_reader_of_documents_are_not_said_to_chat(model_id):
    assert "chat" not in told(model_id)


def test_a_translator_behind_its_vendors_chat_is_one_that_chats():
    assert {"chat", "tools"} <= told("cohere/command-a-translate-08-2025")


@pytest.mark.parametrize(
    "model_id",
    [
        "nightmareai/real-esrgan", "philz1337x/clarity-upscaler", "recraft-crisp-upscale",
        "imagen-4.0-upscale-preview", "topaz-upscale-video", "bria/remove-background", "briaai/RMBG-2.0",
        "cjwbw/rembg", "851-labs/background-remover", "fal-ai/aura-sr", "sczhou/codeformer",
    ],
)  # fmt: skip
def test_what_enlarges_or_cuts_out_an_image_that_is_given_generates_none(model_id):
    assert told(model_id) == set()


@pytest.mark.parametrize(
    ("model_id", "only"),
    [
        ("thenlper/gte-base", "embedding"),
        ("NovaSearch/stella_en_400M_v5", "embedding"),
        ("facebook/contriever", "embedding"),
        ("ibm/slate-125m-english-rtrvr-v2", "embedding"),
        ("codesage/codesage-large", "embedding"),
        ("ColPali-v1.2", "embedding"),
        ("sentence-transformers/distiluse-base-multilingual-cased-v2", "embedding"),
        ("castorini/rank_zephyr_7b", "rerank"),
        ("gladia-solaria-1", "audio_transcription"),
        ("neuphonic/neutts-air", "text_to_speech"),
        ("KittenML/kittentts-nano-0.8", "text_to_speech"),
        ("fishaudio/s2-pro", "text_to_speech"),
        ("distil-whisper/distil-large-v3.5", "audio_transcription"),
        ("saaras:v3", "audio_transcription"),
        ("codefuse-ai/F2LLM-4B", "embedding"),
        ("microsoft/harrier-oss-v1-0.6b", "embedding"),
        ("AIDC-AI/Ovis-Image-7B", "image_generation"),
        ("zorb-image-2.5-pro", "image_generation"),
    ],
)
def test_names_without_the_word_for_what_they_do_are_known(model_id, only):
    assert told(model_id) == {only}


@pytest.mark.parametrize("model_id", ["fireworks::v1::autoedits-deepseek-lite-default", "acme/zorb-70b-base"])
def test_what_only_continues_a_text_is_not_said_to_chat(model_id):
    assert told(model_id) == {"completion"}


def test_a_name_for_whichever_version_is_the_latest_denies_nothing():
    assert told("grok-latest") == {"chat"}
    assert told("grok-latest", has=False).isdisjoint({"vision", "reasoning"})


@pytest.mark.parametrize("model_id", ["LiquidAI/LFM2-24B-A2B", "LiquidAI/LFM2.5-1.2B-Instruct"])
def test_an_ability_that_depends_on_the_server_is_neither_claimed_nor_denied(model_id):
    assert "tools" not in told(model_id) | told(model_id, has=False)


@pytest.mark.parametrize("model_id", ["duckdb-nsql", "sqlcoder", "acme-sql", "ensemble"])
def test_a_bare_name_states_nothing(model_id):
    assert told(model_id) == set()


@pytest.mark.parametrize("model_id", ["Qwen/Qwen2.5-Math-RM-72B", "openbmb/UltraRM-13b", "katanemo/Arch-Router-1.5B"])
def test_what_scores_or_routes_answers_gives_none(model_id):
    assert told(model_id) == set()


def test_a_vendor_of_one_kind_of_model_is_known_by_its_name_and_a_vendor_of_many_is_not():
    assert told("Bria/gen_fill") == told("runwayml/stable-diffusion-v1-5") == {"image_generation"}
    assert told("Bria/erase_foreground") == told("runwayml/zorb") == set()


def test_a_guardian_of_any_generation_is_a_classifier():
    assert told("granite3-guardian:2b") == {"moderation"}


HASHES = st.integers(-20, 60) | st.integers(-(2**63), 2**63 - 1)


@given(st.lists(st.tuples(HASHES, st.integers(0, 2**32 - 1))))
def test_compact_ids_are_a_map(pairs):
    compact, truth = CompactIds(), {}
    for key, number in pairs:
        assert compact.get(key) == truth.get(key)
        if key not in truth:
            compact.add(key, number)
            truth[key] = number
    assert {key: compact.get(key) for key in truth} == truth


def test_all_models_of_a_long_listing_are_found_and_listed_in_their_order():
    ids = [f"vendor/model-{n}" for n in range(25_000)]
    seen = SeenModels()
    for n, each in enumerate(ids):
        seen.add(each, (n % 12_000, None))
    assert len(seen) == len(ids)
    assert list(seen) == ids
    assert all(each in seen for each in ids)
    assert not any(f"{each}-x" in seen for each in ids)
    assert all(seen.numbers(each) == (n % 12_000, None) for n, each in enumerate(ids))


def test_a_model_of_a_long_listing_takes_little_memory():
    seen = SeenModels()
    tracemalloc.start()
    try:
        for n in range(200_000):
            seen.add(f"a-vendor-with-a-name/a-model-with-a-name-{n}", (n % 9, n % 5, None))
        size = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert size / 200_000 < 40
