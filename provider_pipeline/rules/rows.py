"""The documented row: its columns and its change hash.

Here: what a row is once it is extracted. Not here: how it is extracted (`extraction.py`), what people set on top of it
(`overriding.py`) or how it is stored. See docs/rules.md.
"""

import hashlib
import json
import operator
from collections.abc import Mapping
from typing import Any, Final

import orjson

from provider_pipeline.rules.model_columns import PROVIDER_MODEL_COLUMNS

ROW_COLUMNS: Final = tuple(column.name for column in PROVIDER_MODEL_COLUMNS if column.listed)
MEANINGFUL_COLUMNS: Final = tuple(sorted(column.name for column in PROVIDER_MODEL_COLUMNS if column.compared))
"""The columns that the change hash is of."""
meaning_of = operator.itemgetter(*MEANINGFUL_COLUMNS)
"""The values of these columns, of a row that has them all."""
_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode


def canonical_json(value: Any) -> str:
    """The one JSON text of a value: sorted keys, no spaces, ASCII. Equal values have equal texts."""
    return _canonical(value)


def digest_of(value: Any) -> str:
    """The SHA-256 of the canonical JSON, as 64 hexadecimal characters."""
    return hashlib.sha256(_canonical(value).encode("ascii")).hexdigest()


def content_digest(value: Any) -> str:
    """A SHA-256 that equal values share, whatever the order of their keys: `digest_of`, several times as fast.

    The two are not comparable with each other. Numbers must be finite.
    """
    return sized_digest(value)[0]


def sized_digest(value: Any) -> tuple[str, int]:
    """The `content_digest`, and how many bytes of JSON it is of."""
    try:
        text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # integers of more than 64 bits and halves of surrogate pairs
        text = _canonical(value).encode("ascii")
    return hashlib.sha256(text).hexdigest(), len(text)


def meta_hash(row: Mapping[str, Any]) -> str:
    """The hash that changes exactly when a meaningful column of the row does.

    Provenance (`capability_sources`) and the hash itself are not meaningful; fields that change by themselves never get
    into a row.
    """
    return content_digest(
        meaning_of(row) if len(row) >= len(ROW_COLUMNS) else tuple(row.get(column) for column in MEANINGFUL_COLUMNS)
    )
