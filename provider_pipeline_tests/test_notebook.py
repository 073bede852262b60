"""The notebook runs on a catalogue with models, and on an empty one."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from provider_pipeline.catalog.database import Database
from provider_pipeline_tests.exports.conftest import fill_catalogue

NOTEBOOK = Path(__file__).parents[1] / "examples" / "catalogue.ipynb"


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")  # Jupyter's own
@pytest.mark.parametrize("filled", [True, False])
def test_the_notebook_runs(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, filled: bool):
    if filled:
        fill_catalogue(database)
    monkeypatch.setenv("PROVIDER_PIPELINE_DATABASE_URL", database.url)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    if filled:
        texts = [cell.outputs[0].data["text/plain"] for cell in notebook.cells if cell.cell_type == "code"]
        assert "acme" in texts[0]
        assert "claude-big" in texts[1]
