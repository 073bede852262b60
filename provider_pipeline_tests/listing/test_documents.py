"""What counts as a readable document."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_pipeline.errors import ListingUnreadableError
from provider_pipeline.listing.documents import DEEPEST, parse_document


def parse(content: bytes) -> object:
    return parse_document(content, where="acme: GET http://x", content_type=None)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_the_encodings_of_json_are_read(encoding: str) -> None:
    assert parse('{"name": "é 模型"}'.encode(encoding)) == {"name": "é 模型"}


def test_nesting_is_limited_to_what_everything_downstream_can_walk() -> None:
    assert parse(b"[" * DEEPEST + b"]" * DEEPEST)
    with pytest.raises(ListingUnreadableError, match="nested more than"):
        parse(b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1))
    with pytest.raises(ListingUnreadableError, match="nested"):
        parse(b'{"a":' * 500 + b"1" + b"}" * 500)


@pytest.mark.parametrize("number", ["1e308", "-1.5E+3", "0.0000006", "1e-400"])
def test_finite_numbers_are_read(number: str) -> None:
    assert parse(f"[{number}]".encode()) == [float(number)]


@pytest.mark.parametrize("number", ["1e309", "-1E+400", "1.5e99999"])
def test_numbers_beyond_all_range_are_refused(number: str) -> None:
    with pytest.raises(ListingUnreadableError, match="out of range"):
        parse(f"[{number}]".encode())
    with pytest.raises(ListingUnreadableError, match="out of range"):
        parse(f"[{number}]".encode("utf-16"))


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
