"""The words of names: which family a name starts with, of what kind each word behind it is, and how labs write it."""

import pytest
from hypothesis import given, strategies as st

from provider_pipeline.rules.name_words import (
    Family,
    Rewrites,
    find_family,
    is_size,
    is_version,
    judged,
    line_of,
    name_from,
    with_points,
    with_version_point,
)


def family(name: str) -> Family:
    """The family of a name."""
    found = find_family(name)
    assert found is not None
    return found[0]


@pytest.mark.parametrize(
    ("name", "lab", "rest"),
    [
        ("gpt-4o-mini", "openai", "-4o-mini"),
        ("claude-3.5-sonnet", "anthropic", "-3.5-sonnet"),
        ("llama3.3-70b", "meta", "3.3-70b"),
        ("qwen3-32b", "alibaba", "3-32b"),
    ],
)
def test_a_name_starts_with_its_family_with_or_without_a_hyphen(name: str, lab: str, rest: str):
    found = find_family(name)
    assert found is not None
    assert (found[0].lab, found[1]) == (lab, rest)


@pytest.mark.parametrize("name", ["", "gptx", "claudette", "my-gpt-4o"])
def test_a_longer_word_or_another_start_is_no_family(name: str):
    assert find_family(name) is None


@pytest.mark.parametrize(
    ("name", "word", "kind"),
    [
        ("llama", "70b", "size"),
        ("llama", "instruct", "name"),
        ("llama", "fp8", "variant"),
        ("llama", "hf", "silent"),
        ("gpt", "turbo", "grade"),  # OpenAI's own word
        ("llama", "turbo", "variant"),  # a host's
    ],
)
def test_a_word_is_of_a_kind_that_depends_on_the_family(name: str, word: str, kind: str):
    assert judged(family(name), word, is_first=False)[1] == kind


def test_a_v_before_the_first_version_is_dropped_unless_it_is_part_of_the_name():
    assert judged(family("claude"), "v2", is_first=True)[0] == "2"
    assert judged(family("deepseek"), "v3", is_first=True)[0] == "v3"
    assert judged(family("claude"), "v2", is_first=False)[0] == "v2"


def test_an_unknown_word_is_not_explained():
    assert [judged(family("gpt"), word, is_first=False)[3] for word in ("mini", "zorb")] == [True, False]


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("claude-opus-4-1", "claude-opus-4.1"),
        ("llama-3-3-70b", "llama-3.3-70b"),
        ("embedding-0-6b", "embedding-0.6b"),
        ("qwen3-0-6b", "qwen3-0.6b"),
        ("phi-3-5v-mini", "phi-3.5v-mini"),
        ("gpt-4-0613", "gpt-4-0613"),  # a date
        ("llama-4-scout", "llama-4-scout"),
    ],
)
def test_a_hyphen_in_a_version_or_a_size_is_a_point(name: str, written: str):
    assert with_points(name) == written
    assert with_points(written) == written


@given(st.integers(0, 99), st.integers(0, 99))
def test_a_version_with_a_point_stays_as_it_is(major: int, minor: int):
    name = f"zorb-{major}.{minor}-mini"
    assert with_points(name) == name


def test_a_version_of_two_digits_without_a_point_gets_one():
    assert with_version_point(family("gpt"), ["35", "turbo"]) == ["3.5", "turbo"]
    assert with_version_point(family("claude"), ["opus", "41"]) == ["opus", "4.1"]
    assert with_version_point(family("llama"), ["3", "70b"]) == ["3", "70b"]


def test_only_a_glued_version_follows_its_familys_name_without_a_hyphen():
    assert name_from(family("gpt"), ["4o", "mini"]) == "gpt-4o-mini"
    assert name_from(family("qwen"), ["3", "32b"]) == "qwen3-32b"
    assert name_from(family("claude"), []) == "claude"


def test_a_line_has_no_size_and_no_role_and_a_version_only_where_tiers_do_not_go_on():
    assert line_of(family("llama"), "llama-3.3-70b-instruct", is_whole=True) == "llama-3.3"
    assert line_of(family("claude"), "claude-sonnet-4.5", is_whole=True) == "claude-sonnet"
    assert line_of(family("llama"), "llama-3.1-8b-lawyer", is_whole=False) == "llama-3.1"


def test_rewrites_apply_in_order_to_whole_names_and_see_the_date_only_if_they_ask():
    rewrites = Rewrites([("a", "b"), ("b", "c"), ("d@2024.*", "e"), (r"x(\d)", r"y-\1")])
    assert [rewrites.name_of(name, None) for name in ("a", "ab", "d", "x1")] == ["c", "ab", "d", "y-1"]
    assert [rewrites.name_of("d", day) for day in ("2024-01-01", "2023-01-01")] == ["e", "d"]
    assert rewrites.name_of("a", "2024-01-01") == "c"


def test_sizes_and_versions_are_told_apart():
    assert [is_size(word) for word in ("70b", "8x7b", "0.5b", "4o", "instruct")] == [True, True, True, False, False]
    assert [is_version(word) for word in ("3.5", "4o", "v3", "instruct")] == [True, True, True, False]
