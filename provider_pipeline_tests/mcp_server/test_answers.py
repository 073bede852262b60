"""Results are short enough, hide no characters, and say what was left out."""

import orjson
from hypothesis import given, strategies as st

from provider_pipeline.mcp_server.answers import MAX_CHARACTERS, error_text, page, shortened

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def test_a_short_result_stays_as_it_is():
    value = {"a": [1, None, True, {"b": "two\nlines"}]}
    assert shortened(value) == (value, [])


def test_a_long_text_is_cut_and_the_result_says_so():
    value, left_out = shortened({"report": "x" * 100_000})
    assert value["report"] == "x" * 20_000 + "…"
    assert left_out == ["/report: 20,000 of 100,000 characters are shown"]


def test_a_long_list_is_cut_until_the_result_fits():
    value, left_out = shortened({"changes": ["x" * 500] * 3_000})
    assert len(value["changes"]) == 50
    assert left_out == ["/changes: 50 of 3,000 entries are shown"]


def test_deep_and_wide_values_fit_too():
    value: object = "x"
    for _ in range(60):
        value = {"deeper": value}
    shown, left_out = shortened([value] * 2_000)
    assert len(orjson.dumps(shown)) <= MAX_CHARACTERS
    assert any("too deep" in each for each in left_out)
    assert len(left_out) <= 21


@given(JSON)
def test_any_value_is_cut_to_the_bound_and_keeps_its_kind(value: object):
    shown, _ = shortened(value)
    assert type(shown) is type(value)
    assert len(orjson.dumps(shown)) <= MAX_CHARACTERS


def test_a_page_has_as_many_rows_as_fit_and_at_least_one():
    rows = [{"text": "x" * 7_000}] * 20
    asked = []

    def fetch(count: int) -> tuple[list, str | None]:
        asked.append(count)
        return rows[:count], "next" if count < len(rows) else None

    assert page(fetch, 20) == (rows[:7], "next")
    assert asked == [20, 7]
    assert page(fetch, 5) == (rows[:5], "next")
    assert page(lambda _count: ([], None), 5) == ([], None)


def test_an_error_says_what_to_do_and_is_bounded():
    assert error_text("no provider 'x'", "did you mean y?") == "no provider 'x'\nhint: did you mean y?"
    assert error_text("plain\x1b[2J", None) == "plain[2J"
    assert len(error_text("x" * 100_000, "y")) <= 4_001
