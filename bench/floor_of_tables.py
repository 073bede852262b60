"""The floor of the tables: the least work that fills the same tables as this project.

On top of the floor, it writes a row in `provider_model` for each model, one in `provider_model_change` for each new or
different one, the compressed listing, and for each provider its state and a notification. Where models and ids are is
written by hand, and nothing else is read: no rules, no validation, no capabilities. The time this project takes beyond
it is the price of those.
"""

import hashlib
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import psycopg
import urllib3
from fleet import Provider
from floor import WORKERS, fetched, hashed
from harness import OwnDatabase

_STAGE = """
CREATE TEMPORARY TABLE staging (provider_id bigint, model_id text, meta_hash text) ON COMMIT DROP;
CREATE TEMPORARY TABLE staged_page (
    provider_id bigint, sha256 text, number integer, url text, byte_count bigint, content bytea
) ON COMMIT DROP
"""
_LISTINGS = """
INSERT INTO raw_response (provider_id, sha256, complete, byte_count, page_count, fetched_at, last_fetched_at)
SELECT provider_id, sha256, true, sum(byte_count), count(*), now(), now() FROM staged_page GROUP BY 1, 2
ON CONFLICT (provider_id, sha256, complete) DO UPDATE SET last_fetched_at = now()
"""
_PAGES = """
INSERT INTO raw_response_page (raw_response_id, endpoint, number, url, byte_count, content, status, headers)
SELECT raw_response.id, 0, number, url, staged_page.byte_count, content, 200, '{}'
FROM staged_page JOIN raw_response USING (provider_id, sha256)
ON CONFLICT DO NOTHING
"""
_MODELS = """
WITH written AS (
    INSERT INTO provider_model AS old (
        provider_id, model_id, capabilities, capability_sources, meta_hash, first_seen_at, last_seen_at, rule_version
    )
    SELECT provider_id, model_id, '{"chat": true}', '{"chat": "regex"}', meta_hash, now(), now(), 1
    FROM staging
    ON CONFLICT (provider_id, model_id) DO UPDATE SET meta_hash = excluded.meta_hash, last_seen_at = now()
    WHERE old.meta_hash <> excluded.meta_hash
    RETURNING old.provider_id, old.model_id, old.first_seen_at = now() AS is_new
),
change AS (
    INSERT INTO provider_model_change (provider_id, model_id, kind, rule_version, changed_at)
    SELECT provider_id, model_id, CASE WHEN is_new THEN 'added' ELSE 'updated' END, 1, now() FROM written
    RETURNING provider_id
)
INSERT INTO notification (event_key, kind, provider_id, payload, created_at, attempts, next_attempt_at)
SELECT concat(provider_id, now()), 'models_changed', provider_id, '{}', now(), 0, now()
FROM change GROUP BY provider_id
"""
_STATES = """
INSERT INTO provider_sync (provider_id, last_checked_at, last_success_at, raw_response_id, rule_version, last_result)
SELECT provider_id, now(), now(), raw_response.id, 1, '{}'
FROM (SELECT DISTINCT provider_id, sha256 FROM staged_page) AS listed JOIN raw_response USING (provider_id, sha256)
ON CONFLICT (provider_id) DO UPDATE SET
    last_checked_at = now(), last_success_at = now(), raw_response_id = excluded.raw_response_id
"""


@dataclass
class Listing:
    """One provider's listing, ready to be copied."""

    provider_id: int
    sha256: Any = field(default_factory=hashlib.sha256)
    pages: list[tuple[int, str, int, bytes]] = field(default_factory=list)
    models: list[tuple[str, str]] = field(default_factory=list)


class FloorOfTables(OwnDatabase):
    """The floor of the tables as a system of the bench; its database starts with providers and rules only."""

    name = "floor of the tables"
    sees_etags = False

    def sync(self) -> None:
        """Syncs all providers, in one transaction."""
        with (
            self.connect() as connection,
            urllib3.PoolManager(maxsize=WORKERS) as pool,
            ThreadPoolExecutor(WORKERS) as threads,
        ):
            ids = dict(connection.execute("SELECT slug, id FROM provider").fetchall())
            connection.execute(_STAGE)
            listings = threads.map(lambda each: self._listing(pool, each, ids[each.slug]), self._fleet.providers)
            self._write(connection, list(listings))

    def models(self) -> int:
        """Rows in the table."""
        return self.count("provider_model")

    def _listing(self, pool: urllib3.PoolManager, provider: Provider, provider_id: int) -> Listing:
        listing = Listing(provider_id)
        for url, content, document in fetched(pool, provider, self._fleet.url):
            listing.sha256.update(content)
            listing.pages.append((len(listing.pages), url, len(content), zlib.compress(content)))
            listing.models += [(model_id, digest.hex()) for _, model_id, digest, _ in hashed(provider, document)]
        return listing

    def _write(self, connection: psycopg.Connection, listings: list[Listing]) -> None:
        with connection.cursor() as cursor:
            with cursor.copy("COPY staging FROM STDIN") as copy:
                for listing in listings:
                    for model in listing.models:
                        copy.write_row((listing.provider_id, *model))
            with cursor.copy("COPY staged_page FROM STDIN") as copy:
                for listing in listings:
                    for page in listing.pages:
                        copy.write_row((listing.provider_id, listing.sha256.hexdigest(), *page))
            for statement in ("ANALYZE staging", _LISTINGS, _PAGES, _MODELS, _STATES):
                cursor.execute(statement)
