"""Our secrets and other people's keys are recognised and masked, and nothing else is touched."""

import html
import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from functools import reduce
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given, strategies as st

from provider_pipeline.listing.redaction import (
    named_url,
    one_line,
    redact,
    redact_body,
    redact_quote,
    redacted_url,
)
from provider_pipeline_tests.listing.keys import KEYS

SECRETS = st.text(min_size=8, max_size=40).filter(
    lambda text: text.strip() == text and "*" not in text and not text.endswith("\\")
)


@example(secret="000000%0", around="0")
@example(secret="0000000:", around="%")
@given(secret=SECRETS, around=st.text(max_size=10))
def test_a_secret_is_masked_however_it_is_encoded(secret: str, around: str) -> None:
    for form in (secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]):
        assert form not in redact(f"{around}{form}{around}", [secret])


def test_a_new_secret_needs_no_new_pattern(monkeypatch: pytest.MonkeyPatch) -> None:
    redact_body(b"{}", ["compiles-the-common-one"])

    def compiled(*_: object) -> None:
        raise AssertionError("compiling a pattern takes 2 ms, and a fleet has a secret for each provider")

    monkeypatch.setattr("provider_pipeline.listing.redaction.re2.compile", compiled)
    secret = "sk-Qm7Tz0aVx4Lp9"
    assert secret.encode() not in redact_body(json.dumps({"next": f"/models?key={secret}"}).encode(), [secret])


SPELLINGS = {
    "plain": lambda text: text,
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON without ASCII": lambda text: "".join(f"\\u{ord(char):04X}" for char in text),
    "JSON of PHP": lambda text: text.replace("/", "\\/"),
    "URL": lambda text: quote(text, safe=""),
    "path": quote,
    "form": quote_plus,
    "URL in small letters": lambda text: quote(text, safe="").lower(),
    "every character quoted": lambda text: "".join(f"%{ord(char):02x}" for char in text),
    "Base64 at the start": lambda text: b64encode(text.encode()).decode().rstrip("="),
    "Base64 of a login": lambda text: b64encode(f"me:{text}".encode()).decode(),
    "Base64 in between": lambda text: b64encode(f"user:{text}\n".encode()).decode(),
    "Base64 for URLs": lambda text: urlsafe_b64encode(f"{{{text}}}".encode()).decode(),
}


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS.keys())
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-be"])
def test_a_body_echoes_no_secret_in_any_encoding(spell: Callable[[str], str], encoding: str) -> None:
    secret = 'sk-life/5f0c"9d+8e5b=7a>?4~1'
    content = json.dumps({"you": "SENT"}).replace("SENT", spell(secret)).encode(encoding)
    shown = redact_body(content, [secret]).decode(encoding)
    assert "***" in shown
    assert spell(secret)[4:-4] not in shown
    assert redact_body(shown.encode(encoding), ["another-secret"]) == shown.encode(encoding)


PLAIN_AND_ESCAPED = (
    lambda char: char,
    lambda char: quote(char, safe=""),
    lambda char: "".join(f"%{byte:02x}" for byte in char.encode()),
    lambda char: json.dumps(char)[1:-1],
    lambda char: "".join(f"\\u{unit:04X}" for unit in memoryview(char.encode("utf-16-le")).cast("H")),
)


def test_a_percent_sign_at_the_end_of_a_secret_is_masked_with_its_escape() -> None:
    assert redact_body(b'{"you": "sk-1234%25"}', ["sk-1234%"]) == b'{"you": "***"}'


@given(secret=SECRETS, data=st.data())
def test_a_secret_is_masked_even_if_each_character_is_encoded_differently(secret: str, data: st.DataObject) -> None:
    spells = st.lists(st.sampled_from(PLAIN_AND_ESCAPED), min_size=len(secret), max_size=len(secret))
    spelt = "".join(spell(char) for spell, char in zip(data.draw(spells), secret, strict=True))
    assert redact_body(f'{{"you%20": "{spelt}", "\\u00e9": "\\n"}}'.encode(), [secret]) == (
        b'{"you%20": "***", "\\u00e9": "\\n"}'
    )


@pytest.mark.parametrize("spell", ["%{:02x}", "%25{:02X}", "\\u{:04x}", "&#{};", "&#x{:x};"])
@pytest.mark.parametrize("last", "-._")
def test_a_short_run_of_a_secret_is_masked_with_an_escape_that_is_never_needed(last: str, spell: str) -> None:
    body = f'{{"you": "000=000{spell.format(ord(last))}"}}'.encode()
    assert redact_body(body, [f"000=000{last}"]) == b'{"you": "***"}'


SECRET = "ab+cd/SECRETx0123456789=="
QUOTES = {
    "whole": SECRET,
    "in capitals": SECRET.upper(),
    "percent-encoded twice": quote(quote(SECRET, safe=""), safe=""),
    "percent-encoded five times": reduce(lambda text, _: quote(text, safe=""), range(5), SECRET),
    "in HTML": html.escape(SECRET).replace("/", "&#x2F;").replace("+", "&plus;").replace("=", "&#61;"),
    "in HTML in HTML": html.escape(html.escape(SECRET).replace("=", "&#61;")),
    "in JSON in JSON in JSON": json.dumps(json.dumps(json.dumps(SECRET.replace("/", "\\/")))),
    "in a URL in JSON": json.dumps(quote(SECRET, safe="")).replace("%", "\\u0025"),
    "in JSON in a URL": quote(json.dumps(SECRET).replace("/", "\\u002f"), safe=""),
}


@pytest.mark.parametrize("spelt", QUOTES.values(), ids=QUOTES.keys())
def test_a_secret_is_recognised_however_often_it_was_encoded(spelt: str) -> None:
    assert redact(f"see {spelt} there", [SECRET]).replace('"', "").replace("\\", "") in (
        "see *** there",
        "see %22***%22 there",
    )
    body = json.dumps({"name": f"see {spelt} there"}).encode()
    assert "***" in json.loads(redact_body(body, [SECRET]))["name"]
    assert "SECRETx" not in redact_body(body, [SECRET]).decode()


def test_a_secret_is_masked_at_every_place_of_a_long_body() -> None:
    spelt = quote(quote(SECRET, safe=""), safe="")
    body = json.dumps([f"{number:0{number % 37}} {spelt}" for number in range(9_000)]).encode()
    assert len(body) > 3 * 256 * 1024 / 2
    shown = redact_body(body, [SECRET])
    assert [each.split()[1] for each in json.loads(shown)] == ["***"] * 9_000


@pytest.mark.parametrize("shown", [SECRET[:8], SECRET[:18], SECRET[-8:], SECRET[-20:], SECRET[1:], SECRET[:-1].lower()])
def test_a_part_of_a_secret_is_masked_in_a_server_s_text(shown: str) -> None:
    assert redact_quote(f"Incorrect key provided: {shown}. Try again", [SECRET]) == (
        "Incorrect key provided: ***. Try again"
    )


def test_a_part_of_seven_characters_is_shown_and_a_body_keeps_what_a_models_name_may_share_with_a_key() -> None:
    assert redact_quote(f"it begins with {SECRET[:7]}", [SECRET]) == f"it begins with {SECRET[:7]}"
    body = b'{"id": "acme-prod-large", "name": "acme-prod-large"}'
    assert redact_body(body, ["acme-prod-5f0c9d8e"]) == body
    assert redact_body(b'{"hint": "acme-prod-5f0c..."}', ["acme-prod-5f0c9d8e"]) == b'{"hint": "***..."}'


@pytest.mark.parametrize("form", sorted(KEYS.keys() - {"after a word"}))
def test_a_body_shows_neither_end_of_a_random_key_however_short_the_part(form: str) -> None:
    key = KEYS[form]
    body = json.dumps({"data": [{"id": "a", "hints": [f"<{key[:17]}>", f"<{key[-14:]}>"]}]}).encode()
    for hint in json.loads(redact_body(body, [key]))["data"][0]["hints"]:
        assert hint == "<***>"


def test_the_prefix_that_all_keys_of_a_kind_have_is_no_secret() -> None:
    body = b'{"note": "keys begin with sk-or-v1- or sk-ant-api03-", "id": "ft:gpt-4o-mini-2024"}'
    for form in ("OpenRouter", "Anthropic", "OpenAI"):
        assert redact_body(body, [KEYS[form]]) == body


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("go to https://login.example/a?next=%2Fv1&x=1 now", "go to https://login.example/a now"),
        ("at https://login.example/#access_token=abc", "at https://login.example/"),
        ("see /login?next=/v1/models", "see /login"),
        ("what? nothing=ever", "what? nothing=ever"),
        ("key ghp_R7tY9zB4cD6fG1hJ0kNVq3nX8mK2pL5wA1b2 is over", "key *** is over"),
    ],
)
def test_a_url_or_another_key_in_a_server_s_text_is_not_repeated(said: str, shown: str) -> None:
    assert redact_quote(said) == shown


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://login.example/a/b?next=x#y", "https://login.example/a/b"),
        ("https://me:pw@login.example:8443/a", "https://login.example:8443/a"),
        (f"https://login.example/{quote(quote(SECRET, safe=''), safe='')}/a", "https://login.example/***/a"),
        ("/relative?x=1", "/relative"),
        ("https://[::1/?x=1", "https://[::1/"),
    ],
)
def test_only_scheme_host_and_path_of_a_url_from_the_server_are_shown(url: str, shown: str) -> None:
    assert named_url(url, [SECRET]) == shown


def test_a_body_that_is_not_text_is_left_to_the_parser() -> None:
    assert redact_body(b"\0{\xd8", ["secret-of-ours"]) == b"\0{\xd8"


def test_masking_nothing_changes_nothing() -> None:
    assert redact("all is well", []) == redact("all is well", [""]) == "all is well"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:pw@example.org/m", "https://***@example.org/m"),
        ("https://example.org/m?key=abc&pageToken=t", "https://example.org/m?key=***&pageToken=t"),
        ("https://example.org/m?api_key=abc&limit=5#part", "https://example.org/m?api_key=***&limit=5"),
        ("https://example.org/m?access_token=abc&after_id=x", "https://example.org/m?access_token=***&after_id=x"),
        ("https://example.org/m?page_token=t", "https://example.org/m?page_token=t"),
        ("https://example.org/sesame", "https://example.org/***"),
        ("https://[::1/\x1b[31m", "https://[::1/ [31m"),
    ],
)
def test_a_shown_url_holds_no_secret(url: str, shown: str) -> None:
    assert redacted_url(url, ["sesame"]) == shown


def test_a_body_is_untouched_but_for_long_secrets() -> None:
    assert redact_body(b'{"id": "gpt", "next": "?key=gpt-secret-gpt"}', ["gpt"]) == (
        b'{"id": "gpt", "next": "?key=gpt-secret-gpt"}'
    )
    assert redact_body(b'{"next": "?key=long%2Fsecret"}', ["long/secret"]) == b'{"next": "?key=***"}'


@given(st.text(max_size=500))
def test_text_from_outside_becomes_one_printable_line(text: str) -> None:
    line = one_line(text, limit=50)
    assert len(line) <= 50
    assert line.isprintable()
