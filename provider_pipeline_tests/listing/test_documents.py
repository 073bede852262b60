"""Bodies are read strictly; plain JSON is read fast, with the same result."""

import gc
import json
import math
import sys
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, strategies as st

from provider_pipeline.errors import ListingUnreadableError
from provider_pipeline.listing.documents import MAX_DEPTH, NotPlainError, parse_document, read_plain
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
def test_a_page_of_brackets_is_refused(value: bytes) -> None:
    few = b"[%s]" % b",".join([value] * (40_000 // value.count(value[:1])))
    assert parse(few)
    with pytest.raises(ListingUnreadableError, match="objects and lists on one page"):
        parse(b"[%s,%s,%s]" % (few, few, few))


def test_a_page_may_have_as_many_small_objects_as_fit() -> None:
    assert parse(b"[%s]" % b",".join([b'{"id":"a"}'] * 300_000))


def test_a_page_of_commas_is_refused() -> None:
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
def test_nonzero_numbers_that_would_read_as_zero_are_refused(number: str) -> None:
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
def test_a_repeated_key_in_an_object_is_refused(body: bytes) -> None:
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


def test_a_page_of_integers_beyond_a_doubles_range_is_refused_before_they_are_read() -> None:
    with pytest.raises(ListingUnreadableError, match="more than 250,000 digits of numbers beyond a double's range"):
        parse(b"[%s]" % b",".join([b"9" * 4300] * 60))
    assert len(parse(b"[%s]" % b",".join([b"9" * 300] * 1_000))) == 1_000


@pytest.mark.parametrize("text", ["\\ud83d", "\\udc00", "\\u0000"])
def test_lone_surrogates_and_nul_characters_are_left_to_the_rules_which_reject_their_model_alone(text: str) -> None:
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
def test_an_html_page_is_named_by_its_kind(body: bytes, kind: str) -> None:
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


SPACE = st.sampled_from(["", "", "", " ", "\n", "\r\n\t  "])
TEXT = ("a", "id", "é", "模", "😀", ":", "[", "}", ",", "0" * 19, "12345678901234567890")
ESCAPES = (
    '\\"',
    "\\\\",
    "\\/",
    "\\n",
    "\\u0022",
    "\\u005c",
    "\\u003a",
    "\\u0061",
    "\\u0000",
    "\\ud83d\\ude00",
    "\\ud83d",
)
CHARACTERS = st.sampled_from([*TEXT, *ESCAPES])
STRINGS = st.lists(CHARACTERS, max_size=4).map(lambda parts: f'"{"".join(parts)}"')
NUMBERS = st.from_regex(r"-?(0|[1-9][0-9]{0,22})(\.[0-9]{1,22})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)
TOKENS = st.sampled_from(["null", "true", "false", "[]", "{}", "NaN", "-Infinity", "01", "1.", "", "'a'"])


def _between(opening: str, parts: list[str], closing: str, space: str) -> str:
    return f"{opening}{space}{f'{space},{space}'.join(parts)}{space}{closing}"


def _containers(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    members = st.tuples(STRINGS, SPACE, inner).map(lambda each: f"{each[0]}{each[1]}:{each[1]}{each[2]}")
    lists = st.tuples(st.lists(inner, max_size=4), SPACE).map(lambda each: _between("[", each[0], "]", each[1]))
    objects = st.tuples(st.lists(members, max_size=4), SPACE).map(lambda each: _between("{", each[0], "}", each[1]))
    nested = st.tuples(inner, st.integers(MAX_DEPTH - 2, MAX_DEPTH + 2)).map(
        lambda each: '{"a":[' * (each[1] // 2) + each[0] + "]}" * (each[1] // 2)
    )
    return lists | objects | nested


TEXTS = st.recursive(STRINGS | NUMBERS | TOKENS, _containers, max_leaves=12)


def strictly(content: bytes) -> Any:
    """A simple strict parser with the rules that `documents` states."""

    def refuse(token: str) -> Any:
        raise ValueError(token)

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in found}) < len(found):
            raise ValueError("a key twice")
        return dict(found)

    def number(token: str) -> float:
        found = float(token)
        return refuse(token) if math.isinf(found) or (found == 0) != (Decimal(token) == 0) else found

    document = json.loads(content.decode(), object_pairs_hook=pairs, parse_constant=refuse, parse_float=number)
    if depth(document) > MAX_DEPTH:
        raise ValueError("too deep")
    return document


def depth(document: Any) -> int:
    inner = document.values() if isinstance(document, dict) else document if isinstance(document, list) else ()
    return isinstance(document, (dict, list)) + max(map(depth, inner), default=0)


@given(TEXTS.map(str.encode) | st.binary(max_size=50))
@example(b'{"id": 1, "\\u0069d": "\\u0022"}')
@example(b'{"id": 1, "id": "\\u0022"}')
@example(b"[9223372036854775808, -9223372036854775809, 18446744073709551616]")
@example(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1))
@example(b'{"a":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1))
@example(b"[" * 2000 + b"]" * 2000)
@example(b'{"a":1e22,"b":-0.0,"c":18446744073709551615,"d":18446744073709552000.0}')
@example(b"\xef\xbb\xbf[]")
@example(b'["\xed\xa0\x80"]')
def test_plain_json_gives_what_the_strict_parser_gives(content: bytes) -> None:
    try:
        document = read_plain(content, max_depth=MAX_DEPTH)
    except NotPlainError:
        return
    # repr() tells 1 from 1.0, and 0.0 from -0.0.
    assert repr(document) == repr(strictly(content))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@given(text=TEXTS)
@example(text='["\\ud800", 1e-400]')
@example(text='["\\ud800", 1e999]')
@example(text='["\\ud800", {"id": 1, "id": 2}]')
@example(text='[123456789012345678901234567890, {"\\u0022": 1, "\\"": 2}]')
@example(text='["\\\\u0022", "\\\\\\u0022", 1.0e5]')
@example(text='["\\ud800", ' + "[" * (MAX_DEPTH - 1) + '{"a": 1}' + "]" * (MAX_DEPTH - 1) + "]")
@example(text='["\\ud800", ' + "[" * (MAX_DEPTH - 2) + '{"a": 1}' + "]" * (MAX_DEPTH - 2) + "]")
def test_a_body_is_read_or_refused_as_the_strict_parser_does(encoding: str, text: str) -> None:
    try:
        expected = repr(strictly(text.encode()))
    except (ValueError, RecursionError):
        with pytest.raises(ListingUnreadableError):
            parse_document(text.encode(encoding), where="acme", content_type=None)
    else:
        assert repr(parse_document(text.encode(encoding), where="acme", content_type=None)) == expected


LISTING = {
    "object": "list",
    "data": [
        {"id": f"acme/é-{number}", "created": 1_700_000_000_000 + number, "price": 2.5e-07, "note": 'a "b"\n\\c'}
        for number in range(20)
    ],
    "next": None,
}


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
@pytest.mark.parametrize("indent", [None, 2, "\t"])
@pytest.mark.parametrize("ensure_ascii", [True, False])
def test_an_ordinary_listing_is_plain(
    separators: tuple[str, str], indent: int | str | None, ensure_ascii: bool
) -> None:
    text = json.dumps(LISTING, separators=separators, indent=indent, ensure_ascii=ensure_ascii)
    assert read_plain(text.encode(), max_depth=MAX_DEPTH) == LISTING


@pytest.mark.parametrize(
    "text",
    [
        "[" * MAX_DEPTH + "]" * MAX_DEPTH,
        '{"a":' * MAX_DEPTH + "1" + "}" * MAX_DEPTH,
        '{"a\\u0022b": "\\\\u0022"}',
        '["1234567890123456789", "a-3e-400-b", 0.00076280082457942123]',
        "[1.5e-99, 1E5]",
    ],
)
def test_json_that_only_looks_odd_is_plain(text: str) -> None:
    assert read_plain(text.encode(), max_depth=MAX_DEPTH) == json.loads(text)


@given(st.integers(0, 3), st.integers(-25, 25))
def test_a_long_integer_is_found_wherever_it_is(pieces: int, offset: int) -> None:
    content = b"[%s%d]" % (b" " * max(pieces * 64 * 1024 + offset, 0), 2**64)
    with pytest.raises(NotPlainError):
        read_plain(content, max_depth=MAX_DEPTH)


@pytest.mark.parametrize(
    "content",
    [
        b'{"id": 1, "id": 1}',
        b'{"id": 1, "\\u0069d": 1}',
        b'{"id": "\\u0022", "id": 2}',
        b"[9223372036854775808000]",
        b"[-9223372036854775809]",
        b"9223372036854775808000",
        b'{"id": "\\u0022", "id": "\\u0022"}',
        b"[1e-400]",
        b"[0.%s1]" % (b"0" * 400),
        b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
        b'{"a":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1),
        b"[" * 300 + b"]" * 300,
        b"[NaN]",
        b"[1e999]",
        b'["\\ud800"]',
        "[]".encode("utf-16"),
        b"",
        b"[] []",
    ],
)
def test_json_that_orjson_reads_differently_or_not_at_all_is_not_plain(content: bytes) -> None:
    with pytest.raises(NotPlainError):
        read_plain(content, max_depth=MAX_DEPTH)
