"""What is installed: pinned, each file known by its hash, and what pyproject.toml asks for."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCK, BENCH = "requirements.lock", "requirements-bench.lock"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
GROUPS = PROJECT["dependency-groups"]
WANTED = {
    LOCK: [*PROJECT["project"]["dependencies"], *GROUPS["dev"], *GROUPS["build"], *PROJECT["build-system"]["requires"]],
    BENCH: GROUPS["bench"],
}


def entries(lock: str) -> list[str]:
    """Each requirement of a lock with its options, on one line."""
    return (ROOT / lock).read_text(encoding="utf-8").replace("\\\n", "").splitlines()


def pins(lock: str) -> set[tuple[str, str]]:
    """Names and versions; a name may have one for each kind of platform."""
    found = [Requirement(entry.partition("--hash=")[0].strip()) for entry in entries(lock)]
    return {(canonicalize_name(each.name), str(each.specifier).removeprefix("==")) for each in found}


@pytest.mark.parametrize("lock", [LOCK, BENCH])
def test_every_file_that_may_be_installed_is_known_by_its_hash(lock: str):
    for entry in entries(lock):
        assert re.fullmatch(r"[a-z0-9.-]+==[^ ;]+( ; [^-]+)?(\s+--hash=sha256:[0-9a-f]{64})+", entry), entry


@pytest.mark.parametrize("lock", [LOCK, BENCH])
def test_the_lock_holds_what_is_asked_for(lock: str):
    pinned = pins(lock)
    for wanted in map(Requirement, WANTED[lock]):
        versions = [version for name, version in pinned if name == canonicalize_name(wanted.name)]
        assert versions, f"{lock} lacks {wanted}: make lock"
        assert all(wanted.specifier.contains(version) for version in versions), f"{wanted}: make lock"


def test_the_benches_run_with_the_versions_that_are_installed_otherwise():
    installed, for_benches = pins(LOCK), pins(BENCH)
    names = {name for name, _ in installed} & {name for name, _ in for_benches}
    assert {"dagster", "sqlalchemy"} <= names
    assert {pin for pin in for_benches if pin[0] in names} <= installed


@pytest.mark.parametrize(("target", "locks"), [("install", [LOCK]), ("bench", [LOCK, BENCH])])
def test_nothing_but_this_package_is_installed_without_a_hash(tmp_path: Path, target: str, locks: list[str]):
    for name in ("Makefile", "pyproject.toml", LOCK, BENCH):  # where nothing is installed yet
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
