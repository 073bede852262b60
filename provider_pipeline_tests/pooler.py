"""A real PgBouncer in front of the tests' PostgreSQL, in transaction mode."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import make_url

from provider_pipeline.catalog.embedded import EmbeddedPostgres
from provider_pipeline_tests.dev_stack import free_port

REQUIRED = "PROVIDER_PIPELINE_REQUIRE_POOLER"


def pgbouncer() -> str:
    """The system's PgBouncer; without one the test is skipped, or fails where it must not be."""
    found = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if found is None:
        missing = "no pgbouncer on the PATH: apt-get install pgbouncer"
        (pytest.fail if os.environ.get(REQUIRED) else pytest.skip)(missing)
    return str(found)


@dataclass(frozen=True)
class Pooler:
    """A running PgBouncer.

    Attributes:
        port: Where it listens.
    """

    port: int

    def url(self, direct: str) -> str:
        """The URL of a database through the pooler, made of the direct one."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{make_url(direct).database}"


@contextmanager
def running_pooler(server: EmbeddedPostgres, folder: Path, *, pool_size: int = 5) -> Iterator[Pooler]:
    """Runs PgBouncer until the end of the block.

    Args:
        server: The server behind it.
        folder: For its settings and its log.
        pool_size: Server connections for each database.
    """
    executable, port = pgbouncer(), free_port()
    settings = folder / "pgbouncer.ini"
    settings.write_text(
        f"""
        [databases]
        * = host={make_url(server.url("postgres")).query["host"]} user=postgres

        [pgbouncer]
        listen_addr = 127.0.0.1
        listen_port = {port}
        unix_socket_dir =
        auth_type = any
        pool_mode = transaction
        default_pool_size = {pool_size}
        max_client_conn = 500
        query_wait_timeout = 60
        logfile = {folder / "pgbouncer.log"}
        """.replace("\n        ", "\n")
    )
    # Like the server, it does not run as root; the server's own user alone may enter the folder of its socket.
    owner = server.data.stat()
    folder.chmod(0o755)
    (folder / "pgbouncer.log").touch()
    os.chown(folder / "pgbouncer.log", owner.st_uid, owner.st_gid)
    account = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    with subprocess.Popen([executable, "-q", settings], cwd="/", **account) as process:
        try:
            _await(process, port, folder / "pgbouncer.log")
            yield Pooler(port)
        finally:
            process.terminate()


def _await(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        else:
            return
