"""`provider-pipeline dev`: the Dagster UI and daemon on this checkout."""

from __future__ import annotations

import os
import signal
import socket
from contextlib import ExitStack
from types import FrameType
from typing import Annotated

import typer

from provider_pipeline import catalog, samples
from provider_pipeline.cli.console import note
from provider_pipeline.cli.sample_providers import (
    ListingsOption,
    home_for,
    prepare_samples,
    sample_keys,
    sample_server,
)
from provider_pipeline.cli.workbench import WORKSPACE, Workbench, dagster_command, running, workbench
from provider_pipeline.errors import ConfigurationError

HOST = "127.0.0.1"


def dev(
    port: Annotated[int, typer.Option(help="Port of the UI.")] = 3000,
    listings: ListingsOption = None,
    with_samples: Annotated[
        bool | None,
        typer.Option("--samples/--no-samples", help="Serve the sample providers; by default if they are registered."),
    ] = None,
) -> None:
    """Run `dagster dev`: UI, daemon, schedule and sensors. Ctrl-C ends everything."""
    _check_port(port)
    # Also where a shell started us in the background, with Ctrl-C ignored; the children inherit that otherwise.
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, _interrupt)
    with ExitStack() as stack:
        bench = stack.enter_context(
            workbench(
                home_for(listings),
                catalog_url=os.environ.get("PROVIDER_PIPELINE_DATABASE_URL"),
                dagster_url=os.environ.get("DAGSTER_POSTGRES_URL"),
            )
        )
        keys: dict[str, str] = {}
        server = sample_server(listings)
        if with_samples or (with_samples is None and _are_registered(bench, server)):
            stack.enter_context(server)
            keys = sample_keys(server)
            without_rule = prepare_samples(bench.database, server, keys, whole=listings is not None)
            for slug, error in without_rule.items():
                note(f"{slug} has no rule: {error}")
            note(f"the sample providers are served at {server.url}")
        note(f"the UI comes up at http://{HOST}:{port} (Ctrl-C ends it)")
        command = dagster_command("dev", *WORKSPACE, "-h", HOST, "-p", str(port))
        process = stack.enter_context(running(command, environment={**bench.environment, **keys}))
        try:
            code = process.wait()
        except KeyboardInterrupt:
            note("stopping")
            code = 0
    raise typer.Exit(code)


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise ConfigurationError(
                f"the UI cannot listen on {HOST}:{port}: {error.strerror}", hint="choose another port with --port"
            ) from error


def _are_registered(bench: Workbench, server: samples.SampleServer) -> bool:
    slugs = {provider.slug for provider in server.providers}
    with bench.database.session() as session:
        found = catalog.list_providers(session, enabled_only=False)
    return any(each.slug in slugs and each.base_url.startswith("http://127.0.0.1:") for each in found)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
