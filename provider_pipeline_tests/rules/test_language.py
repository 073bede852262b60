"""Expressions: parsed or refused, and evaluated as JMESPath would, whether compiled or interpreted."""

import json

import pytest
from hypothesis import given, settings, strategies as st
from jmespath import visitor

from provider_pipeline.errors import InvalidRuleError
from provider_pipeline.rules.jmespath_interpreter import RuleFunctions
from provider_pipeline.rules.language import (
    compile_expression,
    compiled,
    literal,
    path_expression,
    snake,
    squashed,
    words_of,
)
from provider_pipeline_tests.rules.any_json import JSON, QUICK


def test_the_five_further_functions():
    listing = {"m": {"a": {"x": 1}, "b": 3}, "l": [{"y": 2}, 4], "t": "text+image->text"}
    assert compile_expression("with_keys(m)")(listing) == [{"_key": "a", "x": 1}]
    assert compile_expression("labelled(l, 'stt')")(listing) == [{"_label": "stt", "y": 2}, 4]
    assert compile_expression("split(split(t, '->')[0], '+')")(listing) == ["text", "image"]
    assert compile_expression("with_keys(t)")(listing) is None
    assert compile_expression("owned(m, 'n', '')")({"m": {"a": {"n": [{"x": 1}, 2]}, "b": {"n": {"k": {"x": 3}}}}}) == [
        {"_owner": "a", "x": 1},
        {"_owner": "b", "_key": "k", "x": 3},
    ]
    assert compile_expression("owned(l, 'n', 'id')")({"l": [{"id": "a", "n": [{"x": 1}]}, 3]}) == [
        {"_owner": "a", "x": 1}
    ]
    assert compile_expression("owned(@, '', '')")({"a": {"k": {"x": 1}}, "b": 2}) == [
        {"_owner": "a", "_key": "k", "x": 1}
    ]


@pytest.mark.parametrize(
    "path", [("a",), ("a", "b c"), ('q"uote', "new\nline"), ("", "x"), ("\ud800",), ("back\\slash",)]
)
def test_any_path_can_be_written_as_an_expression(path):
    value = "found"
    for key in reversed(path):
        value = {key: value}
    assert compile_expression(path_expression(path))(value) == "found"


@pytest.mark.parametrize(
    "text", ["plain", "it's", "back\\slash", "tick`tick", 'quo"te', "new\nline", "\ud800", "", "\x00"]
)
def test_any_text_can_be_written_as_a_literal(text):
    assert compile_expression(f"a == {literal(text)}")({"a": text}) is True
    assert compile_expression(f"a == {literal(text)}")({"a": text + "x"}) is False


def test_joins_within_joins_give_nothing_instead_of_filling_the_memory():
    item = {"id": "x", "a": ["y"] * 2000}
    assert compile_expression("join('/', [id, id])")(item) == "x/x"
    assert compile_expression("join(join(join(join(id, a), a), a), a)")(item) is None


def same(first, second):
    return json.dumps(first) == json.dumps(second)


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


@settings(max_examples=600)
@given(EXPRESSIONS, SMALL)
def test_compiled_expressions_agree_with_the_interpreter(expression, value):
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
        "owned(@, 'a', '')",
        "owned(a, '', 'b')",
        "`1`",
    ]
)


def only(value, paths):
    if () in paths:
        return value
    heads = {path[0]: {other[1:] for other in paths if other[0] == path[0]} for path in paths}
    return {key: only(value[key], heads[key]) for key in value if key in heads} if isinstance(value, dict) else None


@settings(max_examples=600)
@given(EXPRESSIONS | FURTHER_EXPRESSIONS, SMALL)
def test_an_expression_depends_only_on_the_paths_it_reads(expression, value):
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


@pytest.mark.parametrize(
    "written", ["1_000", "NaN", "Infinity", "-Infinity", "\u0661\u0662", "\uff11", "1e999", "0x1", "", True]
)
def test_what_is_no_json_number_is_no_number(written):
    assert compile_expression("to_number(@)")(written) is None


@pytest.mark.parametrize(("written", "number"), [("12", 12), ("-0.5", -0.5), ("1e3", 1000.0), (7, 7), (0.25, 0.25)])
def test_json_numbers_are_numbers(written, number):
    assert compile_expression("to_number(@)")(written) == number


@pytest.mark.parametrize(
    "expression",
    ['data[?type == "chat"]', 'data[?"chat" != type]', 'data[?a.b < "c" && d]', 'data[?"model-type" == "chat"]'],
)
def test_a_comparison_with_a_name_in_double_quotes_is_refused_with_a_hint(expression):
    with pytest.raises(InvalidRuleError, match="is a field, not a text") as refused:
        compile_expression(expression)
    assert "in single quotes" in str(refused.value.hint)


@pytest.mark.parametrize(
    "expression",
    ["data[?\"type\" == 'chat']", 'data[?`1` == "n"]', "data[?a == b]", "data[?a == 'say \"b\"']", '"a"."b"'],
)
def test_double_quotes_elsewhere_are_jmespath(expression):
    compile_expression(expression)


def test_an_unquoted_literal_is_read_without_a_warning():
    assert compile_expression("kind == `chat`")({"kind": "chat"}) is True


@pytest.mark.parametrize("key", ["maxInputTokens", "max_input_tokens", "Max-Input Tokens", "MAX_INPUT_TOKENS"])
def test_the_spelling_of_a_key_does_not_matter(key):
    assert words_of(key) == ("max", "input", "tokens")
    assert (snake(key), squashed(key)) == ("max_input_tokens", "maxinputtokens")
