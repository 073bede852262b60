"""The item fields that a rule's columns come from, without running it."""

import pytest

from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline.rules.lineage import column_sources, fact_sources, item_paths
from provider_pipeline_tests.rules import samples


def rule(*endpoints: dict, **patterns) -> ExtractionRule:
    """A rule with these endpoints, and patterns for one capability."""
    return ExtractionRule.parse(
        {
            "model_list_config": {"endpoint": [{"selector": "data[*]", **each} for each in endpoints]},
            "endpoints_config": {"vision": {"patterns": patterns}} if patterns else {},
        }
    )


@pytest.mark.parametrize(
    ("expression", "paths"),
    [
        ("id", {"id"}),
        ("pricing.prompt", {"pricing.prompt"}),
        ('"top provider".limit', {'"top provider".limit'}),
        ("name || id", {"id", "name"}),
        ("join('/', [owner, name])", {"name", "owner"}),
        ("parts[?kind == 'in'].price | [0]", {"parts.kind", "parts.price"}),
        ("sort_by(prices, &since)[-1].usd", {"prices.since", "prices.usd"}),
        ("{a: x.y}.a", {"x.y"}),
        ("with_keys(limits)[0].context", {"limits"}),
        ("prices.*.usd", {"prices.usd"}),
        ("modes[*].name[]", {"modes.name"}),
        ("kind == 'chat' && !deprecated", {"deprecated", "kind"}),
        ("'text'", set()),
        ("@", {"@"}),
    ],
)
def test_an_expression_reads_the_fields_of_its_value_and_of_its_conditions(expression: str, paths: set[str]):
    assert item_paths(expression) == paths


def test_each_column_of_a_generated_rule_has_its_field_as_source():
    sources = column_sources(ExtractionRule.parse(RuleGenerator().analyze_sample(samples.RICH)))
    assert sources["model_id"] == sources["family"] == ("id",)
    assert sources["display_name"] == ("name",)
    assert sources["context_length"] == ("context_length",)
    assert sources["output_price"] == ("pricing.completion",)
    assert "architecture.input_modalities" in sources["capabilities"]


def test_a_column_that_the_rule_does_not_fill_has_no_source():
    assert "input_price" not in column_sources(rule({"fields": {"id": "id"}}))


def test_a_unit_that_the_item_names_is_a_source_of_the_price():
    by_row = {"by": "price.per", "values": {"token": "usd_per_token"}}
    fields = {"id": "id", "input_price": "price.in"}
    sources = column_sources(rule({"fields": fields, "units": {"input_price": by_row}}))
    assert sources["input_price"] == ("price.in", "price.per")


def test_capabilities_come_from_predicates_and_if_there_are_patterns_from_the_name():
    endpoint = {"fields": {"id": "id", "base_model": "base"}}
    by_evidence = column_sources(rule(endpoint, evidence=["contains(modes, 'image')"], counter_evidence=["!live"]))
    assert by_evidence["capabilities"] == ("live", "modes")
    by_name = column_sources(rule(endpoint, regex=["gpt-.*"]))
    assert by_name["capabilities"] == by_name["family"] == ("base", "id")


def test_other_fields_are_sources_of_the_metadata_and_all_meaningful_ones_of_the_hash():
    sources = column_sources(rule({"fields": {"id": "id", "owner": "owned_by"}}, evidence=["live"]))
    assert sources["metadata_json"] == ("owned_by",)
    assert sources["meta_hash"] == ("id", "live", "owned_by")


def test_a_field_of_a_models_own_answer_is_named_as_a_detail():
    endpoint = {"endpoint": "/m", "detail": {"path": "/m/{id}"}, "fields": {"id": "id", "context_length": "detail.ctx"}}
    assert column_sources(rule(endpoint))["context_length"] == ("detail.ctx",)


def test_fields_of_several_endpoints_are_named_with_their_endpoint():
    sources = column_sources(
        rule(
            {"endpoint": "/chat", "fields": {"id": "id", "context_length": "window"}},
            {"endpoint": "/embed", "fields": {"id": "name"}},
        )
    )
    assert sources["model_id"] == ("/chat: id", "/embed: name")
    assert sources["context_length"] == ("/chat: window",)


def test_each_price_has_the_fields_it_is_read_from_its_tiers_and_currency_included():
    fields = {
        "id": "id",
        "owner": "owned_by",
        "input_price": "price.in",
        "price.input.above_200000": "price.in_long",
        "price.cache_read": "price.cached",
        "currency": "price.currency",
    }
    read = rule({"fields": fields, "units": {"price.cache_read": "usd_per_token", "input_price": "usd_per_token"}})
    facts = fact_sources(read)
    assert facts["prices.input"] == ("price.currency", "price.in", "price.in_long")
    assert facts["input_price"] == ("price.currency", "price.in")
    assert facts["prices.cache_read"] == ("price.cached", "price.currency")
    assert facts["metadata_json.owner"] == ("owned_by",)
    assert "currency" not in facts
    columns = column_sources(read)
    assert columns["prices"] == ("price.cached", "price.currency", "price.in", "price.in_long")
    assert columns["metadata_json"] == ("owned_by",)


def test_each_capability_has_the_fields_that_its_own_patterns_look_at():
    read = ExtractionRule.parse(
        {
            "model_list_config": {"endpoint": "/v1/models", "selector": "data[*]", "fields": {"id": "id"}},
            "endpoints_config": {
                "vision": {"patterns": {"evidence": ["sees"]}},
                "chat": {"patterns": {"regex": ["gpt-.*"], "evidence": ["kind == 'chat'"]}},
            },
        }
    )
    facts = fact_sources(read)
    assert (facts["capabilities.vision"], facts["capabilities.chat"]) == (("sees",), ("id", "kind"))
    assert column_sources(read)["capability_sources"] == ("id", "kind", "sees")
