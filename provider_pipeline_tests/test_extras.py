"""The dependencies: which modules belong to which extra, and the errors where one is missing or replaced."""

import base64
import hashlib
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from provider_pipeline.errors import ConfigurationError
from provider_pipeline.extras import EXTRAS, require_extras, require_own_module
from provider_pipeline_tests.locked import ROOT

DECLARED = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]


def test_each_extra_checks_a_module_of_everything_it_installs():
    assert EXTRAS.keys() == DECLARED.keys() - {"all"}
    owners = packages_distributions()
    for extra, modules in EXTRAS.items():
        installed = {canonicalize_name(name) for module in modules for name in owners[module.partition(".")[0]]}
        assert {canonicalize_name(Requirement(each).name) for each in DECLARED[extra]} <= installed, extra


def test_what_is_installed_passes():
    require_extras(*EXTRAS, purpose="everything")


def test_what_is_missing_is_named_with_the_command_that_installs_it(monkeypatch):
    missing = {"all_there": ["json"], "flat": ["no_such_module"], "nested": ["no.such.module", "os"]}
    monkeypatch.setattr("provider_pipeline.extras.EXTRAS", missing)
    with pytest.raises(ConfigurationError) as caught:
        require_extras("all_there", "flat", "nested", purpose="the test")
    assert str(caught.value) == (
        "the test needs packages that are not installed: no_such_module, no.such.module "
        '(run: pip install "provider-pipeline[flat,nested]")'
    )
    with pytest.raises(ConfigurationError, match="; or do without"):
        require_extras("flat", purpose="the test", alternative="do without")


def installed(folder: Path, distribution: str, content: str, *, hashed: bool = True) -> None:
    """Puts a distribution with the module `jmespath` into a folder."""
    (folder / "jmespath").mkdir(parents=True, exist_ok=True)
    (folder / "jmespath" / "__init__.py").write_text(content)
    digest = base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest()).rstrip(b"=").decode()
    described = folder / f"{distribution.replace('-', '_')}-1.1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.1.0\n")
    (described / "RECORD").write_text(f"jmespath/__init__.py,{f'sha256={digest}' if hashed else ''},\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose packages come before all others."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "jmespath")
    return tmp_path


def test_the_installed_jmespath_is_the_package_of_that_name():
    require_own_module("jmespath")


@pytest.mark.parametrize("hashed", [True, False])
def test_a_package_with_its_own_files_or_without_hashes_passes(site: Path, hashed: bool):
    installed(site, "jmespath", "ours = True\n", hashed=hashed)
    require_own_module("jmespath")


def test_a_package_whose_module_another_one_overwrote_is_named_with_its_repair(site: Path):
    installed(site, "jmespath", "ours = True\n")
    installed(site, "jmespath-community", "ours = False\n")
    with pytest.raises(ConfigurationError) as caught:
        require_own_module("jmespath")
    assert caught.value.message == "the module jmespath is not the package jmespath, but jmespath-community"
    assert caught.value.hint == (
        'run: pip uninstall jmespath-community; pip install --force-reinstall "jmespath<2,>=1.1"'
    )
