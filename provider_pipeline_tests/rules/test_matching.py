import functools
import itertools
from decimal import Decimal

import pytest

from provider_pipeline.errors import RuleTooCostlyError
from provider_pipeline.rules.capability_rules import parse_capability_rules
from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline.rules.limits import FREE_MATCHING, MATCHING_SECONDS, Work
from provider_pipeline.rules.matching import CapabilityMatcher, CompiledCapabilities, NamePatterns
from provider_pipeline.rules.validator import RuleValidator
from provider_pipeline_tests.rules import samples


def rows_of(items):
    sample = {"data": items}
    result = RuleValidator().validate_rule(RuleGenerator().analyze_sample(sample), sample)
    return {row["model_id"]: row for row in result["extracted_models"]}


def test_the_documented_example_matches():
    rules = [{"capability": "chat", "patterns": {"regex": ["gpt-.*"]}}]
    assert CapabilityMatcher().match_capabilities("gpt-4-turbo", rules) == ["chat"]
    assert CapabilityMatcher().match_capabilities("my-gpt-4", rules) == []


def test_patterns_match_whole_names_without_regard_to_case_vendor_or_packing():
    rules = {"chat": {"patterns": {"regex": ["llama-3\\.1-8b-instruct"]}}}
    for model_id in ("meta-llama/Llama-3.1-8B-Instruct", "LLAMA-3.1-8B-Instruct-FP8", "llama-3.1-8b-instruct:free"):
        assert CapabilityMatcher().match_capabilities(model_id, rules) == ["chat"]
    assert CapabilityMatcher().match_capabilities("llama-3.1-8b", rules) == []


def test_a_pattern_may_also_be_written_for_the_id_as_it_is():
    rules = {"chat": {"patterns": {"regex": ["openai/gpt-4o:free"]}}}
    assert CapabilityMatcher().match_capabilities("openai/gpt-4o:free", rules) == ["chat"]


def test_the_first_pattern_that_matches_decides():
    rules = {"chat": {"patterns": {"regex": ["!gpt-4o-audio.*", "?gpt-4o-odd", "gpt-4o.*"]}}}
    matcher = CapabilityMatcher()
    assert matcher.match_capabilities("gpt-4o", rules) == ["chat"]
    assert matcher.match_capabilities("gpt-4o-audio-preview", rules) == []
    assert matcher.match_capabilities("gpt-4o-odd", rules) == []


def test_a_lookup_table_wins_over_patterns():
    rules = {"chat": {"patterns": {"regex": ["!custom-.*"], "lookup_table": {"custom-model": ["chat", "vision"]}}}}
    assert CapabilityMatcher().match_capabilities("custom-model", rules) == ["chat", "vision"]


def test_opaque_ids_match_no_pattern_but_may_be_looked_up():
    uuid = "de7d3faf-762f-48e0-b3b7-9d0ac3a3fcf3"
    rules = {"chat": {"patterns": {"regex": [".*"], "lookup_table": {uuid: ["chat"]}}}}
    assert CapabilityMatcher().match_capabilities("ep-20240101-abcdef", {"chat": {"patterns": {"regex": [".*"]}}}) == []
    assert CapabilityMatcher().match_capabilities(uuid, rules) == ["chat"]


def test_evidence_wins_over_names_and_its_provenance_is_kept():
    rows = rows_of(
        [
            {"id": "gpt-4o", "capabilities": {"vision": False, "function_calling": True}},
            {"id": "gpt-4.1", "capabilities": {"vision": True, "function_calling": True}},
        ]
    )
    assert rows["gpt-4o"]["capabilities"]["vision"] is False
    assert rows["gpt-4o"]["capability_sources"]["vision"] == "evidence"
    assert rows["gpt-4o"]["capability_sources"]["chat"] == "regex"
    assert rows["gpt-4.1"]["capabilities"]["vision"] is True


def has_tools(values, *, evidence):
    rule = {
        "jmespath_rule": "[*]",
        "capability_rules": [{"capability": "tools", "patterns": {"evidence": [evidence]}}],
    }
    sample = [{"id": f"model-{number}", "flag": value} for number, value in enumerate(values)]
    return [bool(found) for found in RuleValidator().validate_rule(rule, sample)["matched_capabilities"].values()]


def test_evidence_distinguishes_values_of_different_types():
    values = [True, 1, 1.0, "true", None, False, 0, True]
    assert has_tools(values, evidence="flag == `true`") == [value is True for value in values]
    assert has_tools(values, evidence="flag == `1`") == [value == 1 and value is not True for value in values]
    assert has_tools([{"a": 1}, [["a", 1]], "a1"], evidence="flag.a") == [True, False, False]


def test_evidence_may_look_at_the_whole_model_object():
    assert has_tools([True, "x" * 20, None], evidence="contains(to_string(@), 'xxx')") == [False, True, False]


def test_evidence_may_read_any_value():
    deep = functools.reduce(lambda inner, _: [inner], range(3_000), None)
    values = [deep, Decimal("1.5"), float("nan"), 2**80, "\ud800", "long " * 1_000, "long " * 1_000, [], ""]
    assert has_tools(values, evidence="flag") == [True] * 7 + [False] * 2


def test_an_undecided_capability_is_unknown_not_false():
    assert rows_of([{"id": "quux"}, {"id": "quuz"}])["quux"]["capabilities"] == {}


@pytest.mark.parametrize(
    ("item", "capability", "state"),
    [
        ({"supports_tools": True}, "tools", True),
        ({"supports_tools": False}, "tools", False),
        ({"thinking": {"supported": True}}, "reasoning", True),
        ({"features": ["tool-calling"]}, "tools", True),
        ({"features": "vision,json_mode"}, "vision", True),
        ({"type": "embedding"}, "embedding", True),
        ({"type": "embedding"}, "chat", False),
        ({"task": {"name": "Text-to-Image"}}, "image_generation", True),
        ({"endpoints": ["rerank"]}, "rerank", True),
        ({"functions": [{"id": "text_chat"}]}, "chat", True),
        ({"offers": [{"supports_tools": False}, {"supports_tools": True}]}, "tools", True),
        ({"input_modalities": ["TEXT", "IMAGE"], "output_modalities": ["TEXT"]}, "vision", True),
        ({"input_modalities": ["TEXT"], "output_modalities": ["VIDEO"]}, "video_generation", True),
        ({"input_modalities": ["TEXT"], "output_modalities": ["VIDEO"]}, "chat", False),
    ],
)
def test_structured_metadata_decides_capabilities(item, capability, state):
    rows = rows_of([{"id": "quux", **item}, {"id": "quuz", **item}])
    assert rows["quux"]["capabilities"][capability] is state
    assert rows["quux"]["capability_sources"][capability] == "evidence"


def test_free_tags_state_but_never_deny():
    rows = rows_of([{"id": "quux", "tags": ["vision"]}, {"id": "quuz", "tags": ["fast"]}])
    assert rows["quux"]["capabilities"] == {"vision": True}
    assert rows["quuz"]["capabilities"] == {}


def test_in_a_listing_of_text_models_unknown_names_are_chat_models():
    assert rows_of([{"id": name, **text_only()} for name in ("quux", "quuz")])["quux"]["capabilities"]["chat"] is True
    mixed = [
        {"id": "quux", **text_only()},
        {"id": "quuz", "input_modalities": ["text"], "output_modalities": ["image"]},
    ]
    assert "chat" not in rows_of(mixed)["quux"]["capabilities"]


def text_only():
    return {"input_modalities": ["text"], "output_modalities": ["text"]}


def test_the_label_of_a_list_is_evidence():
    result = RuleValidator().validate_rule(
        RuleGenerator().analyze_sample(samples.SEVERAL_ARRAYS), samples.SEVERAL_ARRAYS
    )
    assert result["matched_capabilities"]["nimbus-general"] == ["audio_transcription"]
    assert result["matched_capabilities"]["stratus-zeus-en"] == ["text_to_speech"]


@pytest.mark.parametrize(
    ("model_id", "has", "lacks"),
    [
        ("text-embedding-3-large", {"embedding"}, {"chat", "tools"}),
        ("BAAI/bge-reranker-v2-m3", {"rerank"}, {"embedding", "chat"}),
        ("openai/whisper-large-v3", {"audio_transcription"}, {"chat"}),
        ("fal-ai/kling-video/v2/image-to-video", {"video_generation"}, {"image_generation", "chat"}),
        ("black-forest-labs/FLUX.1-schnell", {"image_generation"}, {"chat", "vision"}),
        ("gpt-4o-mini-tts", {"text_to_speech"}, {"chat", "vision"}),
        ("deepseek-ai/DeepSeek-R1", {"chat", "reasoning"}, {"vision"}),
        ("llama-3.2-90b-vision-instruct", {"chat", "vision"}, {"reasoning"}),
        ("omni-moderation-latest", {"moderation"}, {"chat"}),
        ("gpt-3.5-turbo-instruct", {"completion"}, {"chat"}),
        ("mj_high_variation", {"image_generation"}, {"chat"}),
        ("mj_describe", set(), {"chat"}),
        ("swap_face", set(), {"chat"}),
        ("cross-encoder/ms-marco-MiniLM-L6-v2", {"rerank"}, {"chat", "embedding"}),
        ("shibing624/text2vec-base-chinese", {"embedding"}, {"chat"}),
        ("m3e-base", {"embedding"}, {"chat"}),
        ("Qwen/Qwen3Guard-Gen-8B", {"moderation"}, {"tools", "vision"}),
        ("solaria-1", {"audio_transcription"}, {"chat"}),
        ("aura-2-thalia-en", {"text_to_speech"}, {"chat"}),
        ("fal/AuraFlow-v0.3", {"image_generation"}, {"chat"}),
        ("gen4_image_turbo", {"image_generation"}, {"chat", "video_generation"}),
        ("step-1x-medium", {"image_generation"}, {"chat"}),
        ("eleven_text_to_sound_v2", set(), {"text_to_speech", "chat"}),
        ("minimax-music-2.0", set(), {"text_to_speech", "chat"}),
        ("S2V-01", {"video_generation"}, {"chat"}),
        ("GigaChat-2-Max", {"chat"}, set()),
        ("gpt-5.6-chat-latest", {"chat", "tools", "vision"}, {"audio_input"}),
        ("us.meta.llama3-2-90b-instruct-v1:0", {"chat", "vision", "tools"}, {"reasoning"}),
        ("mistral-medium-2604", {"chat", "vision", "tools", "reasoning"}, {"audio_input"}),
        ("mistralai/Mistral-Small-4-119B-2603", {"reasoning", "structured_output"}, {"audio_input"}),
        ("zai-org/GLM-5.2", {"chat", "tools", "reasoning", "structured_output"}, {"vision"}),
        ("XiaomiMiMo/MiMo-V2.5", {"chat", "vision", "reasoning"}, set()),
        ("XiaomiMiMo/MiMo-Audio-7B-Instruct", {"chat", "audio_input"}, {"vision"}),
        ("LGAI-EXAONE/EXAONE-4.5-33B", {"chat", "vision"}, {"audio_input"}),
        ("LGAI-EXAONE/EXAONE-Deep-32B", {"chat", "reasoning"}, {"vision"}),
        ("google/medgemma-27b-text-it", {"chat"}, {"vision"}),
        ("nvidia/nemotron-3-nano-omni-30b-a3b-reasoning", {"chat", "vision", "audio_input", "tools"}, set()),
        ("ibm-granite/granite-4.0-h-small", {"chat", "tools"}, {"vision"}),
        ("openbmb/MiniCPM-o-4_5", {"chat", "vision", "audio_input"}, set()),
        ("ServiceNow-AI/zorb-1.6-thinker", {"reasoning"}, set()),
        ("Qwen/Qwen3.5-35B-A3B-Base", {"completion"}, set()),
        ("~anthropic/claude-fable-latest", {"chat", "vision", "tools", "reasoning"}, {"audio_input"}),
    ],
)
def test_names_decide_what_models_can_do(model_id, has, lacks):
    capabilities = rows_of([{"id": model_id}, {"id": "quux"}])[model_id]["capabilities"]
    assert {name for name, state in capabilities.items() if state} >= has
    assert {name for name, state in capabilities.items() if state is False} >= lacks


def test_part_of_a_word_is_not_a_purpose():
    names = ["shibing624/text2vec-base-chinese", "Aura-Uncensored-8B", "chronos-hermes-13b", "stable-fast-3d"]
    rows = rows_of([{"id": name} for name in names])
    stated = {name: {c for c, has in rows[name]["capabilities"].items() if has} for name in names}
    assert stated == {names[0]: {"embedding"}, names[1]: {"chat"}, names[2]: {"chat"}, names[3]: set()}


def sources_of(patterns, item, model_id):
    rules = [{"capability": name, "patterns": each} for name, each in patterns.items()]
    decisions = CompiledCapabilities(parse_capability_rules(rules)).of_item(item, model_id)
    return {capability: (has, source) for capability, (has, source) in decisions.items()}


WEAK = {"weak_evidence": ["kinds && contains(kinds, 'openai')"]}


@pytest.mark.parametrize(
    ("stronger", "decision"),
    [
        ({}, (True, "weak_evidence")),
        ({"regex": ["!zorb.*"]}, (False, "regex")),
        ({"regex": ["?zorb.*"]}, (True, "weak_evidence")),
        ({"regex": ["zorb.*"]}, (True, "regex")),
        ({"lookup_table": {"zorb-1": ["chat"]}}, (True, "lookup_table")),
        ({"counter_evidence": ["kinds"]}, (False, "evidence")),
        ({"evidence": ["kinds"]}, (True, "evidence")),
    ],
)
def test_weak_evidence_decides_only_what_nothing_stronger_does(stronger, decision):
    assert sources_of({"chat": {**WEAK, **stronger}}, {"kinds": ["openai"]}, "zorb-1") == {"chat": decision}


@pytest.mark.parametrize("stronger", [{"regex": ["zorb.*"]}, {"evidence": ["kinds"]}])
def test_weak_evidence_of_chat_is_not_heard_about_a_model_that_is_for_something_else(stronger):
    found = sources_of({"chat": WEAK, "vision": WEAK, "embedding": stronger}, {"kinds": ["openai"]}, "zorb-1")
    assert set(found) == {"embedding"}


def test_of_weak_evidence_the_more_specific_purpose_wins_and_two_of_them_leave_all_unknown():
    item = {"kinds": ["openai"]}
    assert set(sources_of({"chat": WEAK, "rerank": WEAK}, item, "zorb")) == {"rerank"}
    assert sources_of({"chat": WEAK, "rerank": WEAK, "embedding": WEAK}, item, "zorb") == {}


def test_a_weak_ability_is_heard_about_a_chat_model_and_not_about_one_that_does_not_chat():
    item = {"kinds": ["openai"]}
    assert sources_of({"vision": WEAK, "chat": {"regex": ["zorb"]}}, item, "zorb")["vision"] == (True, "weak_evidence")
    assert "vision" not in sources_of({"vision": WEAK, "chat": {"regex": ["!zorb"]}}, item, "zorb")


def test_where_evidence_is_unsure_a_name_cannot_state_the_capability_but_deny_it():
    unsure = {"unsure_evidence": ["mode == 'search'"], "weak_evidence": ["mode"]}
    item = {"mode": "search"}
    assert sources_of({"chat": {**unsure, "regex": ["zorb"]}}, item, "zorb") == {}
    assert sources_of({"chat": {**unsure, "regex": ["!zorb"]}}, item, "zorb") == {"chat": (False, "regex")}
    found = sources_of({"chat": {**unsure, "lookup_table": {"zorb": ["chat"]}}}, item, "zorb")
    assert found == {"chat": (True, "lookup_table")}


def test_weak_and_unsure_evidence_are_kept_in_the_columns_of_a_row():
    rules = parse_capability_rules({"chat": {"patterns": WEAK}})
    compiled = CompiledCapabilities(rules)
    for _ in range(2):
        columns = compiled.columns_of({"kinds": ["openai"]}, "zorb", Work())
        assert columns == ({"chat": True}, {"chat": "weak_evidence"})


def test_a_pattern_that_matches_the_owner_alone_says_nothing_about_the_model():
    rules = [{"capability": "chat", "patterns": {"regex": ["falcon.*", "acme/.*"]}}]
    match = CapabilityMatcher().match_capabilities
    assert match("tiiuae/falcon-7b", rules) == match("acme/zorb", rules) == match("falcon/falcon", rules) == ["chat"]
    assert match("falconsai/image_detection", rules) == []


def test_a_name_proves_no_ability_of_chat_for_a_model_that_its_listing_says_does_something_else():
    named = {"reasoning": {"regex": ["zorb.*"]}, "tools": {"evidence": ["takes_tools"]}}
    item = {"kind": "rerank", "takes_tools": True}
    found = sources_of({**named, "rerank": {"evidence": ["kind == 'rerank'"]}}, item, "zorb-r1")
    assert found == {"rerank": (True, "evidence"), "tools": (True, "evidence")}
    speaks = {**named, "chat": {"evidence": ["kind"]}, "text_to_speech": {"evidence": ["kind"]}}
    assert sources_of(speaks, item, "zorb-r1")["reasoning"] == (True, "regex")


def clock_of(seconds):
    """A clock on which every call to it takes this long."""
    ticks = itertools.count()
    return lambda: next(ticks) * seconds


def names_matched(work, length):
    """How many different names of one length are matched before that is refused."""
    patterns = NamePatterns({"chat": ["[a-z]{100}.*"]})
    for count in range(1_000):
        try:
            patterns.decide_priced(f"{count:0{length}}", work)
        except RuleTooCostlyError as error:
            return count, error
    return 1_000, None


def patterns_of(work):
    """The patterns above with a budget of so few instructions times characters that all but a name or two are timed."""
    work.match(len, "x", FREE_MATCHING - 10_000)
    return work


def test_names_are_matched_at_any_cost_within_instructions_times_characters():
    count, error = names_matched(Work(clock=clock_of(MATCHING_SECONDS)), length=100)
    assert (count, error) == (1_000, None)


def test_beyond_that_matching_takes_a_bounded_time_of_which_items_grant_more():
    few, refusal = names_matched(patterns_of(Work(clock=clock_of(0.25))), length=100)
    assert "RE2 instructions, takes more than 1.0 s of processor time" in refusal.message
    assert "pattern set" in refusal.hint
    granted = patterns_of(Work(clock=clock_of(0.25)))
    granted.grant(10_000)
    many, refusal = names_matched(granted, length=100)
    assert "more than 3.0 s" in refusal.message
    assert many == few + 8


def test_longer_names_are_timed_earlier():
    counts = [names_matched(patterns_of(Work(clock=clock_of(2))), length)[0] for length in (10, 50)]
    assert counts[0] > counts[1]


def test_names_matched_before_take_no_time():
    compiled = CompiledCapabilities(parse_capability_rules({"chat": {"patterns": {"regex": ["gpt-.*"]}}}))
    work = Work(clock=clock_of(0.9))
    work.match(len, "x", FREE_MATCHING)
    for _ in range(5):
        assert compiled.columns_of({}, "gpt-5", work)[0] == {"chat": True}
