"""Dagster resources: typed settings that hand out plain domain objects.

Here: where the catalogue is and how providers are asked. Nothing connects, reads the environment or resolves a secret
before a run uses it; provider keys are resolved by name at request time, so an unset one fails its provider only.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from pydantic import Field

from provider_pipeline import catalog, listing


class CatalogResource(dg.ConfigurableResource[None]):
    """The PostgreSQL that holds the provider catalogue."""

    database_url: str = Field(
        default="",
        description="PostgreSQL URL. Empty: PROVIDER_PIPELINE_DATABASE_URL, else the embedded server.",
    )

    @contextmanager
    def open(self) -> Iterator[catalog.database.Database]:
        """Connects, checks the schema, and closes everything at the end.

        Raises:
            DatabaseUnavailableError: Nothing answers there.
            MigrationMissingError: The schema is not the one this code works with.
        """
        with catalog.database.open_catalog(self.database_url or None, door="Dagster") as database:
            yield database


class ListingResource(dg.ConfigurableResource[None]):
    """How providers' listing endpoints are asked."""

    max_concurrency: int = Field(default=8, ge=1, le=64, description="Providers fetched at the same time in one run.")
    deadline_seconds: float = Field(
        default=listing.policy.FetchLimits().deadline,
        gt=0,
        description="Longest time for one provider's whole listing.",
    )

    def client(self) -> listing.client.ListingClient:
        """A client with these limits and this process's environment."""
        return listing.client.ListingClient(listing.policy.FetchLimits(deadline=self.deadline_seconds))
