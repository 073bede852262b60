"""What counts as a readable document."""

import gc
import json
import sys
from collections import Counter

import pytest
from hypothesis import given, strategies as st

from provider_pipeline.errors import ListingUnreadableError
from provider_pipeline.listing.documents import MAX_DEPTH, parse_document
from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.judge import ListingJudge


def parse(content: bytes) -> object:
    return parse_document(content, where="acme: GET http://x", content_type=None)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_the_encodings_of_json_are_read(encoding: str) -> None:
    assert parse('{"name": "é 模型"}'.encode(encoding)) == {"name": "é 模型"}


def test_nesting_is_limited_to_what_everything_downstream_can_walk() -> None:
    assert parse(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    with pytest.raises(ListingUnreadableError, match="nested more than"):
        parse(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1))
    with pytest.raises(ListingUnreadableError, match="nested"):
        parse(b'{"a":' * 500 + b"1" + b"}" * 500)


@pytest.mark.parametrize("value", [b"[]", b"{}", b"[" * 90 + b"]" * 90])
def test_a_page_may_not_be_of_brackets(value: bytes) -> None:
    few = b"[%s]" % b",".join([value] * (40_000 // value.count(value[:1])))
    assert parse(few)
    with pytest.raises(ListingUnreadableError, match="objects and lists on one page"):
        parse(b"[%s,%s,%s]" % (few, few, few))


def test_a_page_may_have_as_many_small_objects_as_fit() -> None:
    assert parse(b"[%s]" % b",".join([b'{"id":"a"}'] * 300_000))


def test_a_page_may_not_be_of_commas() -> None:
    assert parse(b"[%s0]" % (b"0," * 99_000))
    assert parse(b"[%s0]" % (b"128000," * 200_000))
    with pytest.raises(ListingUnreadableError, match="values on one page"):
        parse(b"[%s0]" % (b"0," * 200_000))


@pytest.mark.parametrize("number", ["1e308", "-1.5E+3", "0.0000006", "5e-324", "0e-400", "-0.0e999"])
def test_finite_numbers_are_read(number: str) -> None:
    assert parse(f"[{number}]".encode()) == [float(number)]


@pytest.mark.parametrize("number", ["1e309", "-1E+400", "1.5e99999"])
def test_numbers_beyond_all_range_are_refused(number: str) -> None:
    with pytest.raises(ListingUnreadableError, match="out of range"):
        parse(f"[{number}]".encode())
    with pytest.raises(ListingUnreadableError, match="out of range"):
        parse(f"[{number}]".encode("utf-16"))


@pytest.mark.parametrize(
    "number", ["1e-400", "-2.5E-0400", f"0.{'0' * 400}1", f"0.{'0' * 250}1e-0{'9' * 2}", "1e-99999999999999999999"]
)
def test_numbers_that_would_read_as_zero_and_are_none_are_refused(number: str) -> None:
    for body in (f"[{number}]", f'{{"a": [1, {number} ], "b": "c"}}', number):
        with pytest.raises(ListingUnreadableError, match="out of range"):
            parse(body.encode())
        with pytest.raises(ListingUnreadableError, match="out of range"):
            parse(body.encode("utf-16"))


@pytest.mark.parametrize(
    "body",
    [
        b'{"id": 1, "id": 1}',
        b'{"data": [{"id": "a"}, {"id": "b", "x": 1, "id": "c"}]}',
        b'{"id": 1, "\\u0069d": 2}',
        b'{"id" : 1, "id"\n: 2}',
        '{"id": 1, "id": 2}'.encode("utf-16"),
    ],
)
def test_a_key_that_an_object_has_twice_is_refused(body: bytes) -> None:
    with pytest.raises(ListingUnreadableError, match="the key 'id' more than once in one object"):
        parse(body)


def test_a_key_may_come_again_in_another_object() -> None:
    assert parse(b'{"id": {"id": [{"id": 1}, {"id": 2}]}}') == {"id": {"id": [{"id": 1}, {"id": 2}]}}


@pytest.mark.parametrize("digits", [19, 20, 400, 4300])
def test_integers_are_read_exactly(digits: int) -> None:
    assert parse(b"[%s]" % (b"9" * digits)) == [10**digits - 1]


def test_an_integer_beyond_4300_digits_is_refused() -> None:
    with pytest.raises(ListingUnreadableError, match="a number that cannot be read"):
        parse(b"[%s]" % (b"9" * 4301))


@pytest.mark.parametrize("text", ["\\ud83d", "\\udc00", "\\u0000"])
def test_halves_of_pairs_and_nul_characters_are_left_to_the_rules_which_reject_their_model_alone(text: str) -> None:
    document = parse(f'{{"data": [{{"id": "good"}}, {{"id": "bad{text}"}}]}}'.encode())
    rule = {"model_list_config": {"endpoint": "/models", "selector": "data[*]", "fields": {"id": "id"}}}
    judge = ListingJudge(ExtractionRule.parse(rule | {"endpoints_config": {}}))
    assert [row["model_id"] for row in judge.add_page(document)] == ["good"]


@pytest.mark.parametrize("body", [b"[] []", b"[]\0", b"{}{}", b"[],"])
def test_nothing_but_white_space_may_follow_the_document(body: bytes) -> None:
    with pytest.raises(ListingUnreadableError, match="malformed JSON"):
        parse(body)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html><title>Sign in to your account</title></html>", "a login page titled 'Sign in to your account'"),
        (b"<html><title>Acme SSO</title></html>", "a login page titled 'Acme SSO'"),
        (b'<!DOCTYPE html><form><input name=p type="Password"></form>', "a login page instead"),
        (b"<div><input\n  class='x'\n type=password></div>", "a login page instead"),
        (b"<html><title>Blog in beta</title></html>", "a web page titled 'Blog in beta'"),
        (b'<?xml version="1.0"?><Error/>', "a web page instead"),
        ("<html><title>x</title></html>".encode("utf-16"), "a web page"),
    ],
)
def test_a_page_for_people_is_named_by_its_kind(body: bytes, kind: str) -> None:
    with pytest.raises(ListingUnreadableError, match=f"answered {kind}"):
        parse(body)


def calls_of_parsing(body: bytes) -> int:
    """How many Python functions are called to parse a body."""
    count = Counter[str]()
    before = sys.getprofile()
    gc.disable()  # others have functions called when it runs
    sys.setprofile(lambda _frame, kind, _argument: count.update((kind,)))
    try:
        parse(body)
    finally:
        sys.setprofile(before)
        gc.enable()
    return count["call"]


@pytest.mark.parametrize(
    "value",
    [
        "[" * 98 + "]" * 98,
        '{"":' * 98 + "1" + "}" * 98,
        '{"\\u0022":1}',
        '"\\u0022\\ud800"',
        '{"a":"\\ud800"}',
        "1e5",
        "0.12345678901234567890123",
        "9" * 20,
        '"9007199254740993123"',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_no_value_of_a_page_is_looked_at_in_python_whatever_it_is(value: str, encoding: str) -> None:
    few, many = (f"[{', '.join([value] * times)}]".encode(encoding) for times in (10, 200))
    parse(few)
    assert calls_of_parsing(many) <= calls_of_parsing(few) + 2


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_in_one_line(content: bytes) -> None:
    try:
        parse(content)
    except ListingUnreadableError as error:
        assert str(error).isprintable()


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_whatever_json_writes_is_read_back(document: object) -> None:
    assert parse(json.dumps(document).encode()) == document
