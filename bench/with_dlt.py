"""dlt as a system of the bench: one resource per provider, merged into one table by provider and model id.

Where each provider's models are, and its pagination, are written by hand, like for the floor. It is configured as dlt's
own pages on performance and on the Postgres destination recommend: pages are yielded whole, resources are extracted in
parallel, nested parts stay JSON instead of becoming tables, files are loaded by COPY (csv), and the merge is an upsert.
Normalising in separate processes was tried, and is slower at this size.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fleet import FLEETS, Provider
from floor import items_of
from harness import Databases, Fleet, OwnDatabase

# dlt and dagster-dlt read these at import and at each run.
SETTINGS = {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__LOG_LEVEL": "ERROR",
    "EXTRACT__WORKERS": "8",
    "EXTRACT__MAX_PARALLEL_ITEMS": "100",
    "LOAD__WORKERS": "8",
    "DATA_WRITER__BUFFER_MAX_ITEMS": "20000",
}
os.environ.update(SETTINGS)

import dlt  # noqa: E402 - after its settings
from dlt.sources import DltResource, DltSource  # noqa: E402
from dlt.sources.helpers.rest_client import RESTClient  # noqa: E402
from dlt.sources.helpers.rest_client.paginators import (  # noqa: E402
    BasePaginator,
    JSONResponseCursorPaginator,
    SinglePagePaginator,
)

TABLE = "model"
PIPELINE = "bench"


def paginator(provider: Provider) -> BasePaginator:
    """The provider's paginator, in dlt's terms."""
    paging = provider.shape.paging
    if paging is None:
        return SinglePagePaginator()
    return JSONResponseCursorPaginator(
        cursor_path=paging.cursor, cursor_param=paging.parameter, has_more_path=paging.more
    )


def resource(provider: Provider, url: str) -> DltResource:
    """One provider's models."""

    def pages() -> Iterator[list[dict[str, Any]]]:
        client = RESTClient(base_url=f"{url}/{provider.slug}", paginator=paginator(provider), data_selector="$")
        for page in client.paginate(provider.path):
            document = page.response.json()
            yield [
                {"provider": provider.slug, "model_id": model_id, "document": item}
                for model_id, item in items_of(provider, document)
            ]

    return dlt.resource(
        pages,
        name=provider.slug.replace("-", "_"),
        table_name=TABLE,
        primary_key=("provider", "model_id"),
        write_disposition={"disposition": "merge", "strategy": "upsert"},
        columns={"document": {"data_type": "json"}},
        max_table_nesting=0,
        parallelized=True,
    )


def source(providers: list[Provider], url: str) -> DltSource:
    """The whole fleet."""

    @dlt.source(name="fleet", max_table_nesting=0)
    def fleet() -> list[DltResource]:
        return [resource(provider, url) for provider in providers]

    return fleet()


def pipeline(folder: str, database: str, pipelines_folder: Path) -> dlt.Pipeline:
    """A pipeline into a database on the server with its socket in `folder`."""
    credentials = {
        "host": quote(folder, safe=""),
        "port": 5432,
        "username": "postgres",
        "password": "-",
        "database": database,
    }
    return dlt.pipeline(
        PIPELINE,
        destination=dlt.destinations.postgres(credentials),
        dataset_name="fleet",
        pipelines_dir=str(pipelines_folder),
    )


class Dlt(OwnDatabase):
    """dlt in one process."""

    name = "dlt"
    sees_etags = False

    def __init__(self, fleet: Fleet, databases: Databases, folder: Path) -> None:
        super().__init__(fleet, databases)
        self._folder = folder
        self._number = 0

    def begin(self) -> None:
        """Starts with an empty database and without pipeline state on disk."""
        super().begin()
        self._number += 1

    def sync(self) -> None:
        """Syncs every provider."""
        loaded = self._pipeline().run(source(self._fleet.providers, self._fleet.url), loader_file_format="csv")
        loaded.raise_on_failed_jobs()

    def models(self) -> int:
        """Rows in the table."""
        return self.count("fleet.model")

    def _pipeline(self) -> dlt.Pipeline:
        return pipeline(self._databases.folder, self.database, self._pipelines_folder)

    @property
    def _pipelines_folder(self) -> Path:
        return self._folder / f"dlt-{self._number}"


def described(environ: Mapping[str, str]) -> tuple[dlt.Pipeline, DltSource]:
    """Pipeline and source as the environment of a separate process describes them."""
    made = pipeline(environ["BENCH_FOLDER"], environ["BENCH_DATABASE"], Path(environ["BENCH_PIPELINES"]))
    return made, source(FLEETS[environ["BENCH_FLEET"]](), environ["BENCH_URL"])
