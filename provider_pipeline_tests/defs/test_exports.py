"""The asset that writes exports, and its check."""

import json
from pathlib import Path

import dagster as dg

from provider_pipeline.catalog.database import Database
from provider_pipeline.defs.exports import catalog_export
from provider_pipeline.defs.resources import CatalogResource, ExportResource
from provider_pipeline_tests.exports.conftest import fill_catalogue


def materialized(
    database: Database, settings: ExportResource | None = None, **config: object
) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [catalog_export],
        resources={
            "provider_database": CatalogResource(database_url=database.url),
            "export_settings": settings or ExportResource(),
        },
        run_config={"ops": {"catalog_export": {"config": config}}},
        raise_on_error=False,
    )


def test_the_asset_writes_its_forms_and_says_what_is_in_them(database: Database, tmp_path: Path):
    fill_catalogue(database)
    result = materialized(database, forms=["litellm", "csv"], folder=str(tmp_path))
    assert result.success
    (event,) = result.get_asset_materialization_events()
    metadata = event.materialization.metadata
    assert (metadata["models/litellm"].value, metadata["models/csv"].value) == (4, 5)
    assert metadata["left_out/litellm"].value == 1
    written = json.loads((tmp_path / "litellm" / "model_prices_and_context_window.json").read_bytes())
    assert len(written) == 4
    assert "model_prices_and_context_window.json" in metadata["files"].value


def test_the_check_warns_of_models_that_were_left_out(database: Database, tmp_path: Path):
    fill_catalogue(database)
    for forms, passed in ((["csv"], True), (["csv", "litellm"], False)):
        result = materialized(database, forms=forms, folder=str(tmp_path))
        (check,) = result.get_asset_check_evaluations()
        assert (check.passed, check.severity) == (passed, dg.AssetCheckSeverity.WARN)
    assert check.metadata["actual"].value == {"litellm": {"purpose (mode) unknown": 1}}


def test_an_unknown_form_fails_the_run(database: Database, tmp_path: Path):
    assert not materialized(database, forms=["odd"], folder=str(tmp_path)).success


def test_a_launch_that_names_nothing_takes_the_resources_forms_and_folder(database: Database, tmp_path: Path):
    fill_catalogue(database)
    settings = ExportResource(forms=["csv"], folder=str(tmp_path / "team"))
    assert materialized(database, settings).success
    assert [each.name for each in (tmp_path / "team").iterdir()] == ["csv"]
    assert materialized(database, settings, forms=["litellm"], folder=str(tmp_path / "once")).success
    assert [each.name for each in (tmp_path / "once").iterdir()] == ["litellm"]
