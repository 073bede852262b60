"""One sync of a provider at a time: leases that expire, on a real PostgreSQL."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from provider_pipeline.catalog.database import Database, open_database
from provider_pipeline.catalog.migrations import upgrade
from provider_pipeline.catalog.providers import Provider
from provider_pipeline.catalog.sync_locks import LEASE, RENEW_EVERY, SyncLocks, sync_lock
from provider_pipeline.errors import SyncInProgressError
from provider_pipeline_tests.catalog.builders import let_leases_expire, register, upgrade_to, wait_for_a_lock

HOLDER = """
import sys
from provider_pipeline.catalog.providers import get
from provider_pipeline.catalog.database import open_database
from provider_pipeline.catalog.sync_locks import sync_lock
with open_database(sys.argv[1], client_name="the CLI") as database, database.session() as session:
    with sync_lock(session, get(session, "openai")):
        print("taken", flush=True)
        sys.stdin.read()
"""
FORKING = """
import os, sys
from sqlalchemy import text
from provider_pipeline.catalog.database import open_database
from provider_pipeline.errors import CatalogError
with open_database(sys.argv[1]) as database:
    database.locks.take(["openai"])
    child = os.fork()
    if not child:
        database.locks.close()
        try:
            database.locks.take(["openai"])
        except CatalogError as error:
            print(type(error).__name__, flush=True)
        os._exit(0)
    print(os.waitpid(child, 0)[1])
    with database.session() as session:
        print(session.scalar(text("SELECT count(*) FROM provider_sync_lease")))
"""
SHORT = {"lease": timedelta(seconds=1), "renew_every": 0.2}


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


@contextmanager
def two_processes(database: Database, **options) -> Iterator[tuple[SyncLocks, SyncLocks]]:
    """Two sets of locks, like those of two processes."""
    with (
        closing(SyncLocks(database.engine, "one", **options)) as one,
        closing(SyncLocks(database.engine, "two")) as two,
    ):
        yield one, two


def await_renewal(database: Database) -> None:
    """Waits until leases that have expired are renewed."""
    deadline = time.monotonic() + 60
    with database.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as observer:
        while observer.scalar(text("SELECT min(expires_at) <= clock_timestamp() FROM provider_sync_lease")):
            assert time.monotonic() < deadline
            time.sleep(0.05)


def leases(database: Database) -> int:
    with database.session() as session:
        return session.scalar(text("SELECT count(*) FROM provider_sync_lease"))


def test_the_second_process_learns_which_one_is_syncing_and_since_when(database: Database, provider: Provider):
    with (
        open_database(database.url, client_name="the CLI") as other,
        other.session() as session,
        sync_lock(session, provider),
    ):
        error = refused(database, provider)
    assert error.holder == f"the CLI on {socket.gethostname()} (process {os.getpid()})"
    assert re.fullmatch(
        rf"openai is being synced by {re.escape(error.holder)} since \d\d:\d\d:\d\d UTC; "
        r"its lease ends at \d\d:\d\d:\d\d UTC unless renewed",
        error.message,
    )
    assert f"since {error.since:%H:%M:%S}" in error.message
    assert f"ends at {error.until:%H:%M:%S}" in error.message
    # The clock is read twice, and so a microsecond apart at times.
    assert timedelta(0) < error.until - error.since <= LEASE + timedelta(seconds=1)
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


def test_many_locks_are_few_statements_and_hold_no_connection(database: Database, provider: Provider):
    with database.session() as session:
        others = [register(session, f"acme-{number}").slug for number in range(40)]
    with closing(SyncLocks(database.engine, "one")) as locks:
        assert locks.take(others) == {}
        assert database.engine.pool.checkedout() == 0
        assert leases(database) == 40
        with database.session() as session, sync_lock(session, provider):
            assert leases(database) == 41
        locks.release(others)
        assert leases(database) == 0


def test_a_holder_that_was_killed_keeps_others_out_for_no_longer_than_a_lease_lasts(
    database: Database, provider: Provider
):
    command = [sys.executable, "-c", HOLDER, database.url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "taken\n"
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert f"the CLI on {socket.gethostname()} (process {holder.pid})" in refused(database, provider).message
    assert timedelta(0) < let_leases_expire(database) <= LEASE
    with database.session() as session, sync_lock(session, provider):
        assert refused(database, provider).holder.startswith("Python on ")


def test_a_lease_is_renewed_several_times_before_it_expires():
    assert LEASE / timedelta(seconds=RENEW_EVERY) >= 4


def test_a_lock_outlasts_its_lease_while_its_process_lives(database: Database, provider: Provider):
    with two_processes(database, **SHORT) as (one, two):
        assert one.take(["openai"]) == {}
        since = two.take(["openai"])["openai"].until
        deadline = time.monotonic() + 60
        while (refusal := two.take(["openai"])["openai"]).until < since + 2 * SHORT["lease"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert refusal.holder.startswith("one on ")


def test_a_renewal_that_fails_is_made_up_for_by_the_next_one(database: Database, provider: Provider):
    with two_processes(database, **SHORT) as (one, two):
        assert one.take(["openai"]) == {}
        with database.engine.begin() as connection:
            connection.execute(text("ALTER TABLE provider_sync_lease RENAME TO gone"))
        time.sleep(3 * SHORT["renew_every"])
        with database.engine.begin() as connection:
            connection.execute(text("ALTER TABLE gone RENAME TO provider_sync_lease"))
        let_leases_expire(database)
        await_renewal(database)
        assert two.take(["openai"])["openai"].holder.startswith("one on ")


def test_an_expired_lease_stays_its_owner_s_until_another_process_takes_it_over(database: Database, provider: Provider):
    with two_processes(database) as (one, two), database.session() as session:
        one.take(["openai"])
        let_leases_expire(database)
        assert one.lock_providers(session, [provider.id]) == {provider.id}
        session.rollback()
        assert two.take(["openai"]) == {}
        assert one.lock_providers(session, [provider.id]) == set()
        assert two.lock_providers(session, [provider.id]) == {provider.id}
        session.rollback()
        one.release(["openai"])
        assert leases(database) == 1
        two.release(["openai"])
        assert one.lock_providers(session, [provider.id]) == two.lock_providers(session, [provider.id]) == set()


def test_a_lease_is_not_taken_over_while_its_owner_writes_but_can_be_renewed(database: Database, provider: Provider):
    with two_processes(database, **SHORT) as (one, two), database.session() as session:
        one.take(["openai"])
        assert one.lock_providers(session, [provider.id]) == {provider.id}
        let_leases_expire(database)
        assert two.take(["openai"])["openai"].holder.startswith("one on ")
        await_renewal(database)


def test_a_take_over_that_is_not_committed_yet_keeps_the_old_owner_from_writing(database: Database, provider: Provider):
    taken_over = "UPDATE provider_sync_lease SET token = gen_random_uuid(), expires_at = clock_timestamp()"
    found: list[set[int]] = []

    def write() -> None:
        with database.session() as session:
            found.append(one.lock_providers(session, [provider.id]))

    with two_processes(database) as (one, _), database.session() as session:
        one.take(["openai"])
        session.execute(text(taken_over))
        writing = threading.Thread(target=write)
        writing.start()
        wait_for_a_lock(database)
        session.commit()
        writing.join()
    assert found == [set()]


def test_what_could_not_be_given_back_is_free_for_the_same_process_at_once(database: Database, provider: Provider):
    with two_processes(database) as (one, two):
        one.take(["openai"])
        with database.engine.begin() as connection:
            connection.execute(text("ALTER TABLE provider_sync_lease RENAME TO gone"))
        one.release(["openai"])
        with database.engine.begin() as connection:
            connection.execute(text("ALTER TABLE gone RENAME TO provider_sync_lease"))
        assert set(two.take(["openai"])) == {"openai"}
        assert one.take(["openai"]) == {}


def test_processes_that_take_the_same_providers_at_once_share_them(database: Database):
    with database.session() as session:
        slugs = [register(session, f"acme-{number}").slug for number in range(30)]
    together = threading.Barrier(4, timeout=60)
    taken: list[str] = []

    def take(locks: SyncLocks, wanted: list[str]) -> None:
        together.wait()
        refused = locks.take(wanted)
        taken.extend(slug for slug in wanted if slug not in refused)

    with ExitStack() as stack:
        for _ in range(100):
            taken.clear()
            processes = [stack.enter_context(closing(SyncLocks(database.engine, str(number)))) for number in range(4)]
            orders = [slugs, slugs[::-1], slugs[15:] + slugs[:15], slugs]
            threads = [threading.Thread(target=take, args=each) for each in zip(processes, orders, strict=True)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert sorted(taken) == sorted(slugs)
            # The next ones find some that are free, and some that have expired.
            processes[0].close()
            let_leases_expire(database)


def test_a_forked_process_neither_uses_nor_gives_back_what_its_parent_has(database: Database, provider: Provider):
    finished = subprocess.run([sys.executable, "-c", FORKING, database.url], capture_output=True, text=True, check=True)
    assert finished.stdout.split() == ["CatalogError", "0", "1"]


def test_a_session_that_was_made_elsewhere_has_a_lock_too(database: Database, provider: Provider):
    with Session(database.engine) as session, sync_lock(session, provider):
        assert refused(database, provider).holder.startswith("Python on ")
    with database.engine.connect() as connection, Session(connection) as session, sync_lock(session, provider):
        assert refused(database, provider)
    with database.session() as session, sync_lock(session, provider):
        pass


def test_a_sync_under_way_keeps_its_provider_through_the_upgrade_and_one_that_is_over_does_not(
    empty_database_url: str,
):
    key = "(CAST(1937337955 AS bigint) << 32) | id"  # of the advisory locks of before
    with open_database(empty_database_url) as database:
        upgrade_to(database.engine, "0014")
        with database.engine.connect() as old:
            old.execute(text("INSERT INTO provider (slug, name) VALUES ('busy', 'Busy'), ('idle', 'Idle')"))
            old.execute(text(f"SELECT pg_advisory_lock({key}) FROM provider WHERE slug = 'busy'"))
            old.execute(
                text(
                    "INSERT INTO provider_sync_lock SELECT id, 'the CLI on somewhere', now(), pg_backend_pid() "
                    "FROM provider"
                )
            )
            old.commit()
            upgrade(database.engine)
            refusals = database.locks.take(["busy", "idle"])
    assert {slug: refusal.holder for slug, refusal in refusals.items()} == {"busy": "the CLI on somewhere"}
