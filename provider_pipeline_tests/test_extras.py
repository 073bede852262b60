"""The optional dependencies: which modules belong to which extra, and the error where one is missing."""

import tomllib
from importlib.metadata import packages_distributions

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from provider_pipeline.errors import ConfigurationError
from provider_pipeline.extras import EXTRAS, require_extras
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
