"""The public names, and the example."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import provider_pipeline

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", provider_pipeline.__all__)
def test_every_public_name_can_be_imported_from_the_package(name: str):
    assert getattr(provider_pipeline, name).__module__.startswith("provider_pipeline.")


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = provider_pipeline.no_such_name


def test_the_example_runs_and_prints_its_results(tmp_path: Path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PROVIDER_PIPELINE")}
    process = subprocess.run(
        [sys.executable, ROOT / "examples" / "example_usage.py"],
        env={**environment, "PROVIDER_PIPELINE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    printed = process.stdout
    assert "selector: data[*]\n" in printed or "selector: data[]\n" in printed
    assert "models in the sample: 3\nvalid: True\n" in printed
    assert re.search(r"gpt-4o: context 128000, 2\.5 USD/M in, can: .*chat", printed)
    assert re.search(r"text-embedding-3-small: .* can: embedding\n", printed)
    assert "valid on a changed response: False\n" in printed
    assert "text-embedding-3-large can: embedding\n" in printed
    created = int(re.search(r"dry run: (\d+) models would be created", printed)[1])
    assert f"synced: {created} models, {created} created\nagain: {created} unchanged, 0 updated\n" in printed
