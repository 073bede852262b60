"""The differences between two rules, as data, lines and Markdown, and every difference in what they request."""

import json

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from provider_pipeline.rules.difference import (
    difference_lines,
    difference_markdown,
    place_changes,
    rule_differences,
    with_places_of,
)
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


CURSOR = {"type": "cursor", "param": "after", "token": "last_id", "more": "has_more"}
ACTIVE = {"selector": "data[*]", "endpoint": "/v1/models", "pagination": CURSOR}
DETAILED = {**ACTIVE, "fields": {"id": "id"}, "detail": {"path": "/v1/models/{id}"}}


def rule_of(*endpoints: dict) -> ExtractionRule:
    return ExtractionRule.parse({"model_list_config": {"endpoint": list(endpoints)}, "endpoints_config": {}})


def changes(active: dict, candidate: dict, **how) -> list[str]:
    return place_changes(rule_of(active), rule_of(candidate), **how)


@pytest.mark.parametrize(
    "same",
    [
        ACTIVE,
        {**ACTIVE, "selector": "models[*]", "fields": {"id": "model"}, "units": {"input_price": "usd_per_token"}},
        {**ACTIVE, "pagination": {**CURSOR, "total": "total"}},
    ],
)
def test_reading_other_fields_requests_the_same(same: dict):
    assert changes(ACTIVE, same) == []


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("endpoint", "/v1/organization/admin_api_keys"),
        ("endpoint", "/v1/models?delete=all&role=admin"),
        ("endpoint", ""),
        ("detail", {"path": "/v1/keys/{id}"}),
        ("pagination", None),
        ("pagination", {**CURSOR, "param": "account"}),
        ("pagination", {**CURSOR, "token": "'victim'"}),
        ("pagination", {**CURSOR, "token": "data[0].description"}),
        ("pagination", {**CURSOR, "more": "`true`"}),
        ("pagination", {"type": "page_token", "param": "after", "token": "last_id"}),
        ("pagination", {"type": "next_url", "token": "'/v1/organization/admin_api_keys'"}),
        ("pagination", {"type": "next_url", "token": "last_id"}),
        ("pagination", {"type": "link_header"}),
        ("pagination", {"type": "offset", "param": "after", "total": "`100000`"}),
        ("pagination", {"type": "page_number", "param": "after", "page": "page", "total_pages": "pages"}),
    ],
)
def test_a_change_of_requests_is_described(part: str, value: object):
    asks, not_any_more = changes(ACTIVE, {**ACTIVE, part: value})
    assert asks.startswith("asks ")
    assert not_any_more.startswith("no longer asks /v1/models, paged by ")


def test_a_further_endpoint_is_named():
    admin = {"selector": "data[*]", "endpoint": "/v1/organization/admin_api_keys"}
    assert place_changes(rule_of(ACTIVE), rule_of(ACTIVE, admin)) == ["asks /v1/organization/admin_api_keys"]
    assert place_changes(rule_of(ACTIVE, admin), rule_of(admin, ACTIVE)) == []
    assert place_changes(rule_of(ACTIVE), rule_of(ACTIVE, ACTIVE)) != []


def test_without_an_active_rule_every_request_is_new():
    assert place_changes(None, rule_of({"selector": "data[*]", "endpoint": "/v1/models"})) == ["asks /v1/models"]


@pytest.mark.parametrize(
    "other", [{"selector": "data[?owned_by == 'x']"}, {"fields": {"id": "owned_by"}}, {"fields": {"id": "'keys'"}}]
)
def test_the_models_whose_details_are_requested_are_part_of_the_place(other: dict):
    assert changes(DETAILED, {**DETAILED, **other})
    assert changes(DETAILED, {**DETAILED, **other}, generated=True) == []


def test_the_concurrency_of_details_is_not_part_of_the_place():
    assert changes(DETAILED, {**DETAILED, "detail": {"path": "/v1/models/{id}", "concurrency": 2}}) == []


@pytest.mark.parametrize(
    "envelope",
    [
        {"next_page_token": "abc"},
        {"nextPageToken": "abc"},
        {"meta": {"next_cursor": "abc"}},
        {"page": 1, "total_pages": 3},
        {"pageNo": 1, "totalPages": 3},
        {"offset": 0, "limit": 2, "total": 9},
        {"skip": 0, "top": 2, "count": 9},
        {},
    ],
)
def test_a_generated_rule_may_paginate_in_any_way_that_stays_on_the_path(envelope: dict):
    written = ExtractionRule.parse(RuleGenerator().analyze_sample({"data": [{"id": "a-1"}, {"id": "b-2"}], **envelope}))
    (endpoint,) = written.endpoints
    there = written.model_copy(update={"endpoints": (endpoint.model_copy(update={"path": "/v1/models"}),)})
    assert place_changes(rule_of(ACTIVE), there, generated=True) == []
    assert place_changes(rule_of(ACTIVE), there)
    elsewhere = written.model_copy(update={"endpoints": (endpoint.model_copy(update={"path": "/v1/keys"}),)})
    assert place_changes(rule_of(ACTIVE), elsewhere, generated=True)


@pytest.mark.parametrize(
    "pagination",
    [
        {"type": "next_url", "token": "next"},
        {"type": "link_header"},
        {"type": "page_token", "param": "account", "token": "next_page_token"},
    ],
)
def test_a_generated_rule_may_not_leave_the_path_or_the_known_parameters(pagination: dict):
    assert changes(ACTIVE, {**ACTIVE, "pagination": pagination}, generated=True)


def test_where_the_provider_names_its_next_page_the_field_may_have_another_name():
    active, renamed = ({**ACTIVE, "pagination": {"type": "next_url", "token": token}} for token in ("next", "next_url"))
    assert changes(active, renamed, generated=True) == []
    assert changes(active, renamed)


def test_what_a_rule_does_not_state_is_taken_from_the_active_rule():
    active = rule_of(DETAILED)
    open_one = ExtractionRule.parse({"jmespath_rule": "models[*]", "fields": {"id": "model"}})
    completed = with_places_of(open_one, active)
    assert completed.endpoints[0].selector == "models[*]"
    (before,), (after,) = active.endpoints, completed.endpoints
    assert (after.path, after.detail, after.pagination) == (before.path, before.detail, before.pagination)
    assert ExtractionRule.parse(completed.to_analysis()) == completed


@pytest.mark.parametrize(
    "stated", [{"endpoint": "/v1/keys"}, {"pagination": None}, {"detail": None}, {"pagination": {"type": "none"}}]
)
def test_what_a_rule_states_is_kept(stated: dict):
    given = rule_of({"selector": "data[*]", "fields": {"id": "id"}, **stated})
    completed = with_places_of(given, rule_of(DETAILED))
    for name in given.endpoints[0].model_fields_set:
        assert getattr(completed.endpoints[0], name) == getattr(given.endpoints[0], name)
    assert place_changes(rule_of(DETAILED), completed)


def test_each_of_several_endpoints_is_completed_from_the_one_with_its_path():
    other = {"selector": "data[*]", "endpoint": "/v1/voices"}
    given = rule_of({"selector": "voices[*]", "endpoint": "/v1/voices"}, {"selector": "x[*]", "endpoint": "/v1/models"})
    completed = with_places_of(given, rule_of(ACTIVE, other))
    assert [endpoint.pagination for endpoint in completed.endpoints] == [None, CURSOR]
    assert place_changes(rule_of(ACTIVE, other), completed) == []
    without = rule_of({"selector": "voices[*]"})
    assert with_places_of(without, rule_of(ACTIVE, other)) == without


def test_that_one_page_is_called_whole_changes_no_request():
    plain = {"jmespath_rule": "data[*]", "endpoint": "/v1/models", "capability_rules": []}
    stated = {**plain, "pagination": {"type": "none", "whole": True}}
    assert place_changes(ExtractionRule.parse(plain), ExtractionRule.parse(stated)) == []
