"""What a process loads before it does anything: the libraries that only a step or a command needs stay out."""

import os
import subprocess
import sys
from importlib import import_module

import pytest

from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing

PACKAGES = [
    *("api", "catalog", "listing", "listing.auth", "presets", "rules", "rules.generation", "samples", "sync"),
    *("sync.repair", "exports", "mcp_server"),
]
HEAVY = {
    *("alembic", "fastapi", "jmespath", "pandas", "psycopg", "pyarrow", "re2", "requests", "sqlalchemy", "uvicorn"),
    *("anyio", "mcp", "xlsxwriter", "yaml"),
}


COMMAND_LINE = "import sys; sys.argv[:] = ['provider-pipeline', *{}]; from provider_pipeline.cli import main; main()"
TELL_AT_THE_END = "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr))"


def loaded(code: str, **environment: str) -> set[str]:
    """The top-level packages that a new process has loaded when it ends after this code."""
    return {name.partition(".")[0] for name in loaded_modules(code, **environment)}


def loaded_modules(code: str, **environment: str) -> set[str]:
    """The modules that a new process has loaded when it ends after this code."""
    ended = subprocess.run(
        [sys.executable, "-c", f"{TELL_AT_THE_END}\n{code}"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return set(ended.stderr.split())


def test_the_package_loads_nothing_but_itself():
    assert not loaded("import provider_pipeline") & {"dagster", "pydantic", "orjson", *HEAVY}


def test_the_definitions_load_nothing_that_only_a_step_needs():
    before = loaded("import dagster")
    assert not (loaded("import provider_pipeline.definitions") - before) & HEAVY


def test_writing_a_rule_loads_neither_the_database_nor_http():
    assert not loaded("from provider_pipeline import RuleGenerator, RuleValidator") & {"sqlalchemy", "requests"}


def test_every_public_name_is_where_the_package_says():
    package = import_module("provider_pipeline")
    for public in package.__all__:
        assert getattr(package, public) is not None


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_hands_out_its_modules_when_they_are_named(name: str):
    code = f"import provider_pipeline.{name} as package, pkgutil\n"
    code += "names = {each.name for each in pkgutil.iter_modules(package.__path__)} - {'embedded_guard'}\n"
    code += "assert all(getattr(package, each).__name__ == f'{package.__name__}.{each}' for each in names)\n"
    code += "assert not hasattr(package, 'no_such_module')"
    assert loaded(code)


@pytest.mark.parametrize(
    "arguments",
    [[], ["rules"], ["rules", "generate"], ["export"], ["mcp"], ["doctor"]],
)
def test_help_loads_nothing_that_only_a_command_needs(arguments: list[str]):
    assert not loaded(COMMAND_LINE.format([*arguments, "--help"])) & {"dagster", "orjson", *HEAVY}


def test_a_command_loads_the_modules_of_no_other():
    commands = loaded_modules(COMMAND_LINE.format(["models", "list", "--help"]))
    assert "provider_pipeline.cli.models" in commands
    assert not {f"provider_pipeline.cli.{name}" for name in ("api", "demo", "doctor", "providers", "rules")} & commands


@pytest.mark.parametrize("command", ["providers", "models"])
def test_a_command_that_lists_an_up_to_date_catalogue_loads_neither_migrations_nor_rules_nor_pydantic(
    command: str, database_url: str
):
    loads = loaded_modules(COMMAND_LINE.format([command, "list"]), PROVIDER_PIPELINE_DATABASE_URL=database_url)
    assert "sqlalchemy" in loads
    assert not loads & {"alembic", "requests", "dagster", "pandas", "pydantic", "rich.markdown"}
    assert not loads & {"jmespath", "re2", "provider_pipeline.rules.document", "provider_pipeline.rules.prices"}


def test_a_sync_of_an_unchanged_listing_loads_neither_what_judges_a_listing_nor_what_repairs_a_rule(fleet: Fleet):
    fleet.add("acme", listing(*CHAT_MODELS))
    loads = [
        loaded_modules(COMMAND_LINE.format(["sync", "acme"]), PROVIDER_PIPELINE_DATABASE_URL=fleet.database.url)
        for _ in range(2)
    ]
    judging = {f"provider_pipeline.rules.{name}" for name in ("judge", "matching", "plausibility", "statistics")}
    repairing = {f"provider_pipeline.sync.repair.{name}" for name in ("worker", "activation", "candidates", "trials")}
    assert judging <= loads[0]
    assert not loads[1] & {*judging, *repairing, "alembic", "dagster", "provider_pipeline.catalog.digest"}
    assert not loads[1] & {"psutil", "rich.progress", "typer._adapters", "provider_pipeline.catalog.pattern_sets"}
    assert not loads[0] & repairing
    assert not {name for each in loads for name in each if name.startswith("provider_pipeline.rules.generation.gen")}


def test_completing_a_command_loads_nothing_that_only_a_command_needs():
    asked = {"_PROVIDER_PIPELINE_COMPLETE": "complete_bash", "COMP_WORDS": "provider-pipeline ru", "COMP_CWORD": "1"}
    assert not loaded(COMMAND_LINE.format([]), **asked) & {"dagster", "orjson", *HEAVY}
