import os
import signal
import subprocess
import sys
import threading

import pytest

from provider_pipeline.catalog.database import Database
from provider_pipeline_tests.catalog.builders import NOON, counts, hours_later, model, wait_for_a_lock, write_models


def test_a_second_writer_of_the_same_provider_waits_for_the_first(database: Database, session, provider, write):
    rows = [model("a"), model("b")]
    write_models(session, provider.id, rows, rule_version=1, now=NOON)
    results = []

    def second_writer():
        with database.session() as other, other.begin():
            results.append(write_models(other, provider.id, rows, rule_version=1, now=hours_later(1)))

    writer = threading.Thread(target=second_writer)
    writer.start()
    wait_for_a_lock(database)
    assert results == []
    session.commit()
    writer.join(timeout=10)
    assert counts(results[0]) == {"unchanged": 2}


WRITER = """
import sys, time
from provider_pipeline.catalog.database import open_database
from provider_pipeline_tests.catalog.builders import hours_later, model, write_models

def rows(stop_after):
    for number in range(20_000):
        if number == stop_after:
            print("here", flush=True)
            time.sleep(60)
        yield model(f"model-{number}", family="new")

url, provider_id, when = sys.argv[1], int(sys.argv[2]), sys.argv[3]
with open_database(url) as database, database.session() as session, session.begin():
    write_models(
        session, provider_id, rows(15_000 if when == "arriving" else None), rule_version=1, now=hours_later(1)
    )
    print("here", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("when", ["arriving", "written"])
def test_a_process_killed_in_the_middle_of_a_write_leaves_the_old_rows(
    database: Database, provider, write, row_versions, when
):
    old = [model(f"model-{number}") for number in range(500)]
    write(old)
    before = row_versions("provider_model")
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, database.url, str(provider.id), when], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "here\n"
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert counts(write(old, hour=2)) == {"unchanged": 500}
    after = row_versions("provider_model")
    assert {place: after[place] for place in before} == before
    assert len(after) == 500
