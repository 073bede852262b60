"""Which model an id names: facts from the labs' and hosts' documentation, and laws of names."""

import re
from datetime import date

import pytest
from hypothesis import assume, example, given, strategies as st

from provider_pipeline.rules.extraction import family_of
from provider_pipeline.rules.identity import canonical_of, contradicting, identity_digest
from provider_pipeline.rules.model_names import read_name

SAME = {
    "meta/llama-3.3-70b-instruct": (
        "meta-llama/llama-3.3-70b-instruct",  # OpenRouter
        "meta-llama/Llama-3.3-70B-Instruct",  # Hugging Face
        "meta-llama/Llama-3.3-70B-Instruct-Turbo",  # Together
        "meta.llama3-3-70b-instruct-v1:0",  # Bedrock
        "us.meta.llama3-3-70b-instruct-v1:0",
        "accounts/fireworks/models/llama-v3p3-70b-instruct",
        "llama-3.3-70b-versatile",  # Groq
        "llama-3.3-70b",  # Cerebras: there is no other 70B of 3.3
        "llama3.3:70b-instruct-q4_K_M",  # Ollama
        "@cf/meta/llama-3.3-70b-instruct-fp8-fast",  # Cloudflare
        "databricks-meta-llama-3-3-70b-instruct",
        "meta/llama-3.3-70b-instruct-maas",  # Vertex AI
    ),
    "meta/llama-3.1-8b-instruct": ("llama-3.1-8b-instant", "llama3.1-8b", "meta-llama/Meta-Llama-3.1-8B-Instruct"),
    "meta/llama-3.1-8b-base": ("meta-llama/Llama-3.1-8B", "unsloth/Meta-Llama-3.1-8B"),  # the pretrained one
    "meta/llama-3.2-3b-base": ("accounts/fireworks/models/llama-v3p2-3b",),  # listed beside llama-v3p2-3b-instruct
    "meta/llama-3-70b-base": ("replicate/meta/llama-3-70b",),
    "meta/llama-3-70b-instruct": ("llama3-70b-8192", "meta/llama3-70b-instruct", "llama3:70b"),
    "meta/llama-guard-4-12b": ("llama-guard-4", "meta-llama/Llama-Guard-4-12B"),
    "meta/llama-4-maverick": (
        *("meta-llama/llama-4-maverick", "meta.llama4-maverick-17b-instruct-v1:0"),
        "meta-llama/Llama-4-Maverick-17B-128E-Instruct-FP8",
    ),
    "openai/gpt-4o": ("gpt-4o", "azure/gpt-4o", "gpt-4o-2024-08-06", "openai/gpt-4o", "azure/eu/gpt-4o-2024-08-06"),
    "openai/gpt-3.5-turbo": ("gpt-35-turbo", "gpt-3.5-turbo-0125"),
    "openai/gpt-4-turbo-preview": ("gpt-4-0125-preview", "gpt-4-turbo-preview"),
    "openai/gpt-5.1-chat": ("gpt-5.1-chat-latest", "openai/gpt-5.1-chat"),
    "openai/gpt-oss-20b": ("gpt-oss-20b:free", "openai/gpt-oss-20b", "gpt-oss:20b", "openai.gpt-oss-20b-1:0"),
    "openai/o3": ("o3", "openai/o3", "o3-2025-04-16", "openai-o3"),
    "anthropic/claude-3.5-sonnet": (
        "us.anthropic.claude-3-5-sonnet-20241022-v2:0",  # Bedrock
        "claude-3-5-sonnet-v2@20241022",  # Vertex AI
        "claude-3-5-sonnet-latest",
        "anthropic/claude-3.5-sonnet",
        "claude-sonnet-3.5",
    ),
    "anthropic/claude-sonnet-4.5": (
        *("claude-sonnet-4-5-20250929", "claude-sonnet-4-5@20250929", "claude-4.5-sonnet", "Claude-Sonnet-4.5"),
        *("databricks-claude-sonnet-4-5", "anthropic--claude-4.5-sonnet", "claude-sonnet4-5"),
    ),
    "anthropic/claude-2": ("anthropic.claude-v2", "anthropic.claude-v2:0:18k", "claude-2.0"),
    "anthropic/claude-2.1": ("anthropic.claude-v2:1", "anthropic.claude-v2:1:200k", "claude-2.1"),
    "anthropic/claude-instant-1.2": ("anthropic.claude-instant-v1:2:100k", "claude-instant-1.2"),
    "anthropic/claude-opus-4.6": ("anthropic/claude-opus-4.6:thinking:max",),  # how long it may think
    "anthropic/claude-opus-4.6-thinking": ("claude-opus-4-6-think", "claude-opus-4-6-thinking"),
    "google/gemini-2.5-flash": ("gemini-2.5-flash", "models/gemini-2.5-flash", "databricks-gemini-2-5-flash"),
    "google/gemini-1.5-flash": ("gemini-1.5-flash-002", "google/gemini-flash-1.5"),
    "google/gemini-2.5-flash-image": ("gemini-2.5-flash-image", "google/nano-banana", "fal-ai/nano-banana"),
    "google/gemini-3-pro-image": ("nano-banana-pro",),
    "google/gemini-3-pro-image-preview": ("models/nano-banana-pro-preview", "google/gemini-3-pro-image-preview"),
    "google/gemini-3.1-flash-image": ("fal-ai/nano-banana-2",),
    "google/imagen-4": ("imagen-4.0-generate-001", "imagen-4"),
    "google/imagen-4-ultra": ("imagen-4.0-ultra-generate-001",),
    "google/gemma-2-9b-it": ("gemma2:9b", "google/gemma-2-9b-it"),  # Ollama hosts no pretrained models
    "google/gemma-3-27b-it": ("gemma-3-27b", "google/gemma-3-27b-it"),
    "deepseek/deepseek-v3": ("deepseek-ai/DeepSeek-V3-0324", "deepseek/deepseek-chat-v3-0324", "deepseek-v3"),
    "deepseek/deepseek-v3.1": ("deepseek.v3-v1:0", "deepseek-ai/DeepSeek-V3.1"),  # Bedrock calls it DeepSeek-V3.1
    "deepseek/deepseek-v3.2": ("us.deepseek.v3.2", "bedrock/us-east-1/deepseek.v3.2", "deepseek-v3p2"),
    "deepseek/deepseek-r1": ("deepseek-ai/DeepSeek-R1-0528", "deepseek.r1-v1:0", "deepseek-r1"),
    "deepseek/deepseek-r1-distill-qwen-1.5b": ("deepseek-r1-distill-qwen-1-5b", "deepseek-r1-distill-qwen-1p5b"),
    "deepseek/deepseek-r1-distill-llama-70b": ("deepseek-r1-distill-llama-70b",),
    "alibaba/qwen2.5-72b-instruct": ("qwen/qwen-2.5-72b-instruct", "Qwen2.5-72B-Instruct-Turbo", "qwen2.5:72b"),
    "alibaba/qwen2.5-72b-base": ("Qwen/Qwen2.5-72B", "accounts/fireworks/models/qwen2p5-72b"),
    "alibaba/qwen2.5-vl-7b-instruct": ("qwen/qwen2.5-vl-7b", "Qwen/Qwen2.5-VL-7B-Instruct"),  # there is no other
    "alibaba/qwen3-vl-235b-a22b-instruct": ("qwen3-vl:235b", "Qwen/Qwen3-VL-235B-A22B-Instruct"),
    "alibaba/qwen3-235b-a22b-instruct": ("Qwen/Qwen3-235B-A22B-Instruct-2507", "qwen/qwen3-235b-a22b-2507"),
    "alibaba/qwen3-coder-480b-a35b-instruct": ("qwen/qwen3-coder", "Qwen/Qwen3-Coder-480B-A35B-Instruct-FP8"),
    "alibaba/qwen-turbo": ("qwen-turbo",),
    "zhipu/glm-4.5": ("zai-org/GLM-4.5", "glm-4p5", "z-ai/glm-4.5", "ZhipuAI/GLM-4.5"),
    "moonshot/kimi-k2": ("moonshotai/Kimi-K2-Instruct-0905", "kimi-k2-0905-preview", "moonshotai/kimi-k2"),
    "minimax/minimax-m2.5": ("MiniMaxAI/MiniMax-M2.5", "minimax-m25", "accounts/fireworks/models/minimax-m2p5"),
    "mistral/mistral-7b-instruct": ("open-mistral-7b", "mistralai/mistral-7b-instruct", "mistral:7b-instruct"),
    "mistral/codestral": ("codestral:latest", "codestral-2508", "codestral-25.08", "mistral-ai/Codestral-25-08"),
    "mistral/codestral-26": ("codestral-26",),  # of the year 2026, and no version 2.6
    "mistral/mistral-7b-instruct-v0.2": ("mistral.mistral-7b-instruct-v0:2", "mistralai/Mistral-7B-Instruct-v0.2"),
    "mistral/mixtral-8x7b-instruct": (
        *("mistral.mixtral-8x7b-instruct-v0:1", "mistralai/Mixtral-8x7B-Instruct-v0.1", "open-mixtral-8x7b"),
        "mixtral-8x7b-32768",
    ),
    "mistral/mixtral-8x7b": ("mistralai/mixtral-8x7b", "mistralai/Mixtral-8x7B-v0.1"),
    "mistral/mistral-small-3.2": ("mistral-small-2506", "mistralai/Mistral-Small-3.2-24B-Instruct-2506"),
    "cohere/command-r-plus": ("command-r-plus-08-2024", "cohere/command-r-plus", "cohere-command-r-plus-08-2024"),
    "cohere/embed-english-v3.0": ("cohere.embed-english-v3:0:512", "Cohere-embed-v3-english", "embed-english-v3.0"),
    "cohere/embed-v4.0": ("us.cohere.embed-v4:0", "embed-v-4-0", "cohere/embed-v4.0"),
    "cohere/rerank-v3.5": ("cohere.rerank-v3-5:0", "rerank-v3.5"),
    "amazon/titan-embed-text-v2": ("amazon.titan-embed-text-v2:0", "amazon/titan-embed-text-v2"),
    "amazon/nova-lite": ("amazon.nova-lite-v1:0", "us.amazon.nova-lite-v1:0", "amazon/nova-lite-v1"),
    "nvidia/nemotron-3-ultra-550b-a55b": ("nemotron-3-ultra", "nvidia/NVIDIA-Nemotron-3-Ultra-550B-A55B-BF16"),
    "nvidia/nemotron-3.5-lightning-30b-a3b": (
        *(
            "nvidia/nemotron-3.5-lightning",
            "nemotron-lightning-3p5-30b-a3b",
            "nvidia/NVIDIA-Nemotron-3.5-Lightning-30B-A3B-BF16",
        ),
    ),
    "nvidia/llama-3.1-nemotron-70b-instruct": ("nvidia/llama-3.1-nemotron-70b-instruct",),
    "nousresearch/hermes-3-llama-3.1-405b": ("nousresearch/hermes-3-llama-3.1-405b", "hermes-3-llama-3.1-405b"),
    "black-forest-labs/flux.1-dev": ("black-forest-labs/FLUX.1-dev", "fal-ai/flux/dev", "FLUX.1 [dev]"),
    "black-forest-labs/flux.1-kontext-pro": ("bfl/flux-kontext-pro", "FLUX.1-Kontext-pro", "fal-ai/flux-pro/kontext"),
    "black-forest-labs/flux-1.1-pro": ("FLUX-1.1-pro", "fal-ai/flux-pro/v1.1"),
    "kling/kling-video-o3-pro-image-to-video": ("fal-ai/kling-video/o3/pro/image-to-video",),
    "microsoft/phi-3.5-mini-instruct": ("microsoft/phi-3.5-mini-128k-instruct", "Phi-3.5-mini-instruct"),
    "upstage/solar-10.7b-instruct": ("upstage/solar-10_7b-instruct", "solar-10.7b-instruct"),
    "stabilityai/stable-diffusion-3.5-large": ("stability.sd3-5-large-v1:0", "stabilityai/stable-diffusion-3.5-large"),
    "bytedance/seedance-2.0": ("doubao-seedance-2-0-260128", "bytedance/seedance-2.0"),
}

DIFFERENT = [
    ("gpt-4o", "gpt-4o-mini"),
    ("gpt-4", "gpt-4-turbo"),
    ("gpt-5.1", "gpt-5.1-codex"),
    ("claude-sonnet-4", "claude-sonnet-4.5"),
    ("claude-opus-4.1", "claude-sonnet-4.1"),
    ("gemini-2.5-pro", "gemini-2.5-pro-preview-05-06"),  # a preview is another release
    ("gemini-2.5-flash", "gemini-flash-latest"),  # what an alias means changes
    ("text-embedding-004", "text-embedding-005"),
    ("qwen3-235b-a22b", "qwen3-235b-a22b-2507"),  # both ways to think at first, instruct and thinking apart since July
    ("qwen3-235b-a22b-instruct-2507", "qwen3-235b-a22b-thinking-2507"),
    ("mistral-large-2411", "mistral-large-2512"),
    ("llama-3.1-70b-instruct", "deepseek-r1-distill-llama-70b"),
    ("llama-3.1-70b-instruct", "nvidia/llama-3.1-nemotron-70b-instruct"),
    ("mixtral-8x7b-instruct", "nous-hermes-2-mixtral-8x7b-dpo"),
    ("qwen3-32b", "huihui-ai/Qwen3-32B-abliterated"),
    ("llama-3.1-8b-instruct", "acme/Llama-3.1-8B-Instruct"),  # whoever that is may have trained it
    ("llama-3.1-8b-instruct", "nousresearch/Llama-3.1-8B-Instruct"),
    ("acme/Llama-3.1-8B-Instruct", "acme/Llama-3.1-8B"),  # a derivative of the pretrained model
    ("nousresearch/Meta-Llama-3-8B-Instruct", "nousresearch/Meta-Llama-3-8B"),
    ("snowflake/llama3.1-405b", "snowflake/snowflake-llama-3.1-405b"),  # trained anew, for a smaller cache
    ("gemma2:9b", "google/gemma-2-9b"),
    ("amazon.titan-embed-text-v1", "amazon.titan-embed-text-v2:0"),
    ("amazon.titan-image-generator-v1", "amazon.titan-image-generator-v2:0"),
    ("cohere.rerank-v3-5:0", "rerank-v3"),
    ("imagen-4.0-generate-001", "imagen-4.0-generate-preview-06-06"),
    ("nano-banana", "nano-banana-2.1"),  # of a later one only the nickname is known
    ("stabilityai/sdxl", "stabilityai/sdxl-turbo"),  # distilled by the lab
    ("stability/sd3.5-large", "stability/sd3.5-large-turbo"),
    ("black-forest-labs/FLUX.2-dev", "black-forest-labs/FLUX.2-flex"),  # elsewhere, `flex` is a price tier
    ("kimi-k2.7-code", "kimi-k2.7-code-highspeed"),
    ("doubao-seed-2-1", "doubao-seed-2-1-turbo-260628"),
    ("doubao-seedance-2-0-260128", "doubao-seedance-2-0-fast-260128"),
    ("speech-02-hd", "speech-02-turbo"),
    ("perplexity/pplx-embed-v1-4b", "cohere/embed-v1-4b"),
    ("gpt-4o", "ft:gpt-4o-2024-08-06:acme::9a1b"),
    ("claude-3.7-sonnet", "acme/claude-3.7-sonnet-reasoning-gemma3-12b"),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different_models_have_different_canonical_ids(one: str, other: str):
    assert _id(one) != _id(other)


@pytest.mark.parametrize(("canonical_id", "model_id"), [(key, each) for key, ids in SAME.items() for each in ids])
def test_spellings_of_one_model_have_one_canonical_id(canonical_id: str, model_id: str):
    found = canonical_of(model_id)
    assert found is not None
    assert (found.id, found.certainty) == (canonical_id, "known")


ALL = [each for ids in SAME.values() for each in ids]
KNOWN = st.sampled_from(ALL)
PLAIN = st.sampled_from([each for each in ALL if re.fullmatch(r"[\w./-]+", each)])
UNDATED = PLAIN.filter(lambda each: read_name(each).snapshot is None)


@pytest.fixture(autouse=True, scope="module")
def _knowledge():
    family_of("own-13b")  # loads all tables, which takes longer than an example of a property may


def _id(model_id: str) -> str:
    found = canonical_of(model_id)
    assert found is not None
    return found.id


@given(KNOWN, st.sampled_from([str.upper, str.lower, str.title, " {} ".format]))
def test_case_does_not_change_the_model(model_id: str, change):
    assert _id(change(model_id)) == _id(model_id)


@example("meta-llama/Llama-3.1-8B", "openrouter/hf:")
@given(
    PLAIN,
    st.lists(
        st.sampled_from(
            [
                "openrouter/",
                "azure/",
                "groq/",
                "together_ai/",
                "fireworks_ai/",
                "vertex_ai/",
                "bedrock/eu-west-1/",
                "hf:",
            ]
        ),
        min_size=1,
        max_size=2,
    ).map("".join),
)
def test_a_gateway_or_a_region_does_not_change_the_model(model_id: str, prefix: str):
    assert _id(prefix + model_id) == _id(model_id)


@given(PLAIN.filter(lambda each: "/" not in each), st.sampled_from(["us.", "eu.", "apac.", "global."]))
def test_a_region_before_a_dot_does_not_change_the_model(model_id: str, region: str):
    assert _id(region + model_id) == _id(model_id)


@given(UNDATED, st.dates(date(2015, 1, 1), date(2029, 12, 31)).map(str), st.sampled_from(["-{}", "@{}"]), st.booleans())
def test_a_date_does_not_change_the_model_and_is_its_snapshot(model_id: str, day: str, form: str, is_short: bool):
    dated = canonical_of(model_id + form.format(day.replace("-", "") if is_short else day))
    assert dated is not None
    assert (dated.id, dated.snapshot) == (_id(model_id), day)


@pytest.mark.parametrize("model_id", ["codestral-26", "mistral-large-25", "devstral-small-26", "voxtral-24"])
def test_two_digits_that_are_a_year_are_no_version(model_id: str):
    assert _id(model_id) == f"mistral/{model_id}"


@pytest.mark.parametrize(
    ("model_id", "same"), [("qwen-25-7b", "qwen-2.5-7b"), ("gpt-41", "gpt-4.1"), ("claude-opus-41", "claude-opus-4.1")]
)
def test_two_digits_are_a_version_where_names_have_versions(model_id: str, same: str):
    assert _id(model_id) == _id(same)


@given(PLAIN, st.sampled_from([":free", "-fp8", "-awq", "-nvfp4", ":batch", "-maas", "-tee"]))
def test_packing_and_price_tier_are_variants_of_the_model(model_id: str, ending: str):
    offer = canonical_of(model_id + ending)
    assert offer is not None
    assert offer.id == _id(model_id)
    assert ending[1:] in offer.variant.split("+")


@given(KNOWN)
def test_a_hyphen_for_a_point_between_digits_does_not_change_the_model(model_id: str):
    assert _id(re.sub(r"(?<=\d)\.(?=\d)", "-", model_id)) == _id(model_id)


@given(UNDATED, st.sampled_from(["-mini", "-thinking", "-vl", "-nano", "-pro", "-highspeed-mini"]))
def test_another_tier_is_another_model(model_id: str, ending: str):
    assert _id(model_id + ending) != _id(model_id)


@given(
    st.sampled_from(["gpt-{}.{}", "claude-opus-{}.{}", "gemini-{}.{}-pro", "glm-{}.{}", "llama-{}.{}-9b-instruct"]),
    *[st.integers(1, 9)] * 4,
)
def test_another_version_is_another_model(form: str, major: int, other: int, minor: int, other_minor: int):
    assume((major, minor) != (other, other_minor))
    assert _id(form.format(major, minor)) != _id(form.format(other, other_minor))


@given(
    st.sampled_from(["llama-3-{}b-instruct", "qwen2.5-{}b", "mistral-{}b-instruct-v0.3", "acme/own-{}b"]),
    *[st.sampled_from([1, 3, 7, 8, 13, 34, 70, 72, 405])] * 2,
)
def test_another_size_is_another_model(form: str, one: int, other: int):
    assume(one != other)
    assert _id(form.format(one)) != _id(form.format(other))


@given(KNOWN)
def test_a_canonical_id_is_its_own_canonical_id(model_id: str):
    assert _id(_id(model_id)) == _id(model_id)


@example(":")
@given(st.text(max_size=80))
def test_any_text_can_be_read(model_id: str):
    found = canonical_of(model_id)
    assert found is None or found.id


@pytest.mark.parametrize(
    ("model_id", "family"),
    [
        ("anthropic/claude-3.5-sonnet", "claude-sonnet"),
        ("claude-sonnet-4-5-20250929", "claude-sonnet"),
        ("claude-opus-4.1", "claude-opus"),
        ("gemini-2.5-flash", "gemini-flash"),
        ("gemini-2.5-flash-lite", "gemini-flash-lite"),
        ("mistral-large-2411", "mistral-large"),
        ("amazon.nova-pro-v1:0", "nova-pro"),
        ("gpt-4o", "gpt-4o"),
        ("gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
        ("gpt-5.2", "gpt-5.2"),
        ("meta-llama/Llama-3.3-70B-Instruct", "llama-3.3"),
        ("llama-3.2-11b-vision-instruct", "llama-3.2-vision"),
        ("Qwen/Qwen3-Coder-480B-A35B-Instruct", "qwen3-coder"),
        ("deepseek-r1-0528", "deepseek-r1"),
        ("glm-4.5-air", "glm-4.5-air"),
        # A derivative belongs to the family of its base.
        ("acme/foo-llama-3.1-8b", "llama-3.1"),
        ("huihui-ai/Qwen3-32B-abliterated", "qwen3"),
        # Of a name that is no lab's, what the whole id says: here its owner.
        ("watsonx/core42/jais-13b-chat", "jais"),
        ("something-else", None),
        ("00000000-0000-4000-8000-000000000000", None),
    ],
)
def test_a_family_is_the_line_that_the_lab_tells_apart(model_id: str, family: str | None):
    assert family_of(model_id) == family


@pytest.mark.parametrize(
    ("model_id", "snapshot", "variant"),
    [
        ("gpt-4o-2024-08-06", "2024-08-06", None),
        ("claude-sonnet-4-5@20250929", "2025-09-29", None),
        ("gpt-4-0613", "0613", None),
        ("mistral-large-2411", "2411", None),
        ("openai/gpt-oss-20b:free", None, "free"),
        ("llama-3.3-70b-instruct-fp8-fast", None, "fp8+fast"),
        ("gpt-4o", None, None),
    ],
)
def test_snapshot_and_variant_are_kept(model_id: str, snapshot: str | None, variant: str | None):
    found = canonical_of(model_id)
    assert found is not None
    assert (found.snapshot, found.variant) == (snapshot, variant)


def test_a_person_is_believed_before_the_listing_and_the_name():
    found = canonical_of("gpt-4o", {"canonical_id": "acme/tuned", "canonical_slug": "openai/gpt-4o"})
    assert found is not None
    assert (found.id, found.lab, found.source, found.certainty) == ("acme/tuned", "acme", "override", "stated")


def test_what_the_listing_states_names_an_id_that_says_nothing():
    found = canonical_of("6f1de14d-13a6-4cc8-a2ef-6fd4a1b5a0c9", {"hugging_face_id": "Qwen/Qwen2.5-72B-Instruct"})
    assert found is not None
    assert (found.id, found.source, found.certainty) == ("alibaba/qwen2.5-72b-instruct", "listing", "stated")


def test_a_stated_base_of_another_size_or_of_a_known_model_does_not_count():
    assert _with_base("acme-chat-8b", "meta-llama/Llama-3.3-70B-Instruct") == "acme-chat-8b"
    assert _with_base("deepseek-r1-distill-llama-70b", "llama-3.3-70b") == "deepseek/deepseek-r1-distill-llama-70b"


def _with_base(model_id: str, base: str) -> str:
    found = canonical_of(model_id, {"base_model": base})
    assert found is not None
    return found.id


def test_a_moving_alias_is_what_the_listing_says_it_is():
    found = canonical_of("claude-opus-latest", {"base_model": "anthropic/claude-opus-4-5"})
    assert found is not None
    assert (found.id, found.source) == ("anthropic/claude-opus-4.5", "listing")


def test_a_fine_tune_is_not_its_base_model_whatever_the_listing_calls_it():
    assert _with_base("acme/lawyer-llama-3.1-70b", "meta-llama/Llama-3.1-70B") == "acme/lawyer-llama-3.1-70b"
    assert _with_base("prod-chat", "gpt-4o") == "openai/gpt-4o"


def test_a_stated_name_of_another_version_does_not_count():
    found = canonical_of("claude-sonnet-4.5", {"canonical_slug": "anthropic/claude-sonnet-4"})
    assert found is not None
    assert (found.id, found.source) == ("anthropic/claude-sonnet-4.5", "name")


def test_a_listing_adds_the_date_to_an_undated_name():
    found = canonical_of("anthropic/claude-sonnet-4.5", {"canonical_slug": "anthropic/claude-4.5-sonnet-20250929"})
    assert found is not None
    assert (found.id, found.snapshot) == ("anthropic/claude-sonnet-4.5", "2025-09-29")


def test_the_display_name_stands_in_for_an_id_that_says_nothing():
    for shown, canonical_id in (
        ("Llama 3.3 70B Instruct", "meta/llama-3.3-70b-instruct"),
        ("GPT-4o (2024-08-06)", "openai/gpt-4o"),
        ("Grok 4 Fast (Reasoning)", "xai/grok-4-fast-reasoning"),
    ):
        found = canonical_of("6f1de14d-13a6-4cc8-a2ef-6fd4a1b5a0c9", None, {"display_name": shown})
        assert found is not None
        assert found.id == canonical_id


def test_an_id_that_says_nothing_has_no_canonical_model():
    assert canonical_of("6f1de14d-13a6-4cc8-a2ef-6fd4a1b5a0c9") is None


@pytest.mark.parametrize("model_id", ["auto", "openrouter/auto", "openrouter/free", "chat-latest", "vision", "14b"])
def test_a_name_that_every_host_may_use_is_no_model(model_id: str):
    assert canonical_of(model_id) is None


def test_behind_an_owner_such_a_name_is_the_owners_model():
    assert _id("acme/auto") == "acme/auto"


@pytest.mark.parametrize("model_id", ["nvidia.nemotron-nano-12b-v2", "us-gov.nvidia.nemotron-nano-12b-v2"])
def test_an_id_of_bedrock_is_the_model_that_bedrock_names(model_id: str):
    assert _id(model_id) == "nvidia/nemotron-nano-12b-v2-vl"
    assert _id("nvidia/NVIDIA-Nemotron-Nano-12B-v2") == "nvidia/nemotron-nano-12b-v2"


def test_an_unknown_name_is_a_model_of_its_own_unverified():
    found = canonical_of("my-private-model")
    assert found is not None
    assert (found.id, found.lab, found.certainty) == ("my-private-model", None, "unverified")


def test_the_offer_that_contradicts_most_others_stands_apart():
    assert contradicting([{"context_length": n} for n in (128_000, 131_072, 8_192)]) == {2}
    assert contradicting([{"context_length": n} for n in (128_000, 8_192, None)]) == {0, 1}
    assert contradicting([{"context_length": 128_000}, {"context_length": 32_768}]) == frozenset()
    assert contradicting([{"output_modalities": [m]} for m in ("text", "text", "image")]) == {2}
    assert contradicting([{"output_modalities": ["text"]}, {"output_modalities": ["text", "image"]}]) == frozenset()


def test_which_offers_contradict_the_others_does_not_depend_on_their_order():
    rows = [{"input_modalities": [each]} for each in ("text", "text", "image", "image")]
    rows += [{"input_modalities": ["image", "text"]}]
    odd = {
        tuple(sorted(str(ordered[place]) for place in contradicting(ordered)))
        for ordered in (rows, rows[::-1], rows[2:] + rows[:2])
    }
    assert odd == {(str({"input_modalities": ["text"]}),) * 2}


def test_the_digest_is_the_same_in_one_build():
    assert identity_digest() == identity_digest()
    assert len(identity_digest()) == 64


def test_an_id_is_read_once():
    ids = [f"openrouter/{each}" for each in ALL]
    for each in ids:
        canonical_of(each)
    before = read_name.cache_info().misses
    for each in ids:
        canonical_of(each)
    assert read_name.cache_info().misses == before


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("system.ai.glm-5-3", "databricks-glm-5-3"),
        ("ai/llama3.2:3b", "llama3.2:3b"),
        ("alicloud-deepseek-v4-pro", "deepseek-v4-pro"),
        ("mistral-large-4-0", "mistral-large-4"),
        ("gte-large-en", "databricks-gte-large-en"),
        ("minimax-m2.5-lightning", "MiniMax-M2.5-highspeed"),
    ],
)
def test_the_words_of_hosts_and_labs_for_one_model_are_known(one: str, other: str):
    assert _id(one) == _id(other)
