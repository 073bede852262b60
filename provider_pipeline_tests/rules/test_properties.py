"""Properties for any JSON: no crash, no hang, deterministic, lossless conversions."""

import copy
import json

from hypothesis import given, strategies as st

from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline.rules.validator import RuleValidator
from provider_pipeline_tests.rules import samples
from provider_pipeline_tests.rules.any_json import JSON, QUICK


def same(first, second):
    return json.dumps(first) == json.dumps(second)


@QUICK
@given(JSON)
def test_any_json_gives_a_rule_that_is_lossless_deterministic_and_can_be_tried(sample):
    untouched = copy.deepcopy(sample)
    analysis = RuleGenerator().analyze_sample(sample)
    assert same(sample, untouched)
    assert same(RuleGenerator().analyze_sample(untouched), analysis)
    rule = ExtractionRule.parse(analysis)
    assert rule.to_analysis() == analysis
    result = RuleValidator().validate_rule(analysis, sample)
    json.dumps(result, allow_nan=False, ensure_ascii=False).encode("utf-8")


@QUICK
@given(JSON, st.sampled_from(sorted(samples.ALL)))
def test_any_json_can_be_judged_by_any_rule(answer, name):
    rule = RuleGenerator().analyze_sample(samples.ALL[name])
    result = RuleValidator().validate_rule(rule, answer, previous=[])
    json.dumps(result, allow_nan=False, ensure_ascii=False).encode("utf-8")


@QUICK
@given(st.lists(JSON, max_size=6))
def test_any_items_in_a_valid_envelope_give_rows_or_reasons(items):
    rule = RuleGenerator().analyze_sample(samples.RICH)
    result = RuleValidator().validate_rule(rule, {"data": [*copy.deepcopy(samples.RICH["data"]), *items]})
    ids = [row["model_id"] for row in result["extracted_models"]]
    assert len(ids) == len(set(ids)) >= len(samples.RICH["data"])
