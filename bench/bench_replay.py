"""Replays a new rule version over the last ten stored responses of each provider, out of 100,000 stored ones.

The floor reads the same responses in one query, unpacks, parses and hashes them, and compares the hashes with the
current models'. Run it: make bench, or with the number of responses per provider.
"""

import hashlib
import sys
import tempfile
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import psycopg
from fleet import Provider, even_fleet
from floor import items_of
from harness import Databases, Times, seconds
from ours import registered_at
from rich.console import Console
from rich.table import Table

from provider_pipeline import catalog
from provider_pipeline.catalog.database import Database, open_database
from provider_pipeline.catalog.embedded import EmbeddedPostgres
from provider_pipeline.sync.plan import stored_rule
from provider_pipeline.sync.repair.trials import store_for_trial
from provider_pipeline.sync.replay import replay_response

PROVIDERS = 100
EACH = 1_000
LAST = 10
ROUNDS = 3

_HASHES = "SELECT model_id, meta_hash FROM provider_model JOIN provider ON provider.id = provider_id AND slug = %s"
_LAST = """
SELECT page.content
FROM provider
CROSS JOIN LATERAL (
    SELECT id FROM raw_response WHERE provider_id = provider.id AND complete
    ORDER BY last_fetched_at DESC, id DESC LIMIT %s
) AS latest
JOIN raw_response_page AS page ON page.raw_response_id = latest.id
WHERE provider.slug = %s
"""


def store(connection: psycopg.Connection, providers: list[Provider], each: int) -> None:
    """Stores responses: each provider's latest ones are different editions, and all others repeat the first."""
    began = datetime.now(UTC) - timedelta(hours=each)
    ids = dict(connection.execute("SELECT slug, id FROM provider").fetchall())
    for provider in providers:
        bodies = [orjson.dumps(provider.pages(edition)[0][1]) for edition in range(LAST)]
        packed = [zlib.compress(body) for body in bodies]
        numbers = [max(0, number - (each - LAST)) for number in range(each)]
        with connection.cursor() as cursor:
            columns = "provider_id, sha256, complete, byte_count, page_count, fetched_at, last_fetched_at"
            with cursor.copy(f"COPY raw_response ({columns}) FROM STDIN") as copy:
                for number, edition in enumerate(numbers):
                    digest = hashlib.sha256(f"{provider.slug} {number}".encode()).hexdigest()
                    at = began + timedelta(hours=number)
                    copy.write_row([ids[provider.slug], digest, True, len(bodies[edition]), 1, at, at])
            stored = cursor.execute(
                "SELECT id FROM raw_response WHERE provider_id = %s ORDER BY fetched_at", [ids[provider.slug]]
            ).fetchall()
            columns = "raw_response_id, endpoint, number, url, status, headers, byte_count, content"
            with cursor.copy(f"COPY raw_response_page ({columns}) FROM STDIN") as copy:
                for (response_id,), edition in zip(stored, numbers, strict=True):
                    copy.write_row([response_id, 0, 1, "", 200, "{}", len(bodies[edition]), packed[edition]])
    connection.commit()
    connection.autocommit = True
    connection.execute("VACUUM ANALYZE")


def add_versions(database: Database, providers: list[Provider]) -> dict[str, int]:
    """Adds a version of every provider's rule that reads other fields."""
    versions = {}
    with database.session() as session:
        for provider in providers:
            provider_id = catalog.providers.get(session, provider.slug).id
            stored = stored_rule(session, catalog.rule_versions.active(session, provider_id)).to_stored()
            fields = {name: text for name, text in stored.model_list_config["fields"].items() if name != "created"}
            document = {
                "model_list_config": {**stored.model_list_config, "fields": {**fields, "kind": "type"}},
                "endpoints_config": stored.endpoints_config,
            }
            versions[provider.slug] = store_for_trial(session, provider_id, document, reason="bench")
        session.commit()
    return versions


def replay(database: Database, versions: dict[str, int]) -> None:
    """This project: validates every model, and compares the rows with the table."""
    with database.session() as session:
        for slug, version in versions.items():
            provider_id = catalog.providers.get(session, slug).id
            for response_id in catalog.raw_responses.recent_ids(session, provider_id, limit=LAST):
                if not replay_response(session, response_id, version=version).valid:
                    raise SystemExit("the bench's own rule does not fit its own listing")


def floor(connection: psycopg.Connection, providers: list[Provider]) -> None:
    """The least work that gives the changed models."""
    for provider in providers:
        known = dict(connection.execute(_HASHES, [provider.slug]).fetchall())
        for (content,) in connection.execute(_LAST, [LAST, provider.slug]):
            found = {
                model_id: hashlib.sha256(orjson.dumps(item, option=orjson.OPT_SORT_KEYS)).hexdigest()
                for model_id, item in items_of(provider, orjson.loads(zlib.decompress(content)))
            }
            [model_id for model_id, digest in found.items() if known.get(model_id) != digest]


def main() -> None:
    """Measures and prints the table."""
    each = int(sys.argv[1]) if len(sys.argv) > 1 else EACH
    # Providers with one page, so that responses and pages are the same number.
    providers = [provider for provider in even_fleet(2 * PROVIDERS) if len(provider.pages(0)) == 1][:PROVIDERS]
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, EmbeddedPostgres(Path(folder)) as server:
        databases = Databases(server)
        name = registered_at("https://fleet.example", providers, databases)
        with open_database(server.url(name)) as database, psycopg.connect(databases.conninfo(name)) as connection:
            store(connection, providers, each)
            versions = add_versions(database, providers)
            times = Times()
            for _ in range(ROUNDS):
                times.add("floor", "replay", seconds(lambda: floor(connection, providers)))
                times.add("ours", "replay", seconds(lambda: replay(database, versions)))
    table = Table(
        title=f"{each * PROVIDERS:,} stored responses; the last {LAST} of each of {PROVIDERS} providers replayed"
    )
    for column in ("system", "of the floor", "ms a response", "rounds"):
        table.add_column(column, justify="left" if column == "system" else "right")
    for system in ("floor", "ours"):
        taken = sorted(times.rounds[system, "replay"])[ROUNDS // 2] / (PROVIDERS * LAST)
        ratio = times.ratio(system, "replay", "floor", "replay")
        table.add_row(system, f"{ratio:.1f}", f"{taken * 1000:.1f}", str(ROUNDS))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
