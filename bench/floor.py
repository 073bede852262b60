"""The floor: the least work that puts every provider's models into a table.

It fetches concurrently, parses with orjson, hashes, copies into a staging table and upserts once. Where each provider's
models and ids are is written by hand. It validates nothing, and keeps neither listings nor history.
"""

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any

import orjson
import urllib3
from fleet import Provider
from harness import OwnDatabase

WORKERS = 8

Row = tuple[str, str, bytes, str]

_TABLES = """
CREATE TABLE model (
    provider text NOT NULL, model_id text NOT NULL, hash bytea NOT NULL, document jsonb NOT NULL,
    PRIMARY KEY (provider, model_id)
)
"""
_STAGE = "CREATE TEMPORARY TABLE staging (LIKE model) ON COMMIT DROP"
_UPSERT = """
INSERT INTO model SELECT * FROM staging
ON CONFLICT (provider, model_id) DO UPDATE SET hash = excluded.hash, document = excluded.document
WHERE model.hash <> excluded.hash
"""


def items_of(provider: Provider, document: Any) -> list[tuple[str, dict[str, Any]]]:
    """The items of a page, by id."""
    shape = provider.shape
    items = document if shape.items is None else document[shape.items]
    return list(items.items()) if shape.id_field is None else [(item[shape.id_field], item) for item in items]


def next_cursor(provider: Provider, document: Any) -> str | None:
    """The cursor of the next page; None after the last."""
    paging = provider.shape.paging
    if paging is None or (paging.more is not None and not document[paging.more]):
        return None
    cursor: str | None = document.get(paging.cursor)
    return cursor


def fetched(pool: urllib3.PoolManager, provider: Provider, server: str) -> Iterator[tuple[str, bytes, Any]]:
    """A provider's pages: URL, bytes and document."""
    url, cursor = f"{server}/{provider.slug}{provider.path}", None
    while True:
        fields = {provider.shape.paging.parameter: cursor} if provider.shape.paging and cursor else None
        content = pool.request("GET", url, fields=fields).data
        document = orjson.loads(content)
        yield url, content, document
        if (cursor := next_cursor(provider, document)) is None:
            return


def hashed(provider: Provider, document: Any) -> list[Row]:
    """The rows of a page."""
    rows = []
    for model_id, item in items_of(provider, document):
        content = orjson.dumps(item, option=orjson.OPT_SORT_KEYS)
        rows.append((provider.slug, model_id, hashlib.sha256(content).digest(), content.decode()))
    return rows


class Floor(OwnDatabase):
    """The floor as a system of the bench."""

    name = "floor"
    sees_etags = False

    def begin(self) -> None:
        """Starts with an empty table."""
        super().begin()
        with self.connect() as connection:
            connection.execute(_TABLES)

    def sync(self) -> None:
        """Syncs all providers, in one transaction."""
        with urllib3.PoolManager(maxsize=WORKERS) as pool, ThreadPoolExecutor(WORKERS) as threads:
            listings = threads.map(lambda provider: self._rows(pool, provider), self._fleet.providers)
            self.write(chain.from_iterable(listings))

    def write(self, rows: Iterable[Row]) -> None:
        """Copies and upserts the rows."""
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(_STAGE)
            with cursor.copy("COPY staging FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
            cursor.execute(_UPSERT)

    def models(self) -> int:
        """Rows in the table."""
        return self.count("model")

    def _rows(self, pool: urllib3.PoolManager, provider: Provider) -> list[Row]:
        pages = fetched(pool, provider, self._fleet.url)
        return [row for _, _, document in pages for row in hashed(provider, document)]
