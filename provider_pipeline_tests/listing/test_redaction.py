"""Our secrets and other people's keys are recognised and masked, and nothing else is touched."""

import html
import json
import random
import re
import string
import tomllib
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from datetime import date
from functools import reduce
from importlib import resources
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, strategies as st

from provider_pipeline.errors import ListingUnreadableError
from provider_pipeline.listing.redaction import (
    MIN_KEY_LENGTH,
    is_our_variable,
    is_sensitive_variable,
    looks_like_a_key,
    named_url,
    one_line,
    redact,
    redact_body,
    redact_document,
    redact_quote,
    redacted_url,
)
from provider_pipeline.presets.library import preset_sample, presets

BASE62 = string.ascii_letters + string.digits
KEYS = {
    "OpenAI": "sk-proj-Vq3nX8mK2pL5wR7tY9zB4cD6fG1hJ0kN",
    "OpenAI's old form": "sk-Vq3nX8mK2pL5wR7tY9zBT3BlbkFJ4cD6fG1hJ0kNaB2c",
    "Anthropic": "sk-ant-api03-Vq3nX8mK2pL5wR7tY9zB4cD6fG1hJ0kN",
    "OpenRouter": "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",
    "DeepSeek": "sk-0f1e2d3c4b5a69788796a5b4c3d2e1f0",
    "a LiteLLM proxy": "sk-Wx_3kP9-mQ2vL7tR5yB8nZ1c",
    "GitHub": "ghp_R7tY9zB4cD6fG1hJ0kNVq3nX8mK2pL5wA1b2",
    "Google": "AIzaSyD7tY9zB4cD6fG1hJ0kNVq3nX8mK2pL5wA",
    "AWS": "AKIAQ3EGHZ7WXN5TB2LD",
    "Hugging Face": "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",
    "Groq": "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",
    "a token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    "no known form": "Vq3nX8mK2pL5wR7tY9zB4cD6fG1hJ0kN",
    "hexadecimal": "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c",
    "after a word": "Bearer Vq3nX8mK2pL5wR7tY9zB4cD6fG1hJ0kN",
}
ORDINARY = (
    "2023-06-01",
    "2024-12-17-preview",
    "application/vnd.github+json; version=2022-11-28",
    "claude-code-20250219,interleaved-thinking-2025-05-14",
    "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0",
    "provider-pipeline/0.1.0",
    "550e8400-e29b-41d4-a716-446655440000",
    "023e105f4ecef8ad9ca31a8372d0c353",
    "/subscriptions/8f0a9f5e-0000-4444-aaaa-1234567890ab/resourceGroups/models",
    "ocid1.generativeaimodel.oc1.phx.amaaaaaask7dceyarleil5jr7k2rykljkhapnvhrqvzx4cwuvtfedlfxet4q",
    "ProjectForModelCatalogue2025V2beta",
    "gpt-4o-mini-2024-07-18-ft:acme::9aBcDeFg",
    "sk-learn-text-classification-v2-large",
    "sk-llama-3-1-70b-2024-instruct-v2",
    "hf_your_api_key_goes_here",
    "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "us-east-1",
    "en-US,en;q=0.9",
)


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS.keys())
def test_a_key_is_recognised_by_its_look(key: str):
    assert looks_like_a_key(key)
    assert looks_like_a_key(f"https://api.example/v1/{key}/models")


@pytest.mark.parametrize("text", ORDINARY)
def test_values_of_ordinary_settings_are_not_keys(text: str):
    assert not looks_like_a_key(text)


def test_under_the_name_of_an_id_only_a_well_known_form_is_a_key():
    organization = "org-9TkXq3Vn8sLmZ2RbYcWdEfGh"
    assert looks_like_a_key(organization, name="X-Whatever")
    for name in ("OpenAI-Organization", "X-Project-Id", "x-tenant"):
        assert not looks_like_a_key(organization, name=name)
        assert looks_like_a_key(KEYS["GitHub"], name=name)


@pytest.mark.parametrize("length", [32, 40, 64])
def test_random_text_is_nearly_always_recognised(length: int):
    chance = random.Random(length)
    assert sum(looks_like_a_key("".join(chance.choices(BASE62, k=length))) for _ in range(1000)) > 950


@given(st.uuids(), st.dates())
def test_ids_and_dates_are_not_keys(identifier, day: date):
    for text in (str(identifier), identifier.hex, day.isoformat(), f"preview-{day:%Y%m%d}"):
        assert not looks_like_a_key(text)


def test_nothing_in_the_shipped_presets_or_their_samples_looks_like_a_key():
    def texts(part):
        if isinstance(part, dict):
            for name, value in part.items():
                yield name
                yield from texts(value)
        elif isinstance(part, list):
            for value in part:
                yield from texts(value)
        elif isinstance(part, str):
            yield part

    for slug, preset in presets().items():
        document = preset.model_dump(mode="json", include={"base_url", "auth", "endpoints"})
        found = [text for text in texts(document) if looks_like_a_key(text)]
        assert found == [], slug
        assert [text for text in texts(preset_sample(slug)) if text.startswith("sk-") and looks_like_a_key(text)] == []


@pytest.mark.parametrize(
    "name",
    [
        "OPENAI_API_KEY",
        "LABKEY",
        "HF_TOKEN",
        "AWS_SECRET_ACCESS_KEY",
        "PGPASSWORD",
        "DATABASE_URL",
        "GITHUB_PAT",
        "jwt",
    ],
)
def test_a_variable_that_holds_secrets_is_recognised_by_its_name(name: str):
    assert is_sensitive_variable(name)


def test_the_variables_of_presets_placeholders_are_public_and_the_products_own_are_known():
    for preset in presets().values():
        assert not any(variable.env and is_sensitive_variable(variable.env) for variable in preset.variables.values())
    assert is_our_variable("PROVIDER_PIPELINE_DATABASE_URL")
    assert is_our_variable("DAGSTER_POSTGRES_URL")
    assert not is_our_variable("MY_DAGSTER_KEY")


def test_every_known_form_names_its_source():
    data = tomllib.loads((resources.files("provider_pipeline.listing") / "data" / "key_patterns.toml").read_text())
    assert isinstance(data["looked_up"], date)
    assert len(data["pattern"]) > 20
    assert all(each["source"].startswith("https://") for each in data["pattern"])


def test_every_known_form_is_longer_than_what_is_not_even_looked_at():
    data = tomllib.loads((resources.files("provider_pipeline.listing") / "data" / "key_patterns.toml").read_text())
    for form in data["pattern"]:
        shortest, _ = re._parser.parse(form["regex"]).getwidth()  # type: ignore[attr-defined]
        assert shortest >= MIN_KEY_LENGTH, form["name"]


SECRETS = st.text(min_size=8, max_size=40).filter(
    lambda text: text.strip() == text and "*" not in text and not text.endswith("\\")
)


@given(secret=SECRETS, around=st.text(max_size=10))
def test_a_secret_is_masked_however_it_is_encoded(secret: str, around: str) -> None:
    for form in (secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]):
        assert form not in redact(f"{around}{form}{around}", [secret])


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


HONEST: dict[str, Any] = {
    "id": "gpt-4",
    "max_tokens": 4096,
    "tokenizer": "GPT",
    "token": "<|endoftext|>",
    "eos_token": "</s>",
    "input_tokens": "0.27",
    "key": "gpt-4",
    "auth": "bearer",
    "env": ["OPENAI_API_KEY"],
    "api_key": "OPENAI_API_KEY",
    "apiKey": "public",
    "api_key_required": True,
    "api_key_url": "https://acme.example/keys",
    "access_token": None,
    "password": "",
    "secret": False,
    "client_secret": "${ACME_SECRET}",
    "authorization": "Bearer {api_key}",
    "credentials": ["api_key", "oauth"],
    "secretKeys": ["$ACME_KEY", "os.environ/ACME_KEY", "<your key>"],
    "public_key": "Vq3nX8mK2pL5wR7tY9zB4cD6fG1hJ0kN",
    "digest": "c71a0954f1d8596cd60227b577ef77b12625514297e65a3655ad4102a733633c",
    "next_page_token": KEYS["a token"],
    "next": f"https://api.example/v1/models?cursor={KEYS['a token']}",
    "description": 'Set the header "Authorization: Bearer $KEY"; an api_key=YOUR_API_KEY will do. 100%41 \\ & more',
}


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_field_stays_byte_for_byte(name: str):
    content = json.dumps({"data": [{name: HONEST[name]}]}).encode()
    assert redact_body(content, ()) == content


@pytest.mark.parametrize(
    ("written", "masked"),
    [
        ('{"apiKey": "abc"}', '{"apiKey": "***"}'),
        ('{"api_key":"hunter2"}', '{"api_key":"***"}'),
        ('{"X-Api-Key" : "a b c"}', '{"X-Api-Key" : "***"}'),
        ('{"OPENAI_API_KEY": "abc-123"}', '{"OPENAI_API_KEY": "***"}'),
        ('{"access_token": "t0k"}', '{"access_token": "***"}'),
        ('{"client_secret": "with \\"quotes\\" in it"}', '{"client_secret": "***"}'),
        ('{"dbPassword": "letmein"}', '{"dbPassword": "***"}'),
        ('{"authorization": "Bearer abc123"}', '{"authorization": "***"}'),
        ('{"secrets": ["one1", "two2", "ACME_KEY"]}', '{"secrets": ["***", "***", "ACME_KEY"]}'),
        (
            '{"apiKey": {"value": "Vq3nX8mK2pL5wR7tY9zB4cD6", "docs": "https://a.example"}}',
            '{"apiKey": {"value": "***", "docs": "https://a.example"}}',
        ),
        (
            '{"config": "{\\"api_key\\": \\"abc\\", \\"n\\": 1}"}',
            '{"config": "{\\"api_key\\": \\"***\\", \\"n\\": 1}"}',
        ),
        ('{"url": "https://a.example?api_key=abc&n=1"}', '{"url": "https://a.example?api_key=***&n=1"}'),
        ('{"command": "ACME_API_KEY=abc run"}', '{"command": "ACME_API_KEY=*** run"}'),
        (
            '{"pem": "-----BEGIN RSA PRIVATE KEY-----\\nMIIE\\n-----END RSA PRIVATE KEY-----\\n"}',
            '{"pem": "***\\n"}',
        ),
    ],
)
def test_a_value_under_the_name_of_a_secret_is_masked(written: str, masked: str):
    assert redact_body(written.encode(), ()).decode() == masked


@pytest.mark.parametrize("form", sorted(KEYS.keys() - {"no known form", "hexadecimal", "after a word"}))
@pytest.mark.parametrize("name", ["key", "note", "id"])
def test_a_well_known_key_is_masked_whatever_it_is_called(name: str, form: str):
    content = json.dumps({name: f"use {KEYS[form]}, please"}).encode()
    assert json.loads(redact_body(content, ())) == {name: "use ***, please"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32-be"])
def test_the_encoding_of_the_body_does_not_matter(encoding: str):
    content = json.dumps({"ä": 1, "apiKey": "abc"}, ensure_ascii=False).encode(encoding)
    assert redact_body(content, ()).decode(encoding) == '{"ä": 1, "apiKey": "***"}'


def test_masking_a_second_time_changes_nothing_and_the_same_gives_the_same():
    content = json.dumps({"providers": [{"apiKey": key, "name": name} for name, key in KEYS.items()]}).encode()
    masked = redact_body(content, ())
    assert redact_body(content, ()) == redact_body(masked, ()) == masked
    assert [each["apiKey"] for each in json.loads(masked)["providers"]] == ["***"] * len(KEYS)


def test_no_shipped_sample_is_touched():
    for slug in presets():
        sample = preset_sample(slug)
        assert redact_document(sample) == sample, slug


def test_a_body_that_would_take_too_long_is_refused():
    for content in (b'"api_key":"a",' * 200_000, b"%41" * 500_000, b'["secret=x",' * 200_000):
        with pytest.raises(ListingUnreadableError, match="more than 100,000 texts that may be secrets"):
            redact_body(content, ["sk-life/5f0c9d"])
