"""Overrides as files: sets that a team keeps under version control, and the price lists of peers."""

from typing import TYPE_CHECKING

from provider_pipeline.lazy import lazy_submodules

if TYPE_CHECKING:
    from provider_pipeline.overrides import (
        entries as entries,
        files as files,
        peers as peers,
    )
else:
    __getattr__ = lazy_submodules(__name__)
