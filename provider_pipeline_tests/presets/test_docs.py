"""docs/provider-files.md: its example is valid, and its table is complete."""

import re
from pathlib import Path

from provider_pipeline.presets.library import load_provider_file
from provider_pipeline.presets.model import ProviderFile

PAGE = (Path(__file__).parents[2] / "docs" / "provider-files.md").read_text()


def test_the_example_is_a_valid_provider_file(tmp_path: Path):
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    file = tmp_path / "acme.yaml"
    file.write_text(block)
    acme = load_provider_file(file)
    assert acme.without_source == ()
    assert acme.filled().base_url == "https://us-1.acme.example"


def test_the_table_names_every_field():
    named = re.findall(r"^\| `(\w+)` \|", PAGE.partition("<!-- fields -->")[2], re.MULTILINE)
    assert named == list(ProviderFile.model_fields)
