"""docs/repair.md agrees with the code: gates, bounds, guards, events, webhook and commands."""

import re
from pathlib import Path

import typer.main

from provider_pipeline.catalog.notifications import MAX_ATTEMPTS
from provider_pipeline.catalog.sync_locks import LEASE, RENEW_EVERY
from provider_pipeline.catalog.task_claims import DEFAULT_RETRIES
from provider_pipeline.cli.app import app
from provider_pipeline.rules.issues import GUARDS
from provider_pipeline.sync import events, webhook
from provider_pipeline.sync.repair import judge_process, promotion
from provider_pipeline.sync.repair.promotion import GateBounds
from provider_pipeline.sync.repair.shadow import SHADOW_RESPONSES

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "repair.md").read_text(encoding="utf-8")


def test_exactly_the_existing_gates_are_described():
    names = set(re.findall(r'Gate\(\s*"([a-z_]+)"', Path(promotion.__file__).read_text(encoding="utf-8")))
    described = set(re.findall(r"^\| `([a-z_]+)` \| [a-z]", TEXT, flags=re.MULTILINE))
    assert described | {"fits_where_the_active_rule_does"} == names


def test_every_bound_is_listed_with_its_default():
    stated = dict(re.findall(r"^\| `([a-z_]+)` \| ([0-9.]+) \|$", TEXT, flags=re.MULTILINE))
    assert {name: float(value) for name, value in stated.items()} == GateBounds().model_dump()
    assert f"Up to {SHADOW_RESPONSES} stored responses" in TEXT


def test_the_sandbox_limits_are_those_of_the_code():
    text = " ".join(TEXT.split())
    assert f"with {judge_process.MEMORY >> 20} MiB of memory and {judge_process.SECONDS} seconds of processor" in text


def test_guards_events_and_retries_are_those_of_the_code():
    assert f"The guards are {', '.join(f'`{name}`' for name in list(GUARDS)[:-1])} and `{list(GUARDS)[-1]}`" in TEXT
    kinds = [value for name, value in vars(events).items() if name.isupper() and isinstance(value, str)]
    assert len(kinds) == 9
    assert all(f"`{kind}`" in TEXT for kind in kinds)
    assert MAX_ATTEMPTS == 10
    assert (DEFAULT_RETRIES.base.total_seconds(), DEFAULT_RETRIES.attempts) == (300, 5)


def test_webhook_limits_and_secret_length_are_those_of_the_code():
    assert f"at most {webhook._SECONDS:g} seconds, one tick of the sensor {webhook._TICK_SECONDS:g}:" in TEXT
    assert f"at least {webhook._MIN_KEY_BYTES} bytes in base64" in TEXT


def test_the_lease_duration_is_that_of_the_code():
    page = " ".join((ROOT / "docs" / "syncs.md").read_text(encoding="utf-8").split())
    lasts = f"{LEASE.total_seconds():g} seconds"
    assert (
        f"by leases of {lasts} in the table `provider_sync_lease`, which it renews every {RENEW_EVERY:g} seconds."
        in page
    )
    assert f"A process that was killed therefore keeps the others out for at most {lasts}" in page


def test_every_command_exists_with_its_options():
    root = typer.main.get_command(app)
    for line in re.findall(r"^provider-pipeline (.+)$", TEXT, flags=re.MULTILINE):
        command, words = root, line.split()
        while hasattr(command, "commands") and words and words[0] in command.commands:
            command = command.commands[words.pop(0)]
        options = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, line
