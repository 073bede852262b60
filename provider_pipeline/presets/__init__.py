"""Providers as files: those that ship with the package and a user's own, registering them, and detecting new ones."""

from typing import TYPE_CHECKING

from provider_pipeline.lazy import submodules_on_use

if TYPE_CHECKING:
    from provider_pipeline.presets import (
        detection as detection,
        library as library,
        model as model,
        registration as registration,
        wanted as wanted,
        writing as writing,
    )
else:
    __getattr__ = submodules_on_use(__name__)
