"""Issues and texts from outside are short, printable and storable as JSON."""

import json

import pytest
from hypothesis import given, strategies as st

from provider_pipeline.rules.issues import SAMPLE_SIZE, escaped, has_controls, issue, one_line, prose, shown


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("plain caf\xe9", "plain caf\xe9"),
        ("red \x1b[31m", "red \\x1b[31m"),
        ("two\nlines", "two\\nlines"),
        ("\u202eexe", "\\u202eexe"),
        ("half \ud800", "half \\ud800"),
        ("unseen \U000e006f", "unseen \\U000e006f"),
    ],
)
def test_control_characters_are_escaped_where_text_is_shown(text: str, safe: str):
    assert escaped(text) == safe


@given(st.text())
def test_any_text_can_be_made_safe(text: str):
    assert not has_controls(escaped(text))
    assert not has_controls(one_line(text))
    assert not has_controls(prose(text).replace("\t", "").replace("\n", ""))


def test_an_issue_keeps_a_few_short_samples():
    found = issue("odd", "warning", "odd values", expected=1.5, actual=float("nan"), sample=["x" * 500] * 99)
    assert (found["expected"], found["actual"]) == (1.5, "nan")
    assert len(found["sample"]) == SAMPLE_SIZE
    assert all(len(text) == 120 and text.endswith("...") for text in found["sample"])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_any_value_is_shown_as_short_json(value: object):
    text = json.dumps(shown(value), allow_nan=False, ensure_ascii=False)
    text.encode("utf-8")
    assert len(text) < 40_000
