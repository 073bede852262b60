"""`provider-pipeline demo` on a folder of listings, and its home."""

import json
from pathlib import Path

from sqlalchemy import make_url

from provider_pipeline.cli.demo import demo_workbench
from provider_pipeline_tests.cli.conftest import CommandLine
from provider_pipeline_tests.database_contents import contents
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing


def test_each_file_of_a_folder_is_a_provider_and_a_bad_one_does_not_stop_the_others(
    run: CommandLine, fleet: Fleet, empty_database_url: str, tmp_path: Path
):
    fleet.add("first-page")
    yours = contents(fleet.database.url)
    folder = tmp_path / "listings"
    folder.mkdir()
    first_page = {**listing(*CHAT_MODELS), "has_more": True, "last_id": CHAT_MODELS[-1]}
    elsewhere = {"results": listing(*CHAT_MODELS)["data"], "next": "https://api.example.invalid/v1/models?page=2"}
    (folder / "first-page.json").write_text(json.dumps(first_page))
    (folder / "elsewhere.json").write_text(json.dumps(elsewhere))
    (folder / "page.json").write_text("<html><title>502</title></html>")
    (folder / "Not a slug.json").write_text(json.dumps(first_page))

    result = run("demo", "--listings", str(folder), "--json", DAGSTER_POSTGRES_URL=empty_database_url)
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

    # The databases that the environment names are the user's.
    for name in ("PROVIDER_PIPELINE_DATABASE_URL", "DAGSTER_POSTGRES_URL"):
        assert f"{name} is set: the demo leaves that database alone" in result.err
    assert contents(fleet.database.url) == yours
    assert contents(empty_database_url) == {}

    home = next((tmp_path / "demo" / "listings").iterdir())
    # One process does what follows, because Dagster takes longer to start than the demo to run.
    (log,) = (home / "logs").iterdir()
    succeeded = [line for line in log.read_text().splitlines() if "RUN_SUCCESS" in line]
    assert ["sync_all_providers_job" in each for each in succeeded] == [True, False]
    assert "catalog_outputs_job" in succeeded[1]
    assert "rule_generation_sensor: " in log.read_text()
    looking = {"PROVIDER_PIPELINE_DATABASE_URL": "", "PROVIDER_PIPELINE_HOME": str(home)}
    listed = run("providers", "list", "--json", **looking).json
    assert {each["slug"]: each["sample"] for each in listed} == {"first-page": True, "elsewhere": True, "page": True}
    assert "elsewhere (sample)" in run("providers", "list", **looking).out
    assert "elsewhere (sample)" in run("providers", "show", "elsewhere", **looking).out
    assert "elsewhere (sample)" in run("models", "list", **looking).out
    assert {each["sample"] for each in run("models", "list", "--json", **looking).json} == {True}
    assert "elsewhere (sample)" in run("changes", **looking).out
    refused = run("providers", "add", "mistral", **looking)
    assert (refused.code, "takes sample providers only" in refused.err) == (1, True)

    deleted = run("demo", "--delete")
    assert (deleted.code, deleted.out) == (0, f"removed {tmp_path / 'demo'}\n")
    assert not (tmp_path / "demo").exists()
    assert run("demo", "--delete").out == "there is no demo to remove\n"
    assert contents(fleet.database.url) == yours


def test_a_folder_the_demo_did_not_make_is_neither_used_nor_removed(run: CommandLine, tmp_path: Path):
    theirs = tmp_path / "demo" / "notes.txt"
    theirs.parent.mkdir()
    theirs.write_text("mine")
    for arguments in (["demo"], ["demo", "--delete"], ["dev", "--demo", "--port", "0"]):
        result = run.process(*arguments)
        assert (result.code, result.err.count("\n")) == (1, 1)
        assert "is not the demo's" in result.err
    assert [each.name for each in theirs.parent.iterdir()] == ["notes.txt"]


def test_the_demos_processes_inherit_none_of_the_users_settings(run: CommandLine, tmp_path: Path, monkeypatch):
    for name, value in run.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PROVIDER_PIPELINE_WEBHOOK_URL", "https://alerts.example/hook")
    monkeypatch.setenv("PROVIDER_PIPELINE_WEBHOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", run.environment["PROVIDER_PIPELINE_DATABASE_URL"])
    with demo_workbench(None) as bench:
        given = {name: value for name, value in bench.environment.items() if "PROVIDER_PIPELINE" in name}
        assert given == {
            "PROVIDER_PIPELINE_HOME": str(tmp_path / "demo"),
            "PROVIDER_PIPELINE_DATABASE_URL": bench.database.url,
        }
        assert bench.server.home == tmp_path / "demo"
        for name, database in (
            ("PROVIDER_PIPELINE_DATABASE_URL", "provider_pipeline"),
            ("DAGSTER_POSTGRES_URL", "dagster"),
        ):
            named, own = make_url(bench.environment[name]), make_url(bench.server.url(database))
            assert (named.database, named.query["host"]) == (database, own.query["host"])


def test_options_about_samples_need_the_demo(run: CommandLine, tmp_path: Path):
    (tmp_path / "acme.json").write_text("[]")
    assert run("dev", "--listings", str(tmp_path)).code == 2
    assert run("dev", "--samples").code == 2
    assert run("demo", "--delete", "--listings", str(tmp_path)).code == 2


def test_a_folder_without_listings_is_refused_in_one_line(run: CommandLine, tmp_path: Path):
    result = run("demo", "--listings", str(tmp_path))
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert "no *.json file" in result.err
