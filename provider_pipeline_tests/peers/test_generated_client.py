"""A client that openapi-python-client generates from our OpenAPI document works with a real server."""

import importlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from provider_pipeline_tests.json_provider import json_provider

PROGRAM = Path(__file__).parents[2] / ".venv" / "bin" / "provider-pipeline"
LISTING = {
    "data": [
        {"id": "gpt-4o", "context_length": 128_000, "pricing": {"prompt": "0.0000025", "completion": "0.00001"}},
        {"id": "gpt-4.1", "context_length": 1_000_000, "pricing": {"prompt": "0.000002", "completion": "0.000008"}},
        {"id": "claude-sonnet-4-5", "context_length": 200_000, "pricing": {"prompt": "0.000003"}},
    ]
}


@contextmanager
def api(environment: dict[str, str], log: Path) -> Iterator[str]:
    """The address of a running API."""
    with log.open("wb") as written:
        process = subprocess.Popen([PROGRAM, "api", "--no-auth", "--port", "0"], env=environment, stderr=written)
    try:
        deadline = time.monotonic() + 60
        while (found := re.search(r"http://127\.0\.0\.1:\d+", log.read_text())) is None:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield found[0]
    finally:
        process.terminate()
        process.wait(30)


@dataclass(frozen=True)
class Generated:
    """A generated package, and a client of its own for the running API."""

    name: str
    client: Any

    def __call__(self, operation: str, *arguments: Any, **options: Any) -> Any:
        """The answer of an operation, as its own model."""
        called = importlib.import_module(f"{self.name}.api.{operation}")
        return called.sync(*arguments, client=self.client, **options)

    def model(self, name: str) -> Any:
        """A generated model."""
        return getattr(importlib.import_module(f"{self.name}.models"), name)


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Generated]:
    """The client, and a catalogue with one provider behind the API."""
    folder = tmp_path_factory.mktemp("client")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PROVIDER_PIPELINE")}
    environment["PROVIDER_PIPELINE_HOME"] = str(folder / "home")
    assert PROGRAM.is_file(), f"{PROGRAM} is missing: make test-peers installs it"
    with json_provider(LISTING) as address, api(environment, folder / "log") as url:
        for command in (
            ["providers", "add", "acme", "--base-url", address, "--allow-private"],
            ["rules", "generate", "acme"],
        ):
            subprocess.run([PROGRAM, *command], env=environment, check=True)
        (folder / "openapi.json").write_bytes(urlopen(f"{url}/openapi.json").read())
        (folder / "config.yaml").write_text("post_hooks: []\n")
        written = subprocess.run(
            [
                *(Path(sys.executable).with_name("openapi-python-client"), "generate", "--meta", "none"),
                *("--path", folder / "openapi.json", "--config", folder / "config.yaml"),
                *("--output-path", folder / "catalogue_client"),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        told = written.stdout + written.stderr
        assert (written.returncode, "warning" in told.lower()) == (0, False), told
        sys.path.insert(0, str(folder))
        try:
            client = importlib.import_module("catalogue_client").Client(base_url=url, raise_on_unexpected_status=True)
            yield Generated("catalogue_client", client)
        finally:
            sys.path.remove(str(folder))


def test_it_syncs_and_finds_models_by_named_filters(generated: Generated):
    synced = generated("sync.sync_models", "acme", body=generated.model("SyncRequest")())
    assert (synced.models_synced, synced.models_created) == (3, 3)
    chat = generated.model("Capability").CHAT
    largest = generated.model("ListAllModelsSort")("-context_length")
    page = generated("models.list_all_models", capability=[chat], min_context=150_000, sort=largest)
    assert [each.model_id for each in page.models] == ["gpt-4.1", "claude-sonnet-4-5"]
    assert page.models[0].input_price == 2
    assert page.models[0].capabilities.additional_properties["chat"] is True
    names = generated("models.list_vocabulary")
    assert "vision" in names.capabilities
    assert generated("models.list_models", "acme", limit=1).next_cursor is not None


def test_it_reads_history_by_span_and_sets_overrides(generated: Generated):
    changes = generated("history.list_changes", model_id="gpt-4o", since="2d").changes
    assert [each.kind for each in changes] == ["added"]
    stated = generated.model("OverrideRequest")(
        model_id="gpt-4o", field="context_length", value=64_000, reason="measured", expires_at="36h"
    )
    assert generated("overrides.set_override", "acme", body=stated).override_value == 64_000
    assert [each.field for each in generated("overrides.list_overrides")] == ["context_length"]
    shown = generated("models.show_model", "acme", "gpt-4o")
    assert shown.sources.additional_properties["context_length"].source == "listing"


def test_a_refusal_is_a_problem_of_its_own_kind(generated: Generated):
    problem = generated("models.list_all_models", capability=["visoin"])
    assert problem.type_ == "urn:provider-pipeline:problem:unknown-value"
    assert "did you mean vision" in problem.hint
    assert generated("providers.show_provider", "nobody").status == 404
