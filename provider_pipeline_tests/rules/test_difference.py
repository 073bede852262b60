"""The differences between two rules, as data, lines and Markdown."""

import json

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from provider_pipeline.rules.difference import difference_lines, difference_markdown, rule_differences
from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline_tests.rules import samples

PATTERNS = {"regex": ["gpt-.*", "o[0-9].*"], "evidence": ["contains(methods, 'chat')"]}
RULE = {
    "endpoint": "/v1/models",
    "selector": "data[*]",
    "fields": {"id": "id", "context_length": "context_length"},
    "units": {"input_price": "usd_per_token"},
    "pagination": {"type": "cursor", "param": "after", "token": "last_id"},
}


def rule(patterns: dict | None = None, without: str = "", **parts) -> ExtractionRule:
    config = {name: value for name, value in (RULE | parts).items() if name != without}
    capabilities = {"chat": {"patterns": patterns or PATTERNS}} if patterns != {} else {}
    return ExtractionRule.parse({"model_list_config": config, "endpoints_config": capabilities})


CHANGES = {
    "the selector": (rule(selector="models[*]"), ["selector: data[*] -> models[*]"]),
    "the endpoint": (rule(endpoint="/v2/models"), ["endpoint: /v1/models -> /v2/models"]),
    "fields": (
        rule(fields={"id": "name", "name": "title"}),
        [
            "fields.id: id -> name",
            "fields.context_length: removed context_length",
            "fields.name: added title",
        ],
    ),
    "units": (rule(without="units"), ["units.input_price: removed usd_per_token"]),
    "a parameter of the pagination": (
        rule(pagination={**RULE["pagination"], "param": "after_id"}),
        ["pagination.param: after -> after_id"],
    ),
    "no pagination any more": (
        rule(pagination=None),
        ['pagination: {"type": "cursor", "param": "after", "token": "last_id"} -> null'],
    ),
    "patterns of a capability": (
        rule({"regex": ["o[0-9].*", "chatgpt-.*", "gpt-[45].*"], "evidence": PATTERNS["evidence"]}),
        ["capabilities.chat.regex: removed 1: gpt-.*", "capabilities.chat.regex: added 2: chatgpt-.*, gpt-[45].*"],
    ),
    "the order of patterns": (
        rule(PATTERNS | {"regex": ["o[0-9].*", "gpt-.*"]}),
        ["capabilities.chat.regex: in another order"],
    ),
    "a table of exceptions": (
        rule(PATTERNS | {"lookup_table": {"custom": ["chat", "vision"]}}),
        ["capabilities.chat.lookup_table.custom: added 2: chat, vision"],
    ),
    "a capability": (
        rule({}),
        [
            'capabilities.chat: removed {"regex": ["gpt-.*", "o[0-9].*"], "evidence": ["contains(methods, \'chat\')"]}',
        ],
    ),
    "nothing": (rule(metadata={"made": "again"}), ["The two rules are the same."]),
}


@pytest.mark.parametrize(("changed", "lines"), CHANGES.values(), ids=CHANGES.keys())
def test_each_part_that_differs_is_one_line(changed, lines):
    assert difference_lines(rule_differences(rule(), changed)) == lines


def several(*endpoints: dict) -> ExtractionRule:
    return ExtractionRule.parse({"model_list_config": {"endpoint": list(endpoints)}, "endpoints_config": {}})


def test_endpoints_of_the_same_path_are_compared_and_others_come_and_go():
    chat, image = {"endpoint": "/chat", "selector": "data[*]"}, {"endpoint": "/images", "selector": "data[*]"}
    assert difference_lines(
        rule_differences(several(chat, image), several({**image, "selector": "items[*]"}, chat))
    ) == [
        "/images: selector: data[*] -> items[*]",
        "endpoints: in another order",
    ]
    assert difference_lines(rule_differences(several(chat, image), several(chat))) == [
        'endpoint /images: removed {"path": "/images", "selector": "data[*]"}'
    ]
    twice = rule_differences(several(chat, image), several(chat, image, {**chat, "selector": "more[*]"}))
    assert difference_lines(twice) == ['endpoint /chat (2): added {"path": "/chat", "selector": "more[*]"}']


def test_a_long_list_is_counted_and_cut():
    (line,) = difference_lines(
        rule_differences(rule(), rule(PATTERNS | {"regex": [*PATTERNS["regex"], *(f"m{n}" for n in range(500))]}))
    )
    assert line.startswith("capabilities.chat.regex: added 500: m0, m1, ")
    assert line.endswith(" ...")
    assert len(line) < 500


def test_markdown_survives_bars_and_backticks():
    drawn = difference_markdown(rule_differences(rule(), rule(selector="data[?a == `1` || b]")))
    assert drawn == (
        "| part | change | before | after |\n"
        "|---|---|---|---|\n"
        "| `selector` | changed | `data[*]` | `` data[?a == `1` \\|\\| b] `` |\n"
    )
    assert difference_markdown([]) == "The two rules are the same.\n"


PATHS = st.sampled_from(["/a", "/b", "/a (2)"])
ENDPOINTS = st.fixed_dictionaries(
    {"selector": st.sampled_from(["data[*]", "models[*]"])},
    optional={
        "endpoint": st.none() | PATHS,
        "fields": st.dictionaries(st.sampled_from(["name", "family"]), st.sampled_from(["a", "b"])).map(
            lambda fields: {"id": "id", **fields}
        ),
        "units": st.just({}) | st.just({"input_price": "usd_per_token"}),
        "pagination": st.none() | st.just({"type": "none"}) | st.just({"type": "link_header"}),
        "expect": st.just({}) | st.just({"rejected_share": 0.5}),
    },
)
TEXTS = st.lists(st.sampled_from("abc"), max_size=4)
CAPABILITIES = st.dictionaries(
    st.sampled_from(["chat", "vision"]),
    st.fixed_dictionaries(
        {
            "patterns": st.fixed_dictionaries(
                {},
                optional={
                    "regex": TEXTS,
                    "evidence": TEXTS,
                    "lookup_table": st.dictionaries(st.sampled_from("xy"), TEXTS),
                },
            )
        }
    ),
)
RULES = st.builds(
    lambda endpoints, capabilities: ExtractionRule.parse(
        {"model_list_config": {"endpoint": endpoints}, "endpoints_config": capabilities}
    ),
    st.lists(ENDPOINTS, min_size=1, max_size=3),
    CAPABILITIES,
)
MIRRORED = {"added": "removed", "removed": "added", "changed": "changed", "reordered": "reordered"}


@settings(max_examples=300, suppress_health_check=list(HealthCheck))
@given(RULES, RULES)
def test_two_rules_differ_exactly_when_their_digests_do_and_the_same_both_ways(old, new):
    differences = rule_differences(old, new)
    assert (differences == []) == (old.digest == new.digest)
    assert rule_differences(old, old) == []
    forth = {(each.part, each.kind, json.dumps(each.before), json.dumps(each.after)) for each in differences}
    back = {
        (each.part, MIRRORED[each.kind], json.dumps(each.after), json.dumps(each.before))
        for each in rule_differences(new, old)
    }
    assert forth == back
    assert all("\n" not in line for line in difference_lines(differences))


@pytest.mark.parametrize("name", sorted(samples.ALL))
def test_every_difference_to_a_generated_rule_has_a_line_and_a_table_row(name):
    generated = ExtractionRule.parse(RuleGenerator().analyze_sample(samples.ALL[name]))
    differences = rule_differences(rule(), generated)
    assert len(difference_lines(differences)) == len(differences) > 0
    assert difference_markdown(differences).count("\n") == len(differences) + 2
