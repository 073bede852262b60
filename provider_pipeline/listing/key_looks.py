"""Recognises names that carry secrets, and texts that look like keys.

The forms of well-known keys are in `data/key_patterns.toml`.
"""

import math
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from importlib import resources
from typing import Any, Final

import re2

from provider_pipeline.listing.secret_encodings import Span

_SENSITIVE_NAME: Final = re.compile(
    r"(?:^|[-_.])(?:api[-_]?)?key$|(?:^|-)token$|(?:access|auth|id|refresh|api)[-_]?token$"
    r"|secret|passw|credential|signature$|^sig$|(?:^|[-_])(?:auth|bearer|jwt|pat)$|authorization|cookie",
    re.IGNORECASE,
)
_SENSITIVE_VARIABLE: Final = re.compile(
    r"(?:^|_)(?:[A-Z]*KEYS?|[A-Z]*TOKENS?|PAT|PWD|PASS|DSN|JWT|COOKIES?|AUTH|BEARER)$"
    r"|SECRET|PASSW|PASSPHRASE|CREDENTIAL|PRIVATE|CONNECTION_STRING|(?:DATABASE|DB|REDIS|MONGO\w*|AMQP|BROKER)_UR[IL]",
    re.IGNORECASE,
)
_OWN_PREFIXES: Final = ("PROVIDER_PIPELINE_", "DAGSTER_")
# Values under these names are ids, which may be as random as a key: `OpenAI-Organization: org-...`.
_IDENTIFYING_NAME: Final = re.compile(
    r"(?:^|[-_])(?:ids?|org|organi[sz]ation|project|account|tenant|team|workspace|customer|user|app|name|version)$",
    re.IGNORECASE,
)
# Boundaries on both sides, because 64 hexadecimal digits do not contain a UUID.
_UUID: Final = re.compile(
    r"(?<![0-9A-Za-z])[0-9a-f]{8}(-?)(?:[0-9a-f]{4}\1){3}[0-9a-f]{12}(?![0-9A-Za-z])", re.IGNORECASE
)
_HEX: Final = re.compile(r"(?<![0-9A-Za-z])[0-9a-f]{40,}(?![0-9A-Za-z])", re.IGNORECASE)
_WORD: Final = re.compile(r"[A-Za-z0-9+/=_.~-]+")
# Not from upper to lower case, because words begin so.
_CHANGES: Final = re.compile(r"(?<=[a-z])(?=[A-Z0-9])|(?<=[A-Z])(?=[0-9])|(?<=[0-9])(?=[A-Za-z])")
# Twelve letters and digits, both among them.
_RUN: Final = re.compile(r"(?=[A-Za-z]*[0-9])(?=[0-9]*[A-Za-z])[A-Za-z0-9]{12,}")
MIN_KEY_LENGTH: Final = 16
"""Characters of the shortest text that may be a key: no well-known form is shorter."""
_MIN_RANDOM_LENGTH: Final = 20
_RANDOM_CHANGES: Final = 0.28
"""Changes of kind per character: 0.44 in random letters and digits, 0.2 in joined words and versions."""
_PREFIXED_CHANGES: Final = 0.2
_MIN_ENTROPY: Final = 3.0
"""Bits per character; placeholders such as `xxxx` have fewer."""


def _well_known() -> str:
    text = (resources.files(__package__) / "data" / "key_patterns.toml").read_text(encoding="utf-8")
    patterns = tomllib.loads(text)["pattern"]
    sure = "|".join(each["regex"] for each in patterns if not each.get("mixed"))
    mixed = "|".join(each["regex"] for each in patterns if each.get("mixed"))
    return rf"(?:\b|_)({sure}|({mixed}))"


def bytes_options() -> Any:
    """RE2 options to match raw bytes."""
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    return options


WELL_KNOWN: Final = _well_known()
"""RE2: candidates for well-known keys, for `confirmed_key`. Group 1 is the key, group 2 is set if `mixed`."""
_WELL_KNOWN_KEY: Final = re2.compile(WELL_KNOWN.encode(), bytes_options())


def is_sensitive_name(name: str) -> bool:
    """Whether a parameter or header of this name usually carries a secret (`key`, `api_key`, `access_token`, ...)."""
    return _SENSITIVE_NAME.search(name) is not None


def is_our_variable(name: str) -> bool:
    """Whether an environment variable belongs to this product or to Dagster, and so holds no provider's key."""
    return name.upper().startswith(_OWN_PREFIXES)


def is_sensitive_variable(name: str) -> bool:
    """Whether an environment variable of this name usually holds a secret (`ACME_KEY`, `HF_TOKEN`, `DATABASE_URL`)."""
    return _SENSITIVE_VARIABLE.search(name) is not None


def looks_like_a_key(text: str, *, name: str = "") -> bool:
    """Whether a text contains a key: of a well-known form, or random text unlike a name, version or date.

    A UUID, with hyphens or without, does not count: projects, accounts and tenants have UUIDs too. If `name`, of the
    header or parameter, is that of an id, only well-known forms count.
    """
    if len(text) < MIN_KEY_LENGTH:
        return False
    if holds_well_known_key(text):
        return True
    if _IDENTIFYING_NAME.search(name):
        return False
    return _HEX.search(text) is not None or any(map(_is_random, _WORD.findall(_UUID.sub(" ", text))))


def holds_well_known_key(text: str) -> bool:
    """Whether a text contains a key of a well-known form."""
    return next(well_known_keys(text.encode("utf-8", "replace")), None) is not None


def well_known_keys(text: bytes) -> Iterator[Span]:
    """The spans of keys of well-known forms, such as `ghp_...`."""
    for match in _WELL_KNOWN_KEY.finditer(text):
        yield from confirmed_key(text, match.span(1), mixed=match[2] is not None)


def confirmed_key(text: bytes, span: Span, *, mixed: bool) -> Iterator[Span]:
    """The span of a match of `WELL_KNOWN`, unless it is a placeholder or an ordinary word with the same prefix."""
    start, end = span
    key = text[start:end].decode("latin-1")
    if key.startswith("BEGIN"):
        last = text.find(b"-----END", end)
        end = text.find(b"-----", last + 8) + 5 if last >= 0 else len(text)
        yield max(0, start - 5), end
    elif len(set(key)) >= 2**_MIN_ENTROPY and (not mixed or _is_mixed(key)):
        yield start, end


def _is_random(word: str) -> bool:
    kinds = (str.isupper, str.islower, str.isdigit)
    return (
        all(any(map(kind, word)) for kind in kinds)
        and sum(map(str.isalnum, word)) >= _MIN_RANDOM_LENGTH
        and _mixes(word, _RANDOM_CHANGES)
        and _entropy(word) >= _MIN_ENTROPY
    )


def _is_mixed(key: str) -> bool:
    return _mixes(key, _PREFIXED_CHANGES) or _RUN.search(key) is not None


def _mixes(word: str, changes: float) -> bool:
    return len(_CHANGES.findall(word)) >= changes * sum(map(str.isalnum, word))


def _entropy(text: str) -> float:
    """Shannon entropy in bits per character."""
    return -sum(count / len(text) * math.log2(count / len(text)) for count in Counter(text).values())
