"""A worker process: `python -m provider_pipeline_tests.sync.repair.worker_process URL SLUG GATE`.

It waits for an advisory lock that the test holds (the gate), answers the provider's tasks, and prints their statuses.
"""

import json
import sys

from sqlalchemy import text

from provider_pipeline import catalog
from provider_pipeline.sync.repair.worker import answer_tasks

WAIT = text("SELECT pg_advisory_xact_lock_shared(:gate)")


def main(url: str, slug: str, gate: str) -> None:
    """Answers the tasks of one provider."""
    with catalog.database.open_database(url) as database, database.session() as session:
        session.execute(WAIT, {"gate": int(gate)})
        session.rollback()
        sys.stdout.write(json.dumps([repair.status for repair in answer_tasks(session, slug)]))


if __name__ == "__main__":
    main(*sys.argv[1:])
