"""`provider-pipeline api`: the HTTP API, in the foreground."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from provider_pipeline import api, catalog
from provider_pipeline.cli.console import note


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for any.")] = 8400,
    no_auth: Annotated[bool, typer.Option("--no-auth", help="Ask for no token; only on a loopback address.")] = False,
    requests_per_second: Annotated[
        float, typer.Option(min=0.01, help="How often one token may ask, in the long run.")
    ] = api.settings.ApiSettings.requests_per_second,
    max_megabytes: Annotated[int, typer.Option(min=1, help="Largest sample or rule in a request, in MiB.")] = (
        api.settings.ApiSettings.most_bytes // 2**20
    ),
    syncs_at_once: Annotated[
        int,
        typer.Option(
            min=1, max=api.settings.MAX_SYNCS_AT_ONCE, help="How many syncs may run at once; more are refused."
        ),
    ] = api.settings.ApiSettings.syncs_at_once,
) -> None:
    """Serve the HTTP API. What it can do is shown at /docs."""
    if no_auth and not api.limits.is_loopback(host):
        raise typer.BadParameter(f"{host} can be reached from other machines: without tokens anybody could change all")
    settings = api.settings.ApiSettings(
        needs_token=not no_auth,
        dagster_url=os.environ.get(api.settings.DAGSTER_URL_VARIABLE) or None,
        most_bytes=max_megabytes * 2**20,
        requests_per_second=requests_per_second,
        syncs_at_once=syncs_at_once,
    )
    with catalog.database.open_catalog(door="the API") as database:
        if not no_auth:
            note("requests need a token: provider-pipeline tokens create NAME --scope read")
        api.serving.serve(database, settings, host=host, port=port)
