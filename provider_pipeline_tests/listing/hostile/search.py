"""Searches texts and whole databases for the key in every possible form, and for other people's keys."""

import base64
import html
import json
import zlib
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote, quote_plus

from sqlalchemy import Engine, MetaData, String, cast, select
from sqlalchemy.dialects.postgresql import BYTEA

from provider_pipeline_tests.listing.hostile.behaviour import KEY, USER
from provider_pipeline_tests.listing.hostile.disguises import CUT, OTHERS, THRICE, TWICE

FORMS: Final = frozenset(
    form.lower()
    for form in (
        KEY,
        KEY[:8],  # what a server leaves of a key that it stars out
        CUT,
        TWICE,
        THRICE,
        html.escape(KEY),
        html.escape(KEY).replace("/", "&#x2F;"),
        *OTHERS,
        quote(KEY),
        quote(KEY, safe=""),
        quote_plus(KEY),
        KEY.replace("/", "\\/"),
        "".join(f"\\u{ord(char):04x}" for char in KEY),
        base64.b64encode(KEY.encode()).decode().rstrip("="),
        base64.b64encode(f"{USER}:{KEY}".encode()).decode().rstrip("="),
    )
)


def forms_in(content: str | bytes) -> list[str]:
    """The forms of the key that a text or some bytes hold."""
    return sorted({form for text in _readings(content) for form in FORMS if form in text.lower()})


def places_in(engine: Engine) -> Iterator[str]:
    """Every column of every table of a database that holds the key, with the form."""
    tables = MetaData()
    with engine.connect() as connection:
        for schema in connection.dialect.get_schema_names(connection):
            if schema != "information_schema":
                tables.reflect(connection, schema=schema, views=True)
        for table in tables.tables.values():
            for column in table.columns:
                raw = isinstance(column.type, BYTEA)
                for value in connection.scalars(select(column if raw else cast(column, String))):
                    for form in forms_in(_unpacked(value) if raw else value or ""):
                        yield f"{table.fullname}.{column.name}: {form}"


def _unpacked(value: bytes | None) -> bytes:
    try:
        return zlib.decompress(value or b"")
    except zlib.error:
        return value or b""


def _readings(content: str | bytes) -> Iterator[str]:
    if isinstance(content, str):
        yield content
        return
    for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
        yield content.decode(encoding, "replace")
    try:
        yield json.dumps(json.loads(content), ensure_ascii=False)
    except (ValueError, RecursionError):
        return
