"""`provider-pipeline providers apply`: a folder of provider files."""

import json
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from provider_pipeline_tests.cli.conftest import CommandLine, at_a_terminal
from provider_pipeline_tests.fleet import CHAT_MODELS, listing
from provider_pipeline_tests.presets.vendor import ACME

FILE = ACME + "request: {allow_private: true}\n"
"""A provider file whose base URL is to be replaced by a server's."""
HOST = "https://api.acme.example"


@pytest.fixture
def here(httpserver: HTTPServer) -> str:
    """The base URL of a server that lists models at /v1/models."""
    httpserver.expect_request("/v1/models").respond_with_json(listing(*CHAT_MODELS))
    return httpserver.url_for("").rstrip("/")


def test_a_folder_is_applied_after_its_plan_is_shown(run: CommandLine, tmp_path: Path, here: str):
    folder = tmp_path / "providers"
    folder.mkdir()
    (folder / "acme.yaml").write_text(FILE.replace(HOST, here))
    asked = run("providers", "apply", str(folder), ACME_API_KEY="sk")
    assert (asked.code, here in asked.out, "give --yes" in asked.err) == (3, True, True)
    assert run("providers", "list", "--json").json == []

    done = run("providers", "apply", str(folder), "--yes", ACME_API_KEY="sk")
    assert done.code == 0, done.err
    assert "acme: added; next: provider-pipeline sync acme" in done.out
    again = run("providers", "apply", str(folder), "--json", ACME_API_KEY="sk")
    assert (again.code, again.json["applied"]) == (0, True)
    assert [each["action"] for each in again.json["providers"]] == ["unchanged"]

    there = here.replace("localhost", "127.0.0.1")
    (folder / "acme.yaml").write_text(FILE.replace(HOST, there))
    asked = run("providers", "apply", str(folder), "--yes", ACME_API_KEY="sk")
    assert (asked.code, "KEY GOES TO" in asked.out) == (3, True)
    was, will_be = here.removeprefix("http://"), there.removeprefix("http://")
    assert f"acme: the key in ACME_API_KEY went to http://{was}, and would go to http://{will_be}" in asked.err
    assert "give --yes --new-host " in asked.err
    shown = at_a_terminal(run, "providers", "apply", str(folder), types="y\ny\n")
    assert "Send it to http://127.0.0.1" in shown
    assert "Do it?" in shown
    (acme,) = run("providers", "list", "--json").json
    assert acme["base_url"] == there

    (folder / "acme.yaml").write_text(FILE + "basurl: x\n")
    broken = run("providers", "apply", str(folder), "--yes")
    assert (broken.code, "acme.yaml:8: basurl" in broken.err) == (1, True)


def test_a_folder_that_sends_a_key_elsewhere_needs_new_host_besides_yes(run: CommandLine, tmp_path: Path, here: str):
    (tmp_path / "acme.yaml").write_text(FILE.replace(HOST, here))
    assert run("providers", "apply", str(tmp_path), "--yes", ACME_API_KEY="sk").code == 0
    (tmp_path / "acme.yaml").write_text(FILE.replace("api.acme", "evil.acme") + "check_every: 6h\n")
    for flags in (("--yes",), ("--yes", "--new-host", "api.acme.example"), ("--new-host", "evil.acme.example")):
        refused = run("providers", "apply", str(tmp_path), *flags, "--json")
        assert (refused.code, refused.json["applied"]) == (3, False), flags
    assert run("providers", "list", "--json").json[0]["base_url"] == here
    done = run("providers", "apply", str(tmp_path), "--yes", "--new-host", "evil.acme.example")
    assert done.code == 0, done.err
    assert run("providers", "list", "--json").json[0]["base_url"] == "https://evil.acme.example"


PAGES = {"": (CHAT_MODELS[:2], "2"), "2": (CHAT_MODELS[2:], None)}


def _page(request: Request) -> Response:
    """One page of a listing whose parameter for the next page no generator could know."""
    names, token = PAGES[request.args.get("resume_at", "")]
    page = listing(*names) | {"bookmark": token, "available": len(CHAT_MODELS)}
    return Response(json.dumps(page), content_type="application/json")


@pytest.mark.parametrize("command", [("apply", "--yes"), ("add", "--file")])
def test_pagination_and_total_of_a_file_hold_at_the_first_registration(
    run: CommandLine, httpserver: HTTPServer, tmp_path: Path, command: tuple[str, str]
):
    httpserver.expect_request("/v1/models").respond_with_handler(_page)
    paged = "    pagination: {type: page_token, param: resume_at, token: bookmark, total: available}\n"
    text = ACME + paged + "request: {allow_private: true}\n"
    (tmp_path / "acme.yaml").write_text(text.replace(HOST, httpserver.url_for("").rstrip("/")))
    target = tmp_path if command[0] == "apply" else tmp_path / "acme.yaml"
    registered = run("providers", *command, str(target), ACME_API_KEY="sk")
    assert (registered.code, "next: provider-pipeline sync acme" in registered.out) == (0, True), registered.err
    (synced,) = run("sync", "acme", "--json", ACME_API_KEY="sk").json
    assert (synced["status"], synced["models"]) == ("synced", len(CHAT_MODELS)), synced["reason"]


def test_a_provider_that_could_not_be_synced_is_not_applied(
    run: CommandLine, httpserver: HTTPServer, tmp_path: Path, here: str
):
    httpserver.expect_request("/none/v1/models").respond_with_json({"object": "list", "data": []})
    (tmp_path / "a.yaml").write_text(FILE.replace(HOST, here))
    for base_url, key in ((f"{here}/none", "sk"), (f"{here}/absent", "sk"), (here, "")):
        text = FILE.replace(HOST, base_url).replace("slug: acme", "slug: zeta").replace("ACME_API_KEY", "ZETA_KEY")
        (tmp_path / "z.yaml").write_text(text)
        refused = run("providers", "apply", str(tmp_path), "--yes", ACME_API_KEY="sk", ZETA_KEY=key)
        assert (refused.code, "zeta" in refused.err) == (1, True), base_url
        assert run("providers", "list", "--json").json == []


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        ({"data": [{"id": f"file-{n}", "object": "file", "bytes": n} for n in range(9)]}, "are models"),
        ({"data": listing(*CHAT_MODELS)["data"], "has_more": True}, "has_more says that there is more"),
    ],
)
def test_a_first_rule_that_needs_review_is_not_applied(
    run: CommandLine, httpserver: HTTPServer, tmp_path: Path, page: dict, reason: str
):
    httpserver.expect_request("/v1/models").respond_with_json(page)
    text = ACME + "request: {allow_private: true}\n"
    (tmp_path / "acme.yaml").write_text(text.replace(HOST, httpserver.url_for("").rstrip("/")))
    refused = run("providers", "apply", str(tmp_path), "--yes", ACME_API_KEY="sk")
    assert (refused.code, reason in refused.err) == (1, True), refused.err
    assert run("providers", "list", "--json").json == []
    added = run("providers", "add", "--file", str(tmp_path / "acme.yaml"), ACME_API_KEY="sk")
    assert (added.code, reason in added.err) == (0, True), added.err
    assert run("sync", "acme", ACME_API_KEY="sk").code == 1


def test_a_provider_registered_without_a_rule_gets_one_when_it_is_applied_again(
    run: CommandLine, tmp_path: Path, here: str
):
    file = tmp_path / "acme.yaml"
    file.write_text(FILE.replace(HOST, here))
    assert "next: provider-pipeline rules generate" in run("providers", "add", "--file", str(file)).out
    assert run("providers", "apply", str(tmp_path), ACME_API_KEY="sk").code == 3
    done = run("providers", "apply", str(tmp_path), "--yes", ACME_API_KEY="sk")
    assert (done.code, "acme: unchanged; next: provider-pipeline sync acme" in done.out) == (0, True), done.err
