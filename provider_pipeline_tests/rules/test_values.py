import pytest

from provider_pipeline.rules.values import (
    BadValueError,
    read_id,
    read_limit,
    read_modalities,
    read_price,
    read_text,
)


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
        (" ", None),
        ("0.001M tokens", 1000),
    ],
)
def test_a_limit_is_read_however_it_is_written(value, limit):
    assert read_limit(value, 10**8) == limit


@pytest.mark.parametrize("value", [0, -1, 0.0, "0", "0K", "-1"])
def test_zero_and_minus_one_state_no_limit(value):
    with pytest.raises(BadValueError, match="no limit"):
        read_limit(value, 10**8)


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
def test_anything_else_is_not_a_limit(value):
    with pytest.raises(BadValueError):
        read_limit(value, 10**8)


@pytest.mark.parametrize(
    "value",
    ["1e-400", "$1e-400", f"0.{'0' * 400}1", "1e400", "\u0661\u0662\u0668", "$\uff11.5 / 1M tokens", "1_000", "--5"],
)
def test_anything_else_is_neither_free_nor_a_price(value):
    with pytest.raises(BadValueError):
        read_price(value, 1.0, 1e9)


def test_a_price_that_rounds_to_zero_is_not_free():
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
def test_an_integer_id_has_ascii_digits_only(value):
    with pytest.raises(BadValueError):
        read_id(value, "integer")
    assert read_id("-12", "integer") == "-12"


def test_a_zero_price_has_no_sign():
    assert str(read_price("-0", 1.0, 100.0)) == str(read_price(0, 1.0, 100.0)) == "0.0"


def test_converted_prices_have_no_binary_rounding_noise():
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
    ],
)
def test_modalities_are_read_by_their_common_names(value, modalities):
    assert read_modalities(value) == modalities


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
        ("\ufeffGPT\u200b-4\xado\u2060", "GPT-4o"),
        ("a\u200db \u200c", "ab"),
        ("\u0645\u06cc\u200c\u0634\u0648\u062f", "\u0645\u06cc\u200c\u0634\u0648\u062f"),
    ],
)
def test_a_name_is_one_line_without_control_characters(value, name):
    assert read_text(value) == name


def test_a_modality_with_control_characters_is_dropped():
    assert read_modalities(["text", "im\x1bage", "\u202eoidua"]) == ["text"]


@pytest.mark.parametrize("value", [7, True, ["GPT"], {"en": "GPT"}])
def test_a_name_that_is_not_a_text_is_set_aside(value):
    with pytest.raises(BadValueError, match="expected a text"):
        read_text(value)


@pytest.mark.parametrize("value", [5, True, [{"type": "text"}]])
def test_modalities_that_are_not_texts_are_set_aside(value):
    with pytest.raises(BadValueError, match="expected"):
        read_modalities(value)
