"""Laws that hold for any JSON: no crash, no hang, the same answer twice, conversions without loss."""

import copy
import json

from hypothesis import HealthCheck, given, settings, strategies as st
from jmespath import visitor

from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline.rules.ids import normalise_id
from provider_pipeline.rules.language import RuleFunctions, compile_expression, compiled
from provider_pipeline.rules.validator import RuleValidator
from provider_pipeline_tests.rules import samples

TEXTS = st.text(max_size=12) | st.sampled_from(
    ["id", "name", "data", "models", "pricing", "input", "type", "unit", "gpt-4o", "\x00", "\ud800", "a.b", "'`\"\\"]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.just(10**400)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=5), max_leaves=25
)
QUICK = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))


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
def test_any_items_in_a_good_envelope_give_rows_or_reasons(items):
    rule = RuleGenerator().analyze_sample(samples.RICH)
    result = RuleValidator().validate_rule(rule, {"data": [*copy.deepcopy(samples.RICH["data"]), *items]})
    ids = [row["model_id"] for row in result["extracted_models"]]
    assert len(ids) == len(set(ids)) >= len(samples.RICH["data"])


@QUICK
@given(st.text(max_size=60))
def test_a_normalised_id_stays_as_it_is(model_id):
    once = normalise_id(model_id)
    assert once == once.lower()
    assert isinstance(normalise_id(once), str)


EXPRESSIONS = st.sampled_from(
    [
        "a",
        "a.b",
        "@",
        "a[*]",
        "a.b[*]",
        "a[?b]",
        "a[?b == 'x']",
        "a[?contains(b, 'x')]",
        "a == 'x'",
        "a == `true`",
        "a == `1`",
        "a != `0`",
        "a || b",
        "a && b",
        "!a",
        "contains(a, 'x')",
        "contains(a, 'x') || b",
        "a && !contains(a, 'x')",
        "!contains(a, 'x')",
    ]
)
SMALL = st.recursive(
    st.sampled_from([None, True, False, 0, 1, 2, 1.5, "", "x", "xy"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2),
    max_leaves=12,
)


@settings(max_examples=600, deadline=None)
@given(EXPRESSIONS, SMALL)
def test_the_fast_closures_agree_with_the_interpreter(expression, value):
    import jmespath

    interpreter = visitor.TreeInterpreter(jmespath.Options(custom_functions=RuleFunctions()))
    try:
        expected = interpreter.visit(jmespath.compile(expression).parsed, value)
    except jmespath.exceptions.JMESPathError:
        expected = None
    found = compile_expression(expression)(value)
    assert same(found, expected)
    assert type(found) is type(expected)


FURTHER_EXPRESSIONS = st.sampled_from(
    [
        "a[0].b",
        "a[].b",
        "a.*.b",
        "*.a",
        "b | a",
        "a.b | [0]",
        "[a, b]",
        "{x: a}",
        "length(a) > `1`",
        "sort_by(a, &b)",
        "not_null(a.a, b)",
        "a[?@ == 'x'] && b.a",
        "with_keys(@)",
        "`1`",
    ]
)


def only(value, paths):
    if () in paths:
        return value
    heads = {path[0]: {other[1:] for other in paths if other[0] == path[0]} for path in paths}
    return {key: only(value[key], heads[key]) for key in value if key in heads} if isinstance(value, dict) else None


@settings(max_examples=600, deadline=None)
@given(EXPRESSIONS | FURTHER_EXPRESSIONS, SMALL)
def test_what_an_expression_does_not_read_does_not_count(expression, value):
    evaluate = compile_expression(expression)
    assert same(evaluate(only(value, compiled(expression).paths)), evaluate(value))


@QUICK
@given(st.text(alphabet="ab@.[]*|&!(){},'`:? =0", max_size=60), JSON)
def test_any_expression_is_refused_or_evaluated(expression, value):
    from provider_pipeline.errors import InvalidRuleError

    try:
        evaluate = compile_expression(expression)
    except InvalidRuleError:
        return
    evaluate(value)
