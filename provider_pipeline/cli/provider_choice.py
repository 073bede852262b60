"""Choosing a preset at a terminal, and asking for what it leaves open.

Here: prompts, all on standard error. Not here: whether a person sits there, which the command asks first.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

import typer

from provider_pipeline import presets
from provider_pipeline.cli.console import draw, note, stderr, table


def a_person_is_there() -> bool:
    """Whether questions can be asked: input and output are a terminal."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def choose_preset() -> presets.model.ProviderFile:
    """Lets a person search among the presets until one is chosen."""
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
    """The preset of that slug alone, or all that have the text in their slug or name."""
    known = presets.library.presets()
    if text in known:
        return [known[text]]
    return [preset for preset in known.values() if text in f"{preset.slug} {preset.name}".lower()]


def ask_values(preset: presets.model.ProviderFile, environ: Mapping[str, str]) -> dict[str, str]:
    """Asks for the values of a preset's placeholders that the environment does not have."""
    return {
        name: str(
            typer.prompt(f"{name}: {variable.description} (such as {variable.example})", variable.default, err=True)
        ).strip()
        for name, variable in preset.variables.items()
        if not environ.get(variable.env or "")
    }


def _print(found: Sequence[presets.model.ProviderFile]) -> None:
    draw(
        table(
            "presets",
            ("", "preset", "name", "kind", "key"),
            (
                (number, preset.slug, preset.name, preset.kind.replace("_", " "), preset.auth.get("env"))
                for number, preset in enumerate(found, start=1)
            ),
            right=("",),
        ),
        console=stderr(),
    )
