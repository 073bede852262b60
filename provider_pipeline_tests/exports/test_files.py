"""Files: complete or as before, with a report beside them."""

import json
from pathlib import Path

import pytest

from provider_pipeline.catalog.database import Database
from provider_pipeline.errors import ConfigurationError
from provider_pipeline.exports.files import export_file
from provider_pipeline.exports.forms import find_form
from provider_pipeline.exports.records import ExportRequest
from provider_pipeline_tests.exports.conftest import fill_catalogue


def test_the_report_beside_the_file_names_each_model(database: Database, tmp_path: Path):
    fill_catalogue(database)
    report = export_file(database, find_form("litellm"), ExportRequest(), tmp_path / "map.json")
    assert {each.name for each in tmp_path.iterdir()} == {"map.json", "map.json.report.json"}
    written = json.loads((tmp_path / "map.json.report.json").read_bytes())
    assert written["models"] == report.models == 4
    assert written["left_out_models"] == [
        {"provider": "acme", "model": "=HYPERLINK(1)", "reason": "purpose (mode) unknown"}
    ]
    assert written["bytes"] == (tmp_path / "map.json").stat().st_size


def test_a_failed_export_leaves_the_last_file_as_it_was(database: Database, tmp_path: Path):
    fill_catalogue(database)
    file = tmp_path / "map.json"
    file.write_text("before")
    with pytest.raises(ConfigurationError):
        export_file(database, find_form("litellm"), ExportRequest(base={"a": 1}), file)
    assert [each.name for each in tmp_path.iterdir()] == ["map.json"]
    assert file.read_text() == "before"


def test_a_folder_that_does_not_exist_is_told(database: Database, tmp_path: Path):
    with pytest.raises(ConfigurationError, match="cannot be written"):
        export_file(database, find_form("csv"), ExportRequest(), tmp_path / "nowhere" / "models.csv")
