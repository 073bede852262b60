"""Input of the commands that add providers: options as stored documents, and questions at a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from provider_pipeline import presets
from provider_pipeline.cli.console import draw, emit_json, note, stderr, table
from provider_pipeline.cli.parameters import JsonOption
from provider_pipeline.cli.tables import FittedTable

KeyEnvOption = Annotated[
    str | None, typer.Option(help="Environment variable that holds its key. The key itself is never stored.")
]
KeyHeaderOption = Annotated[
    str | None, typer.Option(help="Header that carries the key; default: Authorization: Bearer.")
]
HeadersOption = Annotated[
    list[str] | None,
    typer.Option(
        "--header",
        metavar="NAME=VALUE",
        help="A further header, stored as it is; may be repeated. A secret is refused: use --key-header and --key-env.",
    ),
]
NewHostsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--new-host",
        metavar="HOST",
        help="A host, as the error names it, that may receive a key so far sent only to other hosts; may be repeated.",
    ),
]


def auth_of_options(
    key_env: str | None, key_file: str | None, key_header: str | None, key_query: str | None, headers: list[str]
) -> dict[str, Any]:
    """The authentication that the options about keys and headers describe, as it is stored."""
    if key_env and key_file:
        raise typer.BadParameter("give --key-env or --key-file, not both")
    if (key_header or key_query) and not (key_env or key_file):
        raise typer.BadParameter("--key-header and --key-query need --key-env or --key-file, where the key is")
    if key_header and key_query:
        raise typer.BadParameter("give --key-header or --key-query, not both")
    document: dict[str, Any] = {"type": "none"}
    if key_query:
        document = {"type": "query", "name": key_query}
    elif key_header:
        document = {"type": "header", "name": key_header}
    elif key_env or key_file:
        document = {"type": "bearer"}
    if key_env:
        document["env"] = key_env
    if key_file:
        document["file"] = str(Path(key_file).absolute())
    if headers:
        document["headers"] = dict(_header(each) for each in headers)
    return document


def auth_of_json(text: str) -> dict[str, Any]:
    """The authentication that --auth gives, as it is stored."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        # Not quoted: it may be a key, given by mistake.
        raise typer.BadParameter('--auth is not a JSON object; expected such as {"type": "bearer", "env": "MY_KEY"}')
    return document


def _header(text: str) -> tuple[str, str]:
    name, found, value = text.partition("=")
    if not found or not name:
        # Not quoted: it may be a key, given by mistake.
        raise typer.BadParameter("expected --header NAME=VALUE")
    return name, value


def threshold_of(text: str) -> tuple[str, float]:
    """A threshold's name and value, from NAME=NUMBER."""
    name, _, value = text.partition("=")
    try:
        return name, float(value)
    except ValueError:
        raise typer.BadParameter(f"expected --threshold NAME=NUMBER, got {text!r}") from None


def is_interactive() -> bool:
    """Whether questions can be asked: input and output are a terminal."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def choose_preset() -> presets.model.ProviderFile:
    """Let the user search the presets until one is chosen; prompts go to standard error."""
    shown = list(presets.library.presets().values())
    _print(shown)
    while True:
        text = str(typer.prompt("provider: its number, or a part of its name", err=True)).strip().lower()
        if text.isdecimal() and 1 <= int(text) <= len(shown):
            return shown[int(text) - 1]
        found = matching_presets(text)
        if len(found) == 1:
            return found[0]
        if found:
            shown = found
            _print(shown)
        else:
            note(f"no preset has {text!r} in its name; for another provider: provider-pipeline providers detect URL")


def matching_presets(text: str) -> list[presets.model.ProviderFile]:
    """The preset with exactly that slug, or all with the text in their slug, name or kind of API."""
    known = presets.library.presets()
    if text in known:
        return [known[text]]
    return [
        preset
        for preset in known.values()
        if text in f"{preset.slug} {preset.name} {preset.kind} {preset.kind.replace('_', ' ')}".lower()
    ]


def list_presets(
    search: Annotated[str, typer.Argument(help="A part of the slug, the name or the kind of API.")] = "",
    as_json: JsonOption = False,
) -> None:
    """List the providers that ship with the package: what their keys are called, and what else they need."""
    found = matching_presets(search.strip().lower())
    if as_json:
        emit_json(
            [
                {
                    "slug": preset.slug,
                    "name": preset.name,
                    "kind": preset.kind,
                    "base_url": preset.base_url,
                    "key_variable": preset.auth.get("env"),
                    "works_without_key": preset.works_without_key,
                    "variables": {name: each.description for name, each in preset.variables.items()},
                }
                for preset in found
            ]
        )
    elif found:
        draw(_presets_table(found))
        note("to add one: provider-pipeline providers add PRESET")
    else:
        note(f"no preset has {search!r} in its name; for another provider: provider-pipeline providers detect URL")


def ask_values(preset: presets.model.ProviderFile, environ: Mapping[str, str]) -> dict[str, str]:
    """Ask for the values of a preset's placeholders that the environment does not set."""
    return {
        name: str(
            typer.prompt(f"{name}: {variable.description} (such as {variable.example})", variable.default, err=True)
        ).strip()
        for name, variable in preset.variables.items()
        if not environ.get(variable.env or "")
    }


def _print(found: Sequence[presets.model.ProviderFile]) -> None:
    draw(_presets_table(found), console=stderr())


def _presets_table(found: Sequence[presets.model.ProviderFile]) -> FittedTable:
    rows = (
        (
            *(number, preset.slug, preset.name, preset.kind.replace("_", " ")),
            *(preset.auth.get("env"), ", ".join(preset.variables) or None),
        )
        for number, preset in enumerate(found, start=1)
    )
    columns = ("", "preset", "name", "kind", "key", "needs")
    return table("presets", columns, rows, right=("",), spare=("needs", "kind", "name"), lead=2)
