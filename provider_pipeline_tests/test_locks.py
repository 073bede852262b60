"""What is installed: pinned, each file known by its hash, and what pyproject.toml asks for."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from provider_pipeline_tests.locked import ROOT, entries, requirement

LOCK, DEMO, DEV, DOCS, BENCH, SCALE, PEERS = LOCKS = (
    "requirements.lock",
    "requirements-demo.lock",
    "requirements-dev.lock",
    "requirements-docs.lock",
    "requirements-bench.lock",
    "requirements-scale.lock",
    "requirements-peers.lock",
)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
GROUPS = PROJECT["dependency-groups"]
EXTRAS = {name: wanted for name, wanted in PROJECT["project"]["optional-dependencies"].items() if name != "all"}
BUILD = [*GROUPS["build"], *PROJECT["build-system"]["requires"]]
DEMO_EXTRAS = ("api", "embedded", "report", "ui")
WANTED = {
    LOCK: [*PROJECT["project"]["dependencies"], *(each for wanted in EXTRAS.values() for each in wanted), *BUILD],
    DEMO: [
        *PROJECT["project"]["dependencies"],
        *(each for extra in DEMO_EXTRAS for each in EXTRAS[extra]),
        *BUILD,
    ],
    DEV: GROUPS["dev"],
    DOCS: GROUPS["docs"],
    BENCH: GROUPS["bench"],
    SCALE: GROUPS["scale"],
    PEERS: GROUPS["peers"],
}


def pins(lock: str) -> set[tuple[str, str]]:
    """Names and versions; a name may have one for each kind of platform."""
    found = map(requirement, entries(lock))
    return {(canonicalize_name(each.name), str(each.specifier).removeprefix("==")) for each in found}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_file_that_may_be_installed_is_known_by_its_hash(lock: str):
    for entry in entries(lock):
        assert re.fullmatch(r"[a-z0-9.-]+==[^ ;]+( ; [^-]+)?(\s+--hash=sha256:[0-9a-f]{64})+", entry), entry


@pytest.mark.parametrize("lock", LOCKS)
def test_the_lock_holds_what_is_asked_for(lock: str):
    pinned = pins(lock)
    for wanted in map(Requirement, WANTED[lock]):
        versions = [version for name, version in pinned if name == canonicalize_name(wanted.name)]
        assert versions, f"{lock} lacks {wanted}: make lock"
        assert all(wanted.specifier.contains(version) for version in versions), f"{wanted}: make lock"


@pytest.mark.parametrize(
    ("lock", "shared"),
    [(DEV, {"anyio", "rich"}), (DOCS, {"jinja2", "pyyaml"}), (BENCH, {"dagster", "sqlalchemy"}), (SCALE, {"dagster"})],
)
def test_tests_and_benches_run_with_the_versions_that_users_get(lock: str, shared: set[str]):
    installed, further = pins(LOCK), pins(lock)
    names = {name for name, _ in installed} & {name for name, _ in further}
    assert shared <= names
    assert {pin for pin in further if pin[0] in names} <= installed


def test_the_demo_installs_no_test_tools_and_only_the_extras_it_shows():
    tools = {canonicalize_name(Requirement(each).name) for each in GROUPS["dev"]}
    assert {"mypy", "playwright", "pytest", "ruff"} <= tools
    assert not tools & {name for name, _ in pins(LOCK)}
    assert pins(DEMO) < pins(LOCK)
    assert not {"pandas", "pyarrow", "numpy", "botocore", "mcp"} & {name for name, _ in pins(DEMO)}


def test_the_extra_all_names_every_other_extra():
    (everything,) = map(Requirement, PROJECT["project"]["optional-dependencies"]["all"])
    assert (everything.name, everything.extras) == (PROJECT["project"]["name"], EXTRAS.keys())


@pytest.mark.parametrize(
    ("target", "locks"),
    [
        ("demo", [DEMO]),
        ("dev", [DEMO, LOCK]),
        ("install", [DEMO, LOCK, DEV]),
        ("test", [DEMO, LOCK, DEV]),
        ("docs", [DEMO, LOCK, DOCS]),
        ("bench", [DEMO, LOCK, DEV, BENCH]),
        ("test-scale", [DEMO, LOCK, DEV, SCALE]),
    ],
)
def test_nothing_but_this_package_is_installed_without_a_hash(tmp_path: Path, target: str, locks: list[str]):
    for name in ("Makefile", "pyproject.toml", *LOCKS):  # where nothing is installed yet
        shutil.copy(ROOT / name, tmp_path)
    told = subprocess.run(
        ["make", "--dry-run", target, "PYTHON=python3"], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    installs = [line.partition("pip install ")[2] for line in told.splitlines() if "pip install" in line]
    (own,) = [each for each in installs if each.endswith("--editable .")]
    assert {"--no-deps", "--no-build-isolation"} <= set(own.split())
    checked = [each for each in installs if each != own]
    assert [each.split()[-1] for each in checked] == locks
    assert all("--require-hashes" in each for each in checked)


def test_the_peers_are_installed_by_hash_into_an_environment_without_this_package():
    told = subprocess.run(
        ["make", "--dry-run", "--always-make", "test-peers", "PYTHON=python3"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    (install,) = [
        line.partition("pip install ")[2] for line in told.splitlines() if "peers/bin/python -m pip install" in line
    ]
    assert {"--no-deps", "--require-hashes", PEERS} <= set(install.split())
    assert {"litellm", "genai-prices"} <= {name for name, _ in pins(PEERS)}
    assert not {"litellm", "genai-prices"} & {name for name, _ in pins(LOCK) | pins(DEV)}
