"""`provider-pipeline demo`: the whole pipeline on sample providers, with nothing to set up.

Its home folder, shared with `dev --demo`, has its own embedded server: the user's catalogue is never opened.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console

from provider_pipeline import catalog, listing, rules, samples, sync
from provider_pipeline.cli.console import draw, emit_json, note, outcome_parts, say, stdout
from provider_pipeline.cli.parameters import JsonOption
from provider_pipeline.cli.tasks import task_document, task_table
from provider_pipeline.cli.workbench import CHECKOUT, DEFINITIONS, Workbench, python_module, run_logged, workbench
from provider_pipeline.errors import ConfigurationError, ProviderPipelineError

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

SAMPLE_PORT: Final = 8377

_DATABASE_VARIABLES: Final = ("PROVIDER_PIPELINE_DATABASE_URL", "DAGSTER_POSTGRES_URL")
_SETTINGS_PREFIX: Final = "PROVIDER_PIPELINE_"
_IN_ONE_PROCESS: Final = "provider_pipeline.defs.in_one_process"
_JOBS: Final = ("sync_all_providers_job", "catalog_outputs_job")
_SENSOR: Final = "rule_generation_sensor"
_MARK: Final = "THIS-IS-THE-DEMO.txt"
_MARK_TEXT: Final = """Everything in this folder belongs to the demo: `provider-pipeline demo --delete` removes it.
To look at its catalogue, set PROVIDER_PIPELINE_HOME to this folder, or to one below `listings`.
"""

ListingsOption = Annotated[
    Path | None,
    typer.Option(
        help="Serve every *.json of this folder as a provider, instead of the bundled samples.",
        exists=True,
        file_okay=False,
    ),
]


@dataclass(frozen=True)
class _Result:
    summaries: list[dict[str, Any]]
    tasks: list[catalog.tasks.Task]
    as_expected: bool


def demo(
    listings: ListingsOption = None,
    delete: Annotated[bool, typer.Option("--delete", help="Remove everything the demo wrote, and stop.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Sync a fleet of sample providers through Dagster into the demo's own embedded PostgreSQL.

    Your own catalogue is not touched. Exit code 0 when the deliberately broken samples are the only ones not written.
    """
    if delete:
        if listings is not None:
            raise typer.BadParameter("--delete removes every demo: leave out --listings")
        folder = delete_demo()
        say("there is no demo to remove" if folder is None else f"removed {folder}")
        return
    server = sample_server(listings)
    with demo_workbench(listings) as bench, server:
        note(f"{len(server.providers)} sample providers are served at {server.url}")
        result = _run(bench, server, whole=listings is not None)
    if as_json:
        emit_json(
            {
                "providers": [summary | {"sample": True} for summary in result.summaries],
                "tasks": [task_document(task) for task in result.tasks],
                "as_expected": result.as_expected,
            }
        )
    else:
        _draw(stdout(), result, listings)
    raise typer.Exit(0 if result.as_expected else 1)


def _run(bench: Workbench, server: samples.server.SampleServer, *, whole: bool) -> _Result:
    started = datetime.now(UTC)
    keys = sample_keys(server)
    without_rule = {
        slug: sync.outcome.SyncOutcome(slug, "failed", reason=f"no rule: {error}")
        for slug, error in prepare_samples(bench.database, server, keys, whole=whole).items()
    }
    note(f"running {', '.join(_JOBS)} and {_SENSOR} through Dagster (log: {bench.log_file('demo')})")
    run_logged(
        bench, python_module(_IN_ONE_PROCESS, DEFINITIONS, "--jobs", *_JOBS, "--sensors", _SENSOR), "demo", extra=keys
    )
    with bench.database.session() as session:
        summaries = [
            without_rule[provider.slug].summary()
            if provider.slug in without_rule
            else _last_result(session, provider.slug, since=started) or _not_run(provider.slug).summary()
            for provider in server.providers
        ]
        tasks = catalog.tasks.list_tasks(session, status=catalog.tasks.OPEN_STATUSES)
    not_written = {summary["provider"] for summary in summaries if summary["status"] != "synced"}
    broken = {provider.slug for provider in server.providers if provider.broken}
    # Fewer may fail than are broken: `dev` may have repaired one with a new rule.
    return _Result(summaries, tasks, not_written <= broken)


def _last_result(session: Session, slug: str, *, since: datetime) -> dict[str, Any] | None:
    """What the run recorded for this provider; None if it did not reach it."""
    state = catalog.sync_state.get(session, catalog.providers.get(session, slug).id)
    reached = state.last_checked_at is not None and state.last_checked_at >= since
    return state.last_result if reached else None


def _not_run(slug: str) -> sync.outcome.SyncOutcome:
    return sync.outcome.SyncOutcome(slug, "failed", reason="the run did not reach this provider; see its log")


def _draw(console: Console, result: _Result, listings: Path | None) -> None:
    samples = {summary["provider"] for summary in result.summaries}
    tasks = [task_table(result.tasks, samples=samples)] if result.tasks else []
    outcomes = outcome_parts("sync_all_providers_job", result.summaries, samples=samples)
    draw(*outcomes, *tasks, *_closing(result, listings), console=console)


def _closing(result: _Result, listings: Path | None) -> Iterator[str]:
    synced = sum(summary["status"] == "synced" for summary in result.summaries)
    models = sum(summary["models"] for summary in result.summaries if summary["status"] == "synced")
    yield f"{synced} of {len(result.summaries)} providers are synced, {models} models."
    if listings is None and result.as_expected and synced < len(result.summaries):
        yield "The others are broken on purpose: none of their rows was touched."
    yield "These are sample providers in the demo's own catalogue; yours has none of them."
    if CHECKOUT and listings is None:
        command = "make demo-ui"
    else:
        command = "provider-pipeline dev --demo" + (f" --listings {listings}" if listings else "")
    yield f"See it in the Dagster UI: {command}, then http://127.0.0.1:3000"


def sample_server(listings: Path | None) -> samples.server.SampleServer:
    """The server of the bundled samples, or of a folder of listings; not started yet."""
    return (
        samples.server.SampleServer(SAMPLE_PORT, or_any_port=True)
        if listings is None
        else samples.server.SampleServer.from_directory(listings)
    )


@contextmanager
def demo_workbench(listings: Path | None) -> Iterator[Workbench]:
    """The demo's own workbench; each folder of listings has another one, so that they never mix with the samples.

    Raises:
        ConfigurationError: There is a folder in the demo's place that the demo did not make.
    """
    home = _make_folder()
    if listings is not None:
        resolved = listings.resolve()
        digest = hashlib.sha256(str(resolved).encode()).hexdigest()[:8]
        home = home / "listings" / f"{resolved.name}-{digest}"
    for name in _DATABASE_VARIABLES:
        if os.environ.get(name):
            note(f"{name} is set: the demo leaves that database alone and uses its own")
    # None of the user's settings apply: their webhook must not receive events of samples.
    environ = {name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS_PREFIX)}
    with workbench(home, environ=environ) as bench:
        yield bench


def delete_demo() -> Path | None:
    """Remove everything the demo ever wrote; returns the folder, or None if there was none.

    Raises:
        CatalogError: A process uses it.
        ConfigurationError: The demo did not make the folder.
    """
    folder = _folder()
    if not folder.exists():
        return None
    _check_mark(folder)
    for home in (*sorted((folder / "listings").glob("*")), folder):
        catalog.embedded.EmbeddedPostgres(home).discard()
    return folder


def _folder() -> Path:
    return catalog.database.home() / "demo"


def _make_folder() -> Path:
    folder = _folder()
    try:
        folder.mkdir(exist_ok=True)
        if not any(folder.iterdir()):
            (folder / _MARK).write_text(_MARK_TEXT, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"the demo cannot use {folder}: {error.strerror}") from error
    _check_mark(folder)
    return folder


def _check_mark(folder: Path) -> None:
    if not (folder / _MARK).is_file():
        raise ConfigurationError(
            f"{folder} is not the demo's: there is no {_MARK} in it",
            hint="move it away, or set PROVIDER_PIPELINE_HOME to another folder",
        )


def sample_keys(server: samples.server.SampleServer) -> dict[str, str]:
    """The environment variables with the samples' keys."""
    return {name: value for provider in server.providers for name, value in provider.env.items()}


def prepare_samples(
    database: catalog.database.Database, server: samples.server.SampleServer, keys: Mapping[str, str], *, whole: bool
) -> dict[str, ProviderPipelineError]:
    """Register the sample providers at their current addresses, and write a rule for each that has none.

    Args:
        database: The demo's catalogue.
        server: Where they are served.
        keys: The samples' keys.
        whole: Whether each sample is its provider's whole listing; a file from a folder has no further pages.

    Returns:
        Why no rule could be written, by slug, for the providers left without one.
    """
    client = listing.client.ListingClient(environ=keys)
    without_rule: dict[str, ProviderPipelineError] = {}
    with database.session() as session:
        for provider in server.providers:
            try:
                samples.registration.register_sample(session, provider, base_url=server.base_url(provider.slug))
                session.commit()
                if not sync.repair.candidates.active_places(session, provider.slug):
                    _generate_rule(session, provider, client, whole=whole)
            except ProviderPipelineError as error:
                session.rollback()
                without_rule[provider.slug] = error
    return without_rule


def _generate_rule(
    session: Session,
    provider: samples.providers.SampleProvider,
    client: listing.client.ListingClient,
    *,
    whole: bool,
) -> None:
    generate = sync.repair.generate
    given: Sequence[rules.generation.samples.EndpointSample] = provider.endpoints
    if any(sample.document is None for sample in given):
        places = [sync.repair.candidates.ListingPlace(sample.path or "", sample.detail) for sample in given]
        given, sample_id = generate.fetch_sample(session, provider.slug, places, client=client)
    else:
        contents = (json.dumps(sample.document, ensure_ascii=False).encode() for sample in given)
        sample_id = generate.store_sample(session, provider.slug, *contents, url=f"sample:{provider.slug}")
    generate.generate_rule(session, provider.slug, given, sample_id=sample_id, whole=whole)
    session.commit()
