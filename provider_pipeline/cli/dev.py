"""`provider-pipeline dev`: the Dagster UI and daemon, on your own catalogue or the demo's."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from contextlib import ExitStack, suppress
from types import FrameType
from typing import Annotated

import psutil
import typer

from provider_pipeline import catalog
from provider_pipeline.cli.console import note
from provider_pipeline.cli.demo import ListingsOption, demo_workbench, prepare_samples, sample_keys, sample_server
from provider_pipeline.cli.workbench import Workbench, python_module, running, workbench
from provider_pipeline.errors import ConfigurationError, DatabaseUnavailableError

HOST = "127.0.0.1"

_POLL_SECONDS = 2
_MAX_COMMAND_LENGTH = 100


def dev(
    port: Annotated[int, typer.Option(help="Port of the UI.")] = 3000,
    demo: Annotated[bool, typer.Option("--demo", help="Open the demo's catalogue, and serve its samples.")] = False,
    listings: ListingsOption = None,
) -> None:
    """Run `dagster dev`: UI, daemon, schedules and sensors. Ctrl-C ends everything.

    Without --demo it opens your own catalogue, in which it adds and changes no provider.
    """
    if listings is not None and not demo:
        raise typer.BadParameter("--listings goes with --demo: your own catalogue takes no samples")
    _check_port(port)
    # A shell starts background jobs with Ctrl-C ignored, and the children would inherit that.
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, _interrupt)
    with ExitStack() as stack:
        keys: dict[str, str] = {}
        if demo:
            bench = stack.enter_context(demo_workbench(listings))
            server = stack.enter_context(sample_server(listings))
            keys = sample_keys(server)
            without_rule = prepare_samples(bench.database, server, keys, whole=listings is not None)
            for slug, error in without_rule.items():
                note(f"{slug} has no rule: {error}")
            note(f"the sample providers are served at {server.url}")
        else:
            bench = stack.enter_context(
                workbench(
                    catalog.database.home(),
                    catalog_url=os.environ.get("PROVIDER_PIPELINE_DATABASE_URL") or None,
                    dagster_url=os.environ.get("DAGSTER_POSTGRES_URL") or None,
                )
            )
            _note_if_empty(bench.database)
        note(f"the UI comes up at http://{HOST}:{port} (Ctrl-C ends it)")
        # At its default level, Dagster reports every evaluation of every sensor: four lines every ten seconds.
        command = python_module(
            "dagster", "dev", *bench.workspace, "-h", HOST, "-p", str(port), "--log-level", "warning"
        )
        process = stack.enter_context(running(command, environment={**bench.environment, **keys}))
        try:
            code = _wait(process, bench)
        except KeyboardInterrupt:
            note("stopping")
            code = 0
    raise typer.Exit(code)


def _note_if_empty(database: catalog.database.Database) -> None:
    with database.session() as session:
        if not catalog.providers.list_providers(session):
            note(
                "no provider is enabled; add one with `provider-pipeline providers add`, or see the demo's: dev --demo"
            )


def _wait(process: subprocess.Popen[bytes], bench: Workbench) -> int:
    """Wait for the UI to end; restart an embedded server that dies in the meantime."""
    last = ""
    while True:
        try:
            return process.wait(_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            try:
                news = "the database had died; it runs again" if bench.server and bench.server.ensure_running() else ""
            except DatabaseUnavailableError as error:  # tried again at the next poll: its disk may have room by then
                news = str(error)
            if news and news != last:
                note(news)
            last = news


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            holder, step = _listener(port), "choose another port with --port"
            raise ConfigurationError(
                f"the UI cannot listen on {HOST}:{port}: {error.strerror}"
                + (f", by process {holder.pid}: {_command(holder)}" if holder else ""),
                hint=f"end it with: kill {holder.pid}; or {step}" if holder else step,
            ) from error


def _listener(port: int) -> psutil.Process | None:
    """The process that listens on a port; None if we may not know, as for other users' processes."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            for each in process.net_connections("tcp"):
                if each.status == psutil.CONN_LISTEN and each.laddr.port == port:
                    return process
    return None


def _command(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return " ".join(process.cmdline())[:_MAX_COMMAND_LENGTH]
    return "?"


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
