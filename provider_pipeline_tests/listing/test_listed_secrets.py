"""Other people's keys in a listing are masked, and what is honest under such names stays byte for byte."""

import json
from typing import Any

import pytest

from provider_pipeline.errors import ListingUnreadableError
from provider_pipeline.listing.redaction import redact_body, redact_document, redact_quote
from provider_pipeline.presets.library import preset_sample, presets
from provider_pipeline_tests.listing.keys import KEYS

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


RANDOM = KEYS["no known form"]


@pytest.mark.parametrize(
    "document",
    [
        {"env": [{"name": "ACME_API_KEY", "value": RANDOM}]},
        {"env": {"ACME": RANDOM}},
        {"headers": [["X-Api-Key", RANDOM]]},
        {"headers": {"X-Gateway": RANDOM}},
        {"auth": {"type": "bearer", "value": RANDOM}},
        {"apiKeys": [{"key": RANDOM, "name": "first"}]},
        {"apiKey": {"acme": {"production": {"value": RANDOM}}}},
        {"api_keys": {RANDOM: {"models": ["a"]}}},
        {"key": RANDOM},
        {"openai_key": RANDOM},
        {"auth_header": f"Bearer {RANDOM}"},
        {"apiKey1": RANDOM},
        {"api_key_value": RANDOM},
        {"cookie": f"session={RANDOM}"},
        {"dbPwd": RANDOM},
        {"jwt": RANDOM},
        {"note": f"X-Api-Key: {RANDOM}"},
        {"note": f"curl -H 'Authorization: Bearer {RANDOM}'"},
        {"note": f"api_key: {RANDOM}\nmodel: a"},
        {"note": f"api_key = {RANDOM}"},
        {"note": f"{{'api_key': '{RANDOM}'}}"},
        {"note": f"<apiKey>{RANDOM}</apiKey>"},
        {"url": f"https://acme.example/v1?key={RANDOM}"},
        {"url": f"https://user:{RANDOM}@acme.example/v1"},
        {"url": f"redis://:{RANDOM}@acme.example"},
        {"url": f"https://{RANDOM}@acme.example/v1"},
        {"config": json.dumps({"api_keys": [{"key": RANDOM}]})},
    ],
    ids=json.dumps,
)
def test_a_key_of_no_known_form_is_masked_wherever_a_name_tells_that_it_is_one(document: dict[str, Any]):
    for content in (json.dumps(document), json.dumps(document, separators=(",", ":")), json.dumps(document, indent=1)):
        shown = redact_body(content.encode(), ()).decode()
        assert RANDOM not in shown
        assert "***" in shown
        json.loads(shown)
        assert redact_body(shown.encode(), ()).decode() == shown


def test_a_password_in_a_url_is_masked_however_weak_it_is():
    content = b'{"dsn": "postgres://user:hunter2@db.example/models", "docs": "https://user:password@a.example"}'
    assert redact_body(content, ()) == content.replace(b"hunter2", b"***")
    assert redact_quote("no route to redis://:hunter2@cache.example:6379/0 now") == (
        "no route to redis://:***@cache.example:6379/0 now"
    )


def test_a_server_s_error_that_quotes_somebody_else_s_key_of_no_known_form_is_masked():
    assert redact_quote(f"upstream sent 'Authorization: Bearer {RANDOM}'") == (
        "upstream sent 'Authorization: Bearer ***'"
    )


@pytest.mark.parametrize(
    "document",
    [
        {"key": "accounts/acme/models/llama-v3p1-405b-instruct"},
        {"key": "clh3h8f6a0000qw83h5g4xk2j"},
        {"model_key": "mp2huzrg06e426ad12f3:kimi-k2.7-code"},
        {"next_key": RANDOM},
        {"last_evaluated_key": RANDOM},
        {"cache_key": RANDOM},
        {"keys": {"publicKey": RANDOM}},
        {"next": f"https://acme.example/v1/models?key={RANDOM}"},
        {"auth": {"type": "bearer", "env": "ACME_API_KEY", "docs": "https://acme.example/docs/get-an-api-key-2024-v2"}},
        {"env": {"ACME_API_KEY": "", "ACME_REGION": "us-east-1"}, "headers": ["anthropic-version: 2023-06-01"]},
        {"note": "Authorization: Bearer token-for-your-own-account-of-2024"},
        {"image": "https://cdn.example/npm/@acme/icons@1.2.3/acme.svg", "mail": "mailto:models@acme.example"},
        {"token": RANDOM},
    ],
    ids=json.dumps,
)
def test_ids_page_tokens_and_prose_about_keys_stay_byte_for_byte(document: dict[str, Any]):
    content = json.dumps(document).encode()
    assert redact_body(content, ()) == content


def test_searching_lists_in_lists_of_secrets_takes_no_longer_than_the_body():
    content = b'{"data":' + b'{"api_keys":[' * 50_000 + b"]}" * 50_000 + b"}"
    assert redact_body(content, ()) == content
