"""The demo on a folder of real listings."""

import json
from pathlib import Path

from provider_pipeline_tests.cli.conftest import CommandLine
from provider_pipeline_tests.fleet import CHAT_MODELS, listing


def test_every_file_of_a_folder_is_a_provider_and_a_bad_one_stops_no_other(run: CommandLine, tmp_path: Path):
    folder = tmp_path / "listings"
    folder.mkdir()
    first_page = {**listing(*CHAT_MODELS), "has_more": True, "last_id": CHAT_MODELS[-1]}
    elsewhere = {"results": listing(*CHAT_MODELS)["data"], "next": "https://api.example.invalid/v1/models?page=2"}
    (folder / "first-page.json").write_text(json.dumps(first_page))
    (folder / "elsewhere.json").write_text(json.dumps(elsewhere))
    (folder / "page.json").write_text("<html><title>502</title></html>")
    (folder / "Not a slug.json").write_text(json.dumps(first_page))

    result = run("demo", "--listings", str(folder), "--json")
    assert result.code == 1
    providers = {each["provider"]: each for each in result.json["providers"]}
    assert {slug: (each["status"], each["models"]) for slug, each in providers.items()} == {
        "first-page": ("synced", 5),
        "elsewhere": ("synced", 5),
        "page": ("failed", 0),
        "Not a slug": ("failed", 0),
    }
    assert "a web page titled '502' instead of JSON" in providers["page"]["reason"]
    assert "slug" in providers["Not a slug"]["reason"]


def test_a_folder_without_listings_is_refused_in_one_line(run: CommandLine, tmp_path: Path):
    result = run("demo", "--listings", str(tmp_path))
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert "no *.json file" in result.err
