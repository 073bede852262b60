"""`provider-pipeline providers apply`: a folder of provider files."""

from pathlib import Path

from provider_pipeline_tests.cli.conftest import ACME, CommandLine, at_a_terminal


def test_a_folder_is_applied_after_its_plan_is_shown(run: CommandLine, tmp_path: Path):
    folder = tmp_path / "providers"
    folder.mkdir()
    (folder / "acme.yaml").write_text(ACME)
    asked = run("providers", "apply", str(folder), ACME_API_KEY="sk")
    assert (asked.code, "https://api.acme.example" in asked.out, "give --yes" in asked.err) == (2, True, True)
    assert run("providers", "list", "--json").json == []

    done = run("providers", "apply", str(folder), "--yes", ACME_API_KEY="sk")
    assert done.code == 0
    assert "acme: added; next: provider-pipeline rules generate acme --endpoint '/v1/models'" in done.out
    again = run("providers", "apply", str(folder), "--json", ACME_API_KEY="sk")
    assert (again.code, again.json["applied"]) == (0, True)
    assert [each["action"] for each in again.json["providers"]] == ["unchanged"]

    (folder / "acme.yaml").write_text(ACME.replace("api.acme", "eu.acme"))
    asked = run("providers", "apply", str(folder), "--yes", ACME_API_KEY="sk")
    assert (asked.code, "KEY GOES TO" in asked.out) == (2, True)
    assert "acme: the key in ACME_API_KEY went to api.acme.example, and would go to eu.acme.example" in asked.err
    assert "give --yes --new-host eu.acme.example" in asked.err
    shown = at_a_terminal(run, "providers", "apply", str(folder), types="y\ny\n")
    assert "Send it to eu.acme.example?" in shown
    assert "Do it?" in shown
    (acme,) = run("providers", "list", "--json").json
    assert acme["base_url"] == "https://eu.acme.example"

    (folder / "acme.yaml").write_text(ACME + "basurl: x\n")
    broken = run("providers", "apply", str(folder), "--yes")
    assert (broken.code, "acme.yaml:7: basurl" in broken.err) == (1, True)


def test_a_folder_that_sends_a_key_elsewhere_needs_new_host_besides_yes(run: CommandLine, tmp_path: Path):
    (tmp_path / "acme.yaml").write_text(ACME)
    assert run("providers", "apply", str(tmp_path), "--yes").code == 0
    (tmp_path / "acme.yaml").write_text(ACME.replace("api.acme", "evil.acme") + "check_every: 6h\n")
    for flags in (("--yes",), ("--yes", "--new-host", "api.acme.example"), ("--new-host", "evil.acme.example")):
        refused = run("providers", "apply", str(tmp_path), *flags, "--json")
        assert (refused.code, refused.json["applied"]) == (2, False), flags
    assert run("providers", "list", "--json").json[0]["base_url"] == "https://api.acme.example"
    done = run("providers", "apply", str(tmp_path), "--yes", "--new-host", "evil.acme.example")
    assert done.code == 0, done.err
    assert run("providers", "list", "--json").json[0]["base_url"] == "https://evil.acme.example"
