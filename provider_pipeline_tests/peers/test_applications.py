"""opencode lists our models, and the schemas of OpenRouter, LibreChat and Continue accept our files."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from provider_pipeline_tests.peers.catalogue import Models, provider, record, shipped, written
from provider_pipeline_tests.peers.rows import ROWS

REQUIRED = "PROVIDER_PIPELINE_REQUIRE_NODE"
NODE = Path(sys.prefix) / "node"
OURS = Models(
    (
        *(record(row, provider("acme", name="Acme", key_variable="ACME_API_KEY")) for row in ROWS),
        *shipped().found,
    )
)


@pytest.fixture(scope="module")
def packages() -> Path:
    """The folder with the packages; without Node they are missing, and the test is skipped or fails, as it must."""
    if shutil.which("node") is None or not (NODE / "node_modules").is_dir():
        missing = "no Node or no packages: apt-get install nodejs npm, then make test-peers"
        (pytest.fail if os.environ.get(REQUIRED) else pytest.skip)(missing)
    return NODE


def test_openrouters_librechats_and_continues_schemas_accept_ours(packages: Path):
    documents = {name: written(name, OURS) for name in ("openrouter", "librechat", "continue")}
    assert {name: report.models > 10 for name, (_, report) in documents.items()} == dict.fromkeys(documents, True)
    given = {name: each if name == "openrouter" else yaml.safe_load(each) for name, (each, _) in documents.items()}
    script = Path(__file__).with_name("check_schemas.mjs")

    def refused() -> dict:
        command = ["node", str(script), str(packages)]
        done = subprocess.run(
            command, input=json.dumps(given), capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    assert refused() == {"openrouter": [], "librechat": [], "continue": []}
    # A price that is a number, no context, a model without a name: each is refused.
    given["openrouter"]["data"][0]["pricing"]["prompt"] = 1.5
    next(iter(given["librechat"]["endpoints"]["custom"][0]["tokenConfig"].values())).pop("context")
    del given["continue"]["models"][0]["name"]
    assert all(refused().values())


def test_opencode_lists_exactly_our_models_with_cache_prices(packages: Path, tmp_path: Path):
    exported, report = written("models-dev", OURS)
    (tmp_path / "api.json").write_text(json.dumps(exported))
    command = packages / "node_modules" / "opencode-linux-x64-baseline" / "bin" / "opencode"
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path / "data"),
        "OPENCODE_MODELS_PATH": str(tmp_path / "api.json"),
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
        "OPENCODE_DISABLE_AUTOUPDATE": "1",
        **{variable: "none" for each in exported.values() for variable in each["env"]},
    }
    done = subprocess.run(
        [str(command), "models", "acme", "--verbose"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    listed = re.findall(r"^(acme/\S+)$", done.stdout, flags=re.MULTILINE)
    assert sorted(listed) == [f"acme/{name}" for name in sorted(exported["acme"]["models"])]
    assert len(listed) == 2 <= report.models
    first = json.loads(done.stdout.partition("acme/acme-pro\n")[2].partition("\nacme/")[0])
    assert first["cost"]["input"] == 1.25
    assert first["cost"]["cache"]["read"] == 0.125
    assert first["limit"] == {"context": 1_000_000, "output": 64_000}
    assert first["api"]["url"] == "https://api.acme.example/v1"
