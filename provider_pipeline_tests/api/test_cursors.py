"""Cursors: what is encoded is decoded, for the same list only. Broken cursors over HTTP are in `test_models.py`."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, strategies as st

from provider_pipeline.api.cursors import (
    decode_change_cursor,
    decode_model_cursor,
    encode_change_cursor,
    encode_model_cursor,
)
from provider_pipeline.api.problems import ProblemError
from provider_pipeline.catalog.model_search import ModelKey, ModelQuery

BY_PRICE = ModelQuery(sort="input_price")
MODEL_IDS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=512)
IDS = st.integers(0, 2**63 - 1)
PRICES = st.none() | st.decimals(0, 10**12, allow_nan=False, allow_infinity=False).map(str)


@given(value=PRICES, provider_id=IDS, model_id=MODEL_IDS)
def test_a_model_cursor_gives_its_key_back(value: str | None, provider_id: int, model_id: str):
    key = ModelKey(value, provider_id, model_id)
    assert decode_model_cursor(BY_PRICE, encode_model_cursor(BY_PRICE, key, as_of=None), as_of=None) == key


@given(changed_at=st.datetimes(timezones=st.just(UTC)), change_id=IDS)
def test_a_change_cursor_gives_its_position_back(changed_at: datetime, change_id: int):
    cursor = encode_change_cursor({"kind": "added"}, changed_at, change_id)
    assert decode_change_cursor({"kind": "added"}, cursor) == (changed_at, change_id)


@pytest.mark.parametrize("other", [{"sort": "-input_price"}, {"family": "gpt"}, {"sort": "output_price"}])
def test_a_model_cursor_of_another_list_is_refused(other: dict):
    cursor = encode_model_cursor(BY_PRICE, ModelKey("1", 1, "a"), as_of="2d")
    with pytest.raises(ProblemError, match="other filters, or in another order") as refused:
        decode_model_cursor(replace(BY_PRICE, **other), cursor, as_of="2d")
    assert (refused.value.status, refused.value.kind) == (400, "broken-cursor")


def test_a_model_cursor_of_another_moment_is_refused():
    cursor = encode_model_cursor(BY_PRICE, ModelKey("1", 1, "a"), as_of="2d")
    with pytest.raises(ProblemError, match="other filters"):
        decode_model_cursor(BY_PRICE, cursor, as_of=None)


def test_a_change_cursor_of_another_list_is_refused():
    cursor = encode_change_cursor({"kind": "added"}, datetime.now(UTC), 1)
    with pytest.raises(ProblemError, match="other filters"):
        decode_change_cursor({"kind": "removed"}, cursor)
