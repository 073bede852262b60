import pytest
from hypothesis import assume, given, strategies as st

from provider_pipeline.rules.identity import canonical_of, contradicting, identity_digest

SAME = {
    "meta/llama-3.3-70b-instruct": (
        *("meta-llama/llama-3.3-70b-instruct", "llama-3.3-70b", "meta-llama/Llama-3.3-70B-Instruct-Turbo"),
        *("meta.llama3-3-70b-instruct-v1:0", "accounts/fireworks/models/llama-v3p3-70b-instruct"),
        *(
            "llama-3.3-70b-versatile",
            "@cf/meta/llama-3.3-70b-instruct-fp8-fast",
            "databricks-meta-llama-3-3-70b-instruct",
        ),
    ),
    "openai/gpt-4o": ("gpt-4o", "azure/gpt-4o", "gpt-4o-2024-08-06", "openai/gpt-4o"),
    "openai/gpt-3.5-turbo": ("gpt-35-turbo", "gpt-3.5-turbo-0125"),
    "openai/gpt-oss-20b": ("gpt-oss-20b:free", "openai/gpt-oss-20b", "gpt-oss:20b"),
    "anthropic/claude-3.5-sonnet": ("us.anthropic.claude-3-5-sonnet-20241022-v2:0", "claude-3-5-sonnet@20240620"),
    "anthropic/claude-sonnet-4.5": ("claude-sonnet-4-5-20250929", "claude-4.5-sonnet", "databricks-claude-sonnet-4-5"),
    "deepseek/deepseek-v3": ("deepseek-ai/DeepSeek-V3-0324", "deepseek/deepseek-chat-v3-0324"),
    "alibaba/qwen2.5-72b-instruct": ("qwen/qwen-2.5-72b-instruct", "Qwen2.5-72B-Instruct-Turbo"),
    "alibaba/qwen-turbo": ("qwen-turbo",),
    "google/gemma-3-27b-it": ("gemma-3-27b", "google/gemma-3-27b-it"),
    "zhipu/glm-4.5": ("zai-org/GLM-4.5", "glm-4p5"),
    "nvidia/llama-3.1-nemotron-70b-instruct": ("nvidia/llama-3.1-nemotron-70b-instruct",),
    "nousresearch/hermes-3-llama-3.1-405b": ("nousresearch/hermes-3-llama-3.1-405b",),
    "deepseek/deepseek-r1-distill-llama-70b": ("deepseek-r1-distill-llama-70b",),
}


@pytest.mark.parametrize(("canonical_id", "model_id"), [(key, each) for key, ids in SAME.items() for each in ids])
def test_spellings_of_one_model_have_one_canonical_id(canonical_id: str, model_id: str):
    found = canonical_of(model_id)
    assert found is not None
    assert (found.id, found.certainty) == (canonical_id, "known")


KNOWN = st.sampled_from([each for ids in SAME.values() for each in ids if ":" not in each and "@" not in each])
BARE = st.sampled_from(
    [
        "gpt-4o",
        "claude-sonnet-4.5",
        "llama-3.1-8b-instruct",
        "qwen2.5-72b-instruct",
        "gemini-2.5-pro",
        "deepseek-r1",
        "grok-4",
    ]
)


def _id(model_id: str) -> str:
    found = canonical_of(model_id)
    assert found is not None
    return found.id


@given(KNOWN, st.sampled_from([str.upper, str.title, "openrouter/{}".format, "models/{}".format, "{}:free".format]))
def test_case_gateway_and_price_tier_do_not_change_the_model(model_id: str, change):
    assert _id(change(model_id)) == _id(model_id)


@given(
    BARE, st.sampled_from(["{}-fp8", "{}:free", "{}-20250219", "{}-2025-02-19", "us.openai.{}", "{}-awq", "{}-0613"])
)
def test_packing_date_and_region_do_not_change_the_model(model_id: str, change: str):
    assert _id(change.format(model_id)) == _id(model_id)


@given(BARE)
def test_a_hyphen_for_the_versions_point_does_not_change_the_model(model_id: str):
    assert _id(model_id.replace(".", "-")) == _id(model_id)


@given(BARE, st.sampled_from(["{}-mini", "{}-thinking", "{}-vl", "{}-nano", "{}-code"]))
def test_another_tier_is_another_model(model_id: str, change: str):
    assert _id(change.format(model_id)) != _id(model_id)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 9), st.integers(0, 9))
def test_another_version_is_another_model(major: int, other: int, minor: int, other_minor: int):
    assume((major, minor) != (other, other_minor))
    assert _id(f"gpt-{major}.{minor}") != _id(f"gpt-{other}.{other_minor}")


@given(st.sampled_from([1, 3, 7, 8, 13, 34, 70, 72, 405]), st.sampled_from([1, 3, 7, 8, 13, 34, 70, 72, 405]))
def test_another_size_is_another_model(one: int, other: int):
    assume(one != other)
    assert _id(f"llama-3-{one}b-instruct") != _id(f"llama-3-{other}b-instruct")


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


def test_an_id_that_says_nothing_has_no_canonical_model():
    assert canonical_of("6f1de14d-13a6-4cc8-a2ef-6fd4a1b5a0c9") is None


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


def test_the_digest_is_the_same_in_one_build():
    assert identity_digest() == identity_digest()
    assert len(identity_digest()) == 64
