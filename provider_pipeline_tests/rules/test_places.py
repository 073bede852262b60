"""Every difference in what two rules request is found, and nothing else counts as one."""

import pytest

from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline.rules.places import place_changes, with_places_of

CURSOR = {"type": "cursor", "param": "after", "token": "last_id", "more": "has_more"}
ACTIVE = {"selector": "data[*]", "endpoint": "/v1/models", "pagination": CURSOR}
DETAILED = {**ACTIVE, "fields": {"id": "id"}, "detail": {"path": "/v1/models/{id}"}}


def rule(*endpoints: dict) -> ExtractionRule:
    return ExtractionRule.parse({"model_list_config": {"endpoint": list(endpoints)}, "endpoints_config": {}})


def changes(active: dict, candidate: dict, **how) -> list[str]:
    return place_changes(rule(active), rule(candidate), **how)


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
    assert place_changes(rule(ACTIVE), rule(ACTIVE, admin)) == ["asks /v1/organization/admin_api_keys"]
    assert place_changes(rule(ACTIVE, admin), rule(admin, ACTIVE)) == []
    assert place_changes(rule(ACTIVE), rule(ACTIVE, ACTIVE)) != []


def test_without_an_active_rule_every_request_is_new():
    assert place_changes(None, rule({"selector": "data[*]", "endpoint": "/v1/models"})) == ["asks /v1/models"]


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
    assert place_changes(rule(ACTIVE), there, generated=True) == []
    assert place_changes(rule(ACTIVE), there)
    elsewhere = written.model_copy(update={"endpoints": (endpoint.model_copy(update={"path": "/v1/keys"}),)})
    assert place_changes(rule(ACTIVE), elsewhere, generated=True)


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
    active = rule(DETAILED)
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
    given = rule({"selector": "data[*]", "fields": {"id": "id"}, **stated})
    completed = with_places_of(given, rule(DETAILED))
    for name in given.endpoints[0].model_fields_set:
        assert getattr(completed.endpoints[0], name) == getattr(given.endpoints[0], name)
    assert place_changes(rule(DETAILED), completed)


def test_each_of_several_endpoints_is_completed_from_the_one_with_its_path():
    other = {"selector": "data[*]", "endpoint": "/v1/voices"}
    given = rule({"selector": "voices[*]", "endpoint": "/v1/voices"}, {"selector": "x[*]", "endpoint": "/v1/models"})
    completed = with_places_of(given, rule(ACTIVE, other))
    assert [endpoint.pagination for endpoint in completed.endpoints] == [None, CURSOR]
    assert place_changes(rule(ACTIVE, other), completed) == []
    without = rule({"selector": "voices[*]"})
    assert with_places_of(without, rule(ACTIVE, other)) == without


def test_that_one_page_is_called_whole_changes_no_request():
    plain = {"jmespath_rule": "data[*]", "endpoint": "/v1/models", "capability_rules": []}
    stated = {**plain, "pagination": {"type": "none", "whole": True}}
    assert place_changes(ExtractionRule.parse(plain), ExtractionRule.parse(stated)) == []
