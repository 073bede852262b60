"""Where the demo lives: a home of its own, and the sample providers in its catalogue.

Here: where the demo keeps everything, throwing it away, and how the samples get their first rules. Not here: serving
them (`provider_pipeline.samples`), and what `demo` and `dev --demo` do with them. The concept: the demo has its own
folder, its own embedded server in it, and so its own catalogue and Dagster storage. It never opens the user's, and
removing the folder removes the demo.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from provider_pipeline import catalog, listing, rules, samples, sync
from provider_pipeline.cli.console import note
from provider_pipeline.cli.workbench import Workbench, workbench
from provider_pipeline.errors import ConfigurationError, ProviderPipelineError

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

SAMPLE_PORT = 8377

_DATABASES: Final = ("PROVIDER_PIPELINE_DATABASE_URL", "DAGSTER_POSTGRES_URL")
_SETTINGS: Final = "PROVIDER_PIPELINE_"
_MARK: Final = "THIS-IS-THE-DEMO.txt"
_MARK_TEXT: Final = """Everything in this folder is the demo's: `provider-pipeline demo --delete` removes it.
Its catalogue can be looked at with PROVIDER_PIPELINE_HOME set to this folder, or one below `listings`.
"""

ListingsOption = Annotated[
    Path | None,
    typer.Option(
        help="Serve every *.json of this folder as a provider, instead of the bundled samples.",
        exists=True,
        file_okay=False,
    ),
]


def sample_server(listings: Path | None) -> samples.server.SampleServer:
    """The server of the bundled samples, or of a folder of listings; not started yet."""
    return (
        samples.server.SampleServer(SAMPLE_PORT, or_any_port=True)
        if listings is None
        else samples.server.SampleServer.from_directory(listings)
    )


@contextmanager
def demo_workbench(listings: Path | None) -> Iterator[Workbench]:
    """The demo's own workbench; other listings have one each, so that they never mix with the bundled samples.

    Databases named by the environment are the user's: the demo ignores them, and every other setting of this project,
    such as the webhook, which would be told about samples.

    Raises:
        ConfigurationError: The demo's folder is there already, and not the demo's.
    """
    home = _make_folder()
    if listings is not None:
        resolved = listings.resolve()
        digest = hashlib.sha256(str(resolved).encode()).hexdigest()[:8]
        home = home / "listings" / f"{resolved.name}-{digest}"
    for name in _DATABASES:
        if os.environ.get(name):
            note(f"{name} is set: the demo leaves that database alone, and uses its own")
    note(f"starting the embedded PostgreSQL in {home}")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS)}
    with workbench(home, environ=environ) as bench:
        yield bench


def delete_demo() -> Path | None:
    """Removes everything the demo ever wrote; nothing of the user's is in there.

    Returns:
        The folder that is gone; None if there was none.

    Raises:
        CatalogError: A process uses it.
        ConfigurationError: The folder is not the demo's.
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
    """The environment in which the requests to all of them are authorised."""
    return {name: value for provider in server.providers for name, value in provider.env.items()}


def prepare_samples(
    database: catalog.database.Database, server: samples.server.SampleServer, keys: Mapping[str, str], *, whole: bool
) -> dict[str, ProviderPipelineError]:
    """Adds the sample providers, or brings their addresses up to date, and writes the rules of those that have none.

    Args:
        database: The demo's catalogue.
        server: Where they are served.
        keys: What authorises the requests for samples that are not at hand.
        whole: Each sample is its provider's whole listing: a file of a folder has no further pages.

    Returns:
        Why no rule could be written, by the slugs of the providers that are left without one.
    """
    client = listing.client.ListingClient(environ=keys)
    without_rule: dict[str, ProviderPipelineError] = {}
    with database.session() as session:
        for provider in server.providers:
            try:
                _prepare(session, provider, server, client, whole=whole)
            except ProviderPipelineError as error:
                session.rollback()
                without_rule[provider.slug] = error
    return without_rule


def _prepare(
    session: Session,
    provider: samples.providers.SampleProvider,
    server: samples.server.SampleServer,
    client: listing.client.ListingClient,
    *,
    whole: bool,
) -> None:
    samples.registration.register_sample(session, provider, base_url=server.base_url(provider.slug))
    session.commit()
    if sync.repair.generate.active_places(session, provider.slug):
        return
    given: Sequence[rules.generation.samples.EndpointSample] = provider.endpoints
    if any(sample.document is None for sample in given):
        places = [sync.repair.generate.ListingPlace(sample.path or "", sample.detail) for sample in given]
        given, sample_id = sync.repair.generate.fetch_sample(session, provider.slug, places, client=client)
    else:
        contents = (json.dumps(sample.document, ensure_ascii=False).encode() for sample in given)
        sample_id = sync.repair.generate.store_sample(session, provider.slug, *contents, url=f"sample:{provider.slug}")
    sync.repair.generate.generate_rule(session, provider.slug, given, sample_id=sample_id, whole=whole)
    session.commit()
