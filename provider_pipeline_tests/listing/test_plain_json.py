"""Plain JSON is read fast, and exactly as the strict parser reads it."""

import json
import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, strategies as st

from provider_pipeline.errors import ListingUnreadableError
from provider_pipeline.listing.documents import MAX_DEPTH, NotPlainError, parse_document, read_plain

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
    """What the strict parser alone reads, by the rules that `documents` states."""

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
def test_what_is_read_as_plain_is_what_the_strict_parser_reads(content: bytes) -> None:
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
def test_what_only_looks_odd_is_plain(text: str) -> None:
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
def test_what_orjson_would_read_differently_or_not_at_all_is_not_plain(content: bytes) -> None:
    with pytest.raises(NotPlainError):
        read_plain(content, max_depth=MAX_DEPTH)
