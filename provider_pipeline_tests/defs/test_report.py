"""The asset that writes the report, and its check."""

from pathlib import Path

import dagster as dg

from provider_pipeline.catalog.database import Database
from provider_pipeline.defs.report import catalog_report, report_is_current
from provider_pipeline.defs.resources import CatalogResource
from provider_pipeline_tests.report.test_files import add_a_model
from provider_pipeline_tests.showcase import fill


def run(database: Database, folder: Path, *, only_check: bool = False) -> dg.ExecuteInProcessResult:
    config = {"config": {"folder": str(folder)}}
    ops = {"catalog_report_report_is_current": config} | ({} if only_check else {"catalog_report": config})
    return dg.materialize(
        [catalog_report, report_is_current],
        selection=dg.AssetSelection.checks(report_is_current) if only_check else None,
        resources={"provider_database": CatalogResource(database_url=database.url)},
        run_config={"ops": ops},
        raise_on_error=False,
    )


def test_the_asset_writes_the_page_and_sums_it_up(database: Database, tmp_path: Path):
    fill(database)
    result = run(database, tmp_path)
    assert result.success
    (event,) = result.get_asset_materialization_events()
    metadata = event.materialization.metadata
    assert (metadata["models"].value, metadata["models_in_page"].value) == (10, 10)
    assert metadata["models_new_in_7_days"].value == 0  # what a provider lists when it is added is not new
    assert metadata["providers_in_trouble"].value == 1
    assert "the listing shrank" in metadata["summary"].value
    assert Path(str(metadata["file"].value)).is_file()
    assert metadata["page"].value == "http://127.0.0.1:8400/"
    (check,) = result.get_asset_check_evaluations()
    assert check.passed


def test_a_page_older_than_the_catalogue_is_a_warning(database: Database, tmp_path: Path):
    fill(database)
    (missing,) = run(database, tmp_path, only_check=True).get_asset_check_evaluations()
    assert (missing.passed, missing.metadata["actual"].value) == (False, "no page")
    run(database, tmp_path)
    add_a_model(database)
    (check,) = run(database, tmp_path, only_check=True).get_asset_check_evaluations()
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "materialize catalog_report" in str(check.metadata["recovery"].value)


def test_a_folder_that_cannot_be_written_fails_the_run(database: Database, tmp_path: Path):
    (tmp_path / "file").write_text("not a folder")
    assert not run(database, tmp_path / "file").success
