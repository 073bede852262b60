"""One sync of a provider at a time, on a real PostgreSQL."""

import os
import re
import signal
import socket
import subprocess
import sys
import time

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from provider_pipeline.catalog import Database, Provider, open_database, sync_lock
from provider_pipeline.errors import SyncInProgressError
from provider_pipeline_tests.catalog.builders import register

HOLDER = """
import sys
from provider_pipeline.catalog import get_provider, open_database, sync_lock
with open_database(sys.argv[1], door="the CLI") as database, database.session() as session:
    with sync_lock(session, get_provider(session, "openai")):
        print("taken", flush=True)
        sys.stdin.read()
"""


@pytest.fixture
def provider(database: Database) -> Provider:
    with database.session() as session:
        return register(session)


def refused(database: Database, provider: Provider) -> SyncInProgressError:
    with (
        database.session() as session,
        pytest.raises(SyncInProgressError) as raised,
        sync_lock(session, provider),
    ):
        pass
    return raised.value


def test_whoever_comes_second_is_told_who_is_at_it_where_and_since_when(database: Database, provider: Provider):
    with open_database(database.url, door="the CLI") as other, other.session() as session, sync_lock(session, provider):
        error = refused(database, provider)
    assert error.holder == f"the CLI on {socket.gethostname()} (process {os.getpid()})"
    assert re.fullmatch(rf"openai is being synced by {re.escape(error.holder)} since \d\d:\d\d:\d\d UTC", error.message)
    assert f"{error.since:%H:%M:%S}" in error.message
    assert error.transient


def test_the_same_process_is_refused_as_well(database: Database, provider: Provider):
    with database.session() as session, sync_lock(session, provider):
        assert refused(database, provider).holder.startswith("Python on ")
        assert refused(database, provider).holder.startswith("Python on ")


def test_a_lock_is_given_back_at_the_end_and_after_an_error(database: Database, provider: Provider):
    with pytest.raises(ZeroDivisionError), database.session() as session, sync_lock(session, provider):
        raise ZeroDivisionError
    for _ in range(2):
        with database.session() as session, sync_lock(session, provider):
            pass
    with open_database(database.url) as other, other.session() as session, sync_lock(session, provider):
        pass


def test_what_is_left_of_a_holder_keeps_nobody_out(database: Database, provider: Provider):
    with open_database(database.url) as other, other.session() as session, sync_lock(session, provider):
        pass
    with database.session() as session:
        assert session.scalar(text("SELECT count(*) FROM provider_sync_lock")) == 1
        with sync_lock(session, provider):
            pass


def test_other_providers_are_not_kept_waiting_and_many_locks_take_one_connection(
    database: Database, provider: Provider
):
    with database.session() as session:
        others = [register(session, f"acme-{number}") for number in range(40)]
        locks = [sync_lock(session, other) for other in others]
        for lock in locks:
            lock.__enter__()
        query = "SELECT count(*), count(DISTINCT pid) FROM pg_locks WHERE locktype = 'advisory'"
        assert session.execute(text(query)).one() == (40, 1)
        assert database.engine.pool.checkedout() == 1  # the session's own
        with sync_lock(session, provider):
            pass
        for lock in locks:
            lock.__exit__(None, None, None)
        assert session.execute(text(query)).one() == (0, 0)


def test_a_holder_that_was_killed_leaves_no_lock(database: Database, provider: Provider):
    command = [sys.executable, "-c", HOLDER, database.url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "taken\n"
        assert f"process {holder.pid})" in refused(database, provider).message
        holder.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 30
    with database.session() as session:
        while True:
            try:  # the server has to notice first
                with sync_lock(session, provider):
                    return
            except SyncInProgressError:
                assert time.monotonic() < deadline


def test_a_connection_that_was_lost_costs_nothing_but_the_lock(database: Database, provider: Provider):
    with database.session() as session, sync_lock(session, provider):
        session.execute(
            text(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory' "
                "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
        )
        with open_database(database.url) as other, other.session() as another, sync_lock(another, provider):
            pass
    with database.session() as session, sync_lock(session, provider):
        assert refused(database, provider)


def test_a_session_that_was_made_elsewhere_has_a_lock_too(database: Database, provider: Provider):
    with Session(database.engine) as session, sync_lock(session, provider):
        assert refused(database, provider).holder.startswith("Python on ")
    with database.engine.connect() as connection, Session(connection) as session, sync_lock(session, provider):
        assert refused(database, provider)
    with database.session() as session, sync_lock(session, provider):
        pass
