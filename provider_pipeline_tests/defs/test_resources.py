"""What the resources read from the environment, and when."""

import dagster as dg
import pytest

from provider_pipeline.defs.resources import CatalogResource, WebhookResource
from provider_pipeline.errors import ConfigurationError, DatabaseUnavailableError

SECRET = "whsec_" + "a" * 43 + "="


def test_the_catalogues_url_is_read_from_the_variable_that_the_resource_names(
    database_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TEAM_CATALOG_URL", database_url)
    with CatalogResource(url_variable="TEAM_CATALOG_URL").open() as database:
        assert database.url == database_url


def test_a_url_of_its_own_comes_before_the_variable(database_url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PROVIDER_PIPELINE_DATABASE_URL", "postgresql://127.0.0.1:1/nothing")
    with CatalogResource(database_url=database_url).open() as database:
        assert database.url == database_url
    with pytest.raises(DatabaseUnavailableError), CatalogResource().open():
        pass


def test_every_variable_that_is_read_is_shown_with_the_resource():
    fields = {**CatalogResource.model_fields, **WebhookResource.model_fields}
    assert {fields[name].default for name in ("url_variable", "secret_variable")} <= {
        "PROVIDER_PIPELINE_WEBHOOK_URL",
        "PROVIDER_PIPELINE_WEBHOOK_SECRET",
    }
    assert CatalogResource().url_variable == "PROVIDER_PIPELINE_DATABASE_URL"
    assert all(field.description for field in fields.values())


def test_there_is_no_webhook_without_its_variable_and_an_unusable_one_is_an_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("TEAM_HOOK", raising=False)
    resource = WebhookResource(url_variable="TEAM_HOOK", secret_variable="TEAM_SECRET")
    assert resource.webhook() is None
    monkeypatch.setenv("TEAM_HOOK", "https://host/hook")
    with pytest.raises(ConfigurationError):
        resource.webhook()
    monkeypatch.setenv("TEAM_SECRET", SECRET)
    assert resource.webhook().url == "https://host/hook"


def test_a_resource_can_require_its_variable_with_dagsters_own_means(
    database_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("REQUIRED_URL", database_url)
    with dg.build_resources({"catalog": CatalogResource(database_url=dg.EnvVar("REQUIRED_URL"))}) as found:
        assert found.catalog.database_url == database_url
