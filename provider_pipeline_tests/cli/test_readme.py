"""The README's commands, run as written, and its other statements."""

import re
import shlex
import subprocess
from pathlib import Path

import yaml

from provider_pipeline import RuleGenerator, RuleValidator, catalog
from provider_pipeline.presets.library import presets
from provider_pipeline.samples.providers import bundled_providers
from provider_pipeline_tests.cli.conftest import CommandLine
from provider_pipeline_tests.cli.pages import ROOT, commands_with, text_of
from provider_pipeline_tests.dev_stack import environment
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing

README = text_of("README.md")
GATEWAY = "http://gateway.acme.example:4000"


def move_here(fleet: Fleet, *slugs: str) -> None:
    """Points providers that were added as presets at the test's server, at `/SLUG`."""
    with fleet.database.session() as session:
        for slug in slugs:
            preset = catalog.providers.get(session, slug)
            catalog.providers.add(
                session,
                slug=slug,
                name=preset.name,
                base_url=fleet.server.url_for(f"/{slug}"),
                auth_config=preset.auth_config,
                request_config={"allow_private": True},
            )
        session.commit()


def succeed(run: CommandLine, commands: list[list[str]], **environment: str) -> list[str]:
    """Runs each command, and returns what each printed."""
    printed = []
    for command in commands:
        finished = run(*command, **environment)
        assert finished.code == 0, f"{command}: {finished.out}{finished.err}"
        printed.append(finished.out)
    return printed


def test_the_commands_for_the_first_provider_work_in_order(run: CommandLine, fleet: Fleet):
    fleet.server.expect_request("/openai/v1/models", headers={"Authorization": "Bearer sk-demo"}).respond_with_json(
        listing(*CHAT_MODELS)
    )
    first, *others = commands_with("README.md", "providers add openai")
    succeed(run, [first], OPENAI_API_KEY="sk-demo")
    move_here(fleet, "openai")
    assert len(others) == 4
    assert "gpt-4o" in succeed(run, others, OPENAI_API_KEY="sk-demo")[-1]


def test_the_commands_from_a_private_gateway_to_the_cheapest_offer_work_in_order(
    run: CommandLine, fleet: Fleet, tmp_path: Path
):
    fleet.server.expect_request("/v1/models", headers={"Authorization": "Bearer sk-demo"}).respond_with_json(
        listing(*CHAT_MODELS)
    )
    detect, sync = commands_with("README.md", "providers detect")
    assert GATEWAY in detect
    detect = [fleet.server.url_for("") if each == GATEWAY else each for each in detect]
    succeed(run, [detect, sync], ACME_API_KEY="sk-demo")

    shown = succeed(run, commands_with("README.md", "overrides set"), ACME_API_KEY="sk-demo")[-1]
    assert "64,000" in shown
    assert "our gateway's limit" in shown

    exports = commands_with("README.md", "export litellm-proxy")
    succeed(run, [[str(tmp_path / each) if "." in each else each for each in command] for command in exports])
    proxy = yaml.safe_load((tmp_path / "config.yaml").read_text(encoding="utf-8"))
    (gpt,) = [each for each in proxy["model_list"] if each["model_name"].endswith("gpt-4o")]
    assert gpt["model_info"]["max_input_tokens"] == 64_000
    assert (tmp_path / "model_prices.json").stat().st_size > 100

    (offers,) = succeed(run, commands_with("README.md", "offers gpt-4o --input 1M --output 200k --with"))
    assert "acme" in offers.partition("without a price")[0]


def test_the_commands_for_the_demos_table_work(run: CommandLine, fleet: Fleet):
    fleet.add("acme", listing(*CHAT_MODELS, price="0.0000005"))
    assert run("sync", "--all").code == 0
    models, offers = succeed(run, commands_with("README.md", "export PROVIDER_PIPELINE_HOME"))
    assert "gpt-4o" in models
    assert "acme" in offers


def test_the_rows_that_it_shows_are_those_of_the_sample_providers():
    shown = re.findall(r"^\| (\w+) \| (\S+) \| (\S+) \| (\S+) \| (\S+) \| (.+) \|$", README, flags=re.MULTILINE)
    assert len(shown) == 5
    for slug, model_id, *cells in shown:
        (endpoint,) = next(each for each in bundled_providers() if each.described.slug == slug).endpoints
        rule = RuleGenerator().analyze_sample(endpoint.sample)
        rows = RuleValidator().validate_rule(rule, endpoint.body)["extracted_models"]
        (row,) = [each for each in rows if each["model_id"] == model_id]
        numbers = [row[name] for name in ("context_length", "input_price", "output_price")]
        capabilities = " ".join(sorted(name for name, able in row["capabilities"].items() if able))
        assert cells == ["-" if number is None else f"{number:,.10g}" for number in numbers] + [capabilities], slug


def test_it_counts_presets_and_sample_providers_right():
    assert f"There are {len(presets())} presets" in README
    assert f"| what your providers list: {len(presets())} presets" in README
    assert f"serves {len(bundled_providers())} sample providers" in README.replace("\n", " ")


def test_every_make_target_it_names_is_there():
    named = set(re.findall(r"\bmake\s([a-z][a-z-]*)", README))
    assert {"demo", "demo-ui", "dev", "docs"} <= named
    assert named <= set(re.findall(r"^([a-z-]+):", text_of("Makefile"), flags=re.MULTILINE))


def test_the_demo_is_started_opened_and_deleted_by_its_own_commands():
    """What these commands do is tested in `test_demo` and `test_demo_and_dev`."""
    written = [line for line in README.splitlines() if line.startswith("make demo")]
    expected = {"make demo": "demo", "make demo-ui": "dev --demo", "make demo ARGS=--delete": "demo --delete"}
    assert written == [*expected]
    for line, command in expected.items():
        shown = subprocess.run(
            [*shlex.split(line), "--dry-run", "--assume-old=.venv/.installed"],
            cwd=ROOT,
            env=environment(),  # not that of the `make test` around it, which announces folders and passes ARGS on
            capture_output=True,
            text=True,
            check=True,
        )
        assert shown.stdout.splitlines()[-1].removeprefix("exec ").split() == [
            ".venv/bin/provider-pipeline",
            *command.split(),
        ]


def test_every_file_it_links_to_is_there():
    for target in re.findall(r"\]\((?!http)([^)]+)\)", README):
        assert (ROOT / target.partition("#")[0]).exists(), target
