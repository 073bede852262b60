"""What the shell proposes while a command is typed.

Here: slugs and preset names. Not here: the scripts that shells load, which `--install-completion` writes. The concept:
a proposal is a courtesy; it starts no server, and where the catalogue cannot be asked there is none.
"""

from __future__ import annotations

from typing import Annotated

import typer

from provider_pipeline import catalog, presets
from provider_pipeline.errors import ProviderPipelineError


def complete_slug(incomplete: str) -> list[str]:
    """Registered providers."""
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


SlugArgument = Annotated[str, typer.Argument(help="A provider.", autocompletion=complete_slug)]
