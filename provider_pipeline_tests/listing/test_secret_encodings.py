"""Where a secret is found, however it is encoded. What is masked as a result is in `test_redaction`."""

import base64
from urllib.parse import quote

import pytest

from provider_pipeline.errors import ListingUnreadableError
from provider_pipeline.listing.redaction import redact_body, redact_quote
from provider_pipeline.listing.secret_encodings import (
    MAX_SUSPICIONS,
    EncodedSecret,
    merged,
    spans_in_body,
    spans_in_text,
)

KEY = "sk-demo/5f0c9d+8e5b"
SECRET = EncodedSecret.of(KEY)


@pytest.mark.parametrize(
    "written",
    [
        KEY,
        KEY.upper(),
        quote(KEY, safe=""),
        quote(quote(KEY, safe=""), safe=""),
        KEY.replace("/", "\\/"),
        KEY.replace("/", "&#x2F;"),
        base64.b64encode(KEY.encode()).decode().rstrip("="),
    ],
)
def test_the_span_of_a_secret_covers_its_encoded_form_and_nothing_else(written: str) -> None:
    text = f'{{"é": "{written}", "n": 1}}'.encode()
    ((start, end),) = spans_in_text(text, [SECRET], parts=False)
    found = text[start:end].decode()
    # In Base64, the last character may also depend on what follows the secret.
    assert found in (written, written[:-1])


def test_eight_characters_of_either_end_count_as_a_part() -> None:
    for part, found in ((KEY[:8], 1), (KEY[-8:], 1), (KEY[:7], 0), (KEY[1:9], 0)):
        assert len(spans_in_text(f"<{part}>".encode(), [SECRET], parts=True)) == found
        assert spans_in_text(f"<{part}>".encode(), [SECRET], parts=False) == []


def test_a_secret_is_found_wherever_its_own_letters_stand() -> None:
    content = KEY.encode() + b" " * 10_000 + KEY.upper().encode()
    assert spans_in_body(content, [SECRET], []) == [(0, len(KEY)), (len(content) - len(KEY), len(content))]


def test_a_secret_with_its_letters_escaped_is_found_only_near_a_suspicious_place() -> None:
    escaped = "".join(f"%{ord(letter):02x}" for letter in KEY).encode()
    content = escaped + b" " * 10_000 + escaped
    assert spans_in_body(content, [SECRET], [(0, 3)]) == [(0, len(escaped))]


def test_a_body_that_repeats_a_part_of_the_secret_too_often_is_refused() -> None:
    run = max(SECRET.runs, key=len)
    with pytest.raises(ListingUnreadableError, match="texts that may be secrets"):
        spans_in_body((run + b" ") * (MAX_SUSPICIONS + 1), [SECRET], [])


def test_a_body_with_too_many_escapes_near_suspicious_places_is_refused() -> None:
    content = b"%41" * (MAX_SUSPICIONS + 1)
    with pytest.raises(ListingUnreadableError, match="letters hidden in escapes"):
        spans_in_body(content, [SECRET], [(0, len(content))])


def test_spans_that_overlap_or_touch_are_merged() -> None:
    assert merged([(5, 7), (0, 2), (2, 4), (6, 9)]) == [(0, 4), (5, 9)]


LIKE_ESCAPES = "btn4frnu00e9x41uA0bf/7Tx2Nr"
"""A secret whose letters, after a backslash, would be escapes themselves."""
ESCAPED_LETTERS = {
    "JSON": "\\u{:04x}",
    "JSON in JSON": "\\\\u{:04x}",
    "JSON in JSON in JSON": "\\\\\\\\u{:04X}",
    "JSON, percent-encoded": "%5Cu{:04x}",
    "JSON in JSON, percent-encoded": "%5C%5Cu{:04x}",
    "a string literal": "\\x{:02x}",
    "a string literal in JSON": "\\\\x{:02X}",
    "a URL": "%{:02x}",
    "a URL in a URL": "%25{:02X}",
    "HTML": "&#{};",
    "HTML in HTML": "&amp;amp;#x{:x};",
    "HTML in a URL": "%26%23x{:x}%3B",
    "HTML in HTML in a URL in a URL": "%2526amp%253B%2523{}%253B",
}


@pytest.mark.parametrize("form", ESCAPED_LETTERS.values(), ids=ESCAPED_LETTERS)
@pytest.mark.parametrize("secret", [KEY, LIKE_ESCAPES])
def test_a_secret_with_every_character_escaped_is_masked_in_texts_and_bodies(secret: str, form: str) -> None:
    written = "".join(form.format(ord(char)) for char in secret)
    assert redact_quote(f"<{written}>", [secret]) == "<***>"
    assert redact_body(f'{{"id": "{written}"}}'.encode(), [secret]) == b'{"id": "***"}'
