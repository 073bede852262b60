import pytest

from provider_pipeline.rules.language import compile_expression, literal, path_expression
from provider_pipeline.rules.values import (
    BadValueError,
    read_id,
    read_limit,
    read_metadata,
    read_modalities,
    read_price,
    read_text,
)
from provider_pipeline.rules.work import Work


@pytest.mark.parametrize(
    ("value", "limit"),
    [
        (4096, 4096),
        (4096.0, 4096),
        ("4096", 4096),
        ("128K", 128_000),
        ("1.5M", 1_500_000),
        ("32,768", 32_768),
        (None, None),
        (0, None),
        (" ", None),
        ("0K", None),
        ("-1", None),
        ("0.001M tokens", 1000),
    ],
)
def test_a_limit_is_read_however_it_is_written(value, limit):
    assert read_limit(value, 10**8) == limit


@pytest.mark.parametrize(
    "value",
    [
        True,
        [],
        {},
        1.5,
        "many",
        float("nan"),
        -2,
        10**9,
        "\u0664\u0662",
        "\u0661\u0662\u0668K",
        "\u00b2",
        "--5",
        "-",
        "1e-400",
        "0.0001K",
    ],
)
def test_what_is_no_limit_is_refused(value):
    with pytest.raises(BadValueError):
        read_limit(value, 10**8)


@pytest.mark.parametrize(
    "value",
    ["1e-400", "$1e-400", f"0.{'0' * 400}1", "1e400", "\u0661\u0662\u0668", "$\uff11.5 / 1M tokens", "1_000", "--5"],
)
def test_what_is_no_price_is_neither_free_nor_a_price(value):
    with pytest.raises(BadValueError):
        read_price(value, 1.0, 1e9)


def test_a_price_that_is_nothing_once_it_is_converted_is_not_free():
    with pytest.raises(BadValueError):
        read_price("4e-324", 0.01, 1e9)
    assert read_price("4e-324", 1e6, 1e9) > 0


@pytest.mark.parametrize(
    ("value", "price"),
    [(" 0.5 ", 0.5), ("$.5", 0.5), ("5e-1", 0.5), ("$0.50\u00a0/ 1M tokens", 0.5), ("0e-400", 0.0), ("0.000", 0.0)],
)
def test_a_price_is_read_however_it_is_written(value, price):
    assert read_price(value, 1.0, 1e9) == price


@pytest.mark.parametrize("value", ["\u0661\u0662", "12a", "--5", "-", "\u00b2"])
def test_an_id_that_is_an_integer_has_digits_that_everybody_reads(value):
    with pytest.raises(BadValueError):
        read_id(value, "integer")
    assert read_id("-12", "integer") == "-12"


def test_a_price_of_nothing_has_no_sign():
    assert str(read_price("-0", 1.0, 100.0)) == str(read_price(0, 1.0, 100.0)) == "0.0"


def test_prices_are_converted_without_the_dust_of_binary_fractions():
    assert read_price("0.00000035", 1e6, 1000) == 0.35
    assert read_price("$1.10", 1, 1000) == 1.1


@pytest.mark.parametrize(
    ("value", "modalities"),
    [
        (["TEXT", "Image"], ["image", "text"]),
        ("text,image", ["image", "text"]),
        ("text+image", ["image", "text"]),
        (["speech", "pdf"], ["audio", "file"]),
        ({"text": True, "image": False}, ["text"]),
        ([], None),
        (5, None),
    ],
)
def test_modalities_are_read_by_their_common_names(value, modalities):
    assert read_modalities(value) == modalities


def test_the_extra_functions_say_what_plain_jmespath_cannot():
    listing = {"m": {"a": {"x": 1}, "b": 3}, "l": [{"y": 2}, 4], "t": "text+image->text"}
    assert compile_expression("with_keys(m)")(listing) == [{"_key": "a", "x": 1}]
    assert compile_expression("labelled(l, 'stt')")(listing) == [{"_label": "stt", "y": 2}, 4]
    assert compile_expression("split(split(t, '->')[0], '+')")(listing) == ["text", "image"]
    assert compile_expression("with_keys(t)")(listing) is None


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


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("GPT 4", "GPT 4"),
        ("caf\xe9 \xa0 \U0001f469\u200d\U0001f4bb", "caf\xe9 \xa0 \U0001f469\u200d\U0001f4bb"),
        (" two\r\n\tlines ", "two lines"),
        ("red \x1b[31m", "red [31m"),
        ("a\x9bb\x7fc\x85d", "abc d"),
        ("\u202eexe.\u2066gpj\u2069", "exe.gpj"),
        ("one\u2028two\u2029", "one two"),
        ("\x1b\u200f", None),
        (7, None),
    ],
)
def test_a_name_is_one_line_without_control_characters(value, name):
    assert read_text(value) == name


def test_further_texts_keep_their_lines_and_no_control_characters():
    said = {"note": "a\n\tb\r\nc\x1b[0m\u202e", "\x1b[2J": 1, "n": ["\x9b", "caf\xe9"]}
    assert read_metadata(said, Work(1_000)) == {"note": "a\n\tb\nc[0m", "n": ["", "caf\xe9"]}
    assert read_metadata("a\x1bb", Work(1_000)) == "ab"


def test_a_modality_with_control_characters_is_none():
    assert read_modalities(["text", "im\x1bage", "\u202eoidua"]) == ["text"]
