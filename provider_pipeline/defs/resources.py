"""Dagster resources: typed settings that hand out plain domain objects.

Every environment variable that a run reads is a field, so that the UI shows it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from pydantic import Field

from provider_pipeline import catalog, exports, listing, sync


class CatalogResource(dg.ConfigurableResource[None]):
    """The PostgreSQL that holds the provider catalogue.

    Your own definitions may require a URL: `database_url=dg.EnvVar("...")`.
    """

    # Names of variables, not `dg.EnvVar`: an unset `EnvVar` fails the run, but unset means the embedded server here,
    # and no webhook below.
    database_url: str = Field(default="", description="PostgreSQL URL. Empty: read from url_variable.")
    url_variable: str = Field(
        default="PROVIDER_PIPELINE_DATABASE_URL",
        description="Environment variable with the URL. Unset: the embedded server under PROVIDER_PIPELINE_HOME.",
    )

    @contextmanager
    def open(self) -> Iterator[catalog.database.Database]:
        """Connects and checks the schema; closes everything at the end.

        Raises:
            DatabaseUnavailableError: Nothing answers there.
            MigrationMissingError: The schema is not the one this code works with.
        """
        url = self.database_url or os.environ.get(self.url_variable) or None
        with catalog.database.open_catalog(url, client_name="Dagster") as database:
            yield database


class ListingResource(dg.ConfigurableResource[None]):
    """Limits of requests to providers' listings; each provider names the environment variable of its own key."""

    max_concurrency: int = Field(default=8, ge=1, le=64, description="Providers fetched at the same time in one run.")
    deadline_seconds: float = Field(
        default=listing.limits.FetchLimits().deadline,
        gt=0,
        description="Longest time for one provider's whole listing.",
    )

    def client(self) -> listing.client.ListingClient:
        """A client with these limits and this process's environment."""
        return listing.client.ListingClient(listing.limits.FetchLimits(deadline=self.deadline_seconds))


class ExportResource(dg.ConfigurableResource[None]):
    """Default forms and folder of `catalog_export`."""

    forms: list[str] = Field(
        default=["litellm", "models-dev", "openrouter", "genai-prices", "csv"],
        description=f"Any of {', '.join(exports.forms.FORMS)}.",
    )
    folder: str = Field(default="", description="Where to. Empty: exports, under PROVIDER_PIPELINE_HOME.")


class WebhookResource(dg.ConfigurableResource[None]):
    """The webhook that receives notifications."""

    url_variable: str = Field(
        default="PROVIDER_PIPELINE_WEBHOOK_URL",
        description="Environment variable with the webhook's URL. Unset: there is no webhook.",
    )
    secret_variable: str = Field(
        default="PROVIDER_PIPELINE_WEBHOOK_SECRET",
        description="Environment variable with the secret that signs each request, in base64.",
    )
    form_variable: str = Field(
        default="PROVIDER_PIPELINE_WEBHOOK_FORM",
        description="Environment variable with the form of the requests: standard (if unset), json or slack.",
    )

    def webhook(self) -> sync.webhook.Webhook | None:
        """The webhook, or None if its variable is not set.

        Raises:
            ConfigurationError: The URL or the secret cannot be used.
        """
        return sync.webhook.Webhook.from_environment(
            {
                sync.webhook.URL_VARIABLE: os.environ.get(self.url_variable, ""),
                sync.webhook.SECRET_VARIABLE: os.environ.get(self.secret_variable, ""),
                sync.webhook.FORM_VARIABLE: os.environ.get(self.form_variable, ""),
            }
        )
