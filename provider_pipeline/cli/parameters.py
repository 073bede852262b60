"""Arguments and options that several commands share, the reading of times, and shell completion."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from provider_pipeline import catalog, presets, rules
from provider_pipeline.cli.console import note
from provider_pipeline.errors import ListingUnreadableError, ProviderPipelineError

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

TIME_HELP: Final = rules.moments.DESCRIPTION


def complete_slug(incomplete: str) -> list[str]:
    """Registered providers; none if the catalogue cannot be asked without starting a server."""
    if not catalog.database.is_running():
        return []
    try:
        with catalog.database.open_catalog() as database, database.session() as session:
            known = [provider.slug for provider in catalog.providers.list_providers(session, enabled_only=False)]
    except ProviderPipelineError:
        return []
    return [slug for slug in known if slug.startswith(incomplete)]


def complete_preset(incomplete: str) -> list[str]:
    """Providers that ship with the package."""
    return [name for name in presets.library.presets() if name.startswith(incomplete)]


SlugsArgument = Annotated[
    list[str] | None, typer.Argument(help="Providers.", metavar="SLUG", autocompletion=complete_slug)
]
SlugArgument = Annotated[str, typer.Argument(help="A provider.", autocompletion=complete_slug)]
OptionalSlugArgument = Annotated[
    str | None, typer.Argument(help="Only this provider.", metavar="SLUG", autocompletion=complete_slug)
]
EveryOption = Annotated[bool, typer.Option("--all", help="Every enabled provider.")]
WorkersOption = Annotated[int, typer.Option(min=1, max=64, help="Providers at the same time.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
ColumnsOption = Annotated[
    str | None, typer.Option(metavar="NAMES", help="Show these columns, by their names in --json: a,b,c.")
]
WideOption = Annotated[bool, typer.Option("--wide", help="Show every column, however narrow the window.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; it is recorded.")]
ByOption = Annotated[int | None, typer.Option("--by", help="Who decides, as a number you assign; it is recorded.")]


def wanted_slugs(session: Session, slugs: list[str] | None, *, every: bool) -> list[str]:
    """The named providers, or all enabled ones; a note says so if there are none."""
    if not every:
        return [catalog.providers.get(session, slug).slug for slug in slugs or ()]
    found = [provider.slug for provider in catalog.providers.list_providers(session, enabled_only=True)]
    if not found:
        note("no provider is enabled; add one with: provider-pipeline providers add")
    return found


def chosen_columns(text: str | None, known: Sequence[str]) -> list[str]:
    """The columns that --columns names; empty if it is left out."""
    names = [] if text is None else [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise typer.BadParameter(f"no column {name!r}; there are {', '.join(known)}", param_hint="--columns")
    return list(dict.fromkeys(names))


def component_amount(text: str) -> tuple[str, float]:
    """A price component and the largest amount, from COMPONENT:AMOUNT."""
    component, _, amount = text.partition(":")
    try:
        return component, float(amount)
    except ValueError:
        raise typer.BadParameter(f"expected --max-price COMPONENT:AMOUNT, got {text!r}") from None


def read_json(path: Path) -> Any:
    """A file's JSON.

    Raises:
        ListingUnreadableError: It is not JSON in UTF-8.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ListingUnreadableError(
            f"{path}: expected a JSON document, got {type(error).__name__}: {error}",
            hint="it must be JSON in UTF-8",
        ) from error


def optional_moment(text: str | None, *, direction: Literal["ago", "ahead"] = "ago") -> datetime | None:
    """The moment that an option names, counted from now; None if it is left out."""
    try:
        return None if text is None else rules.moments.parse_moment(text, now=datetime.now(UTC), direction=direction)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
