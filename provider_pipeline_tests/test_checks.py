"""The checks that `make check`, the hooks of pre-commit and CI run are the same."""

import re

import yaml

from provider_pipeline_tests.locked import ROOT


def test_the_hooks_run_what_make_check_runs():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (recipe,) = re.findall(r"^check: install\n((?:\t.*\n)+)", makefile, flags=re.MULTILINE)
    checks = {line.strip().replace("$(BIN)", ".venv/bin").removesuffix(" --check") for line in recipe.splitlines()}
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    assert {hook["entry"].removesuffix(" --force-exclude") for hook in hooks} == checks


def test_ci_runs_on_every_python_that_the_package_supports():
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    job = workflow["jobs"]["check-and-test"]
    pythons = job["strategy"]["matrix"]["python"]
    supported = re.findall(r'Python :: (3\.\d+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert pythons == supported
    assert job["steps"][-1] == {"run": ".ci/run"}
    assert (ROOT / ".ci/run").is_file()
