"""Providers as files: those that ship with the package and a user's own, registering them, and detecting new ones."""

from typing import TYPE_CHECKING

from provider_pipeline.lazy import lazy_submodules

if TYPE_CHECKING:
    from provider_pipeline.presets import (
        detection as detection,
        file_rules as file_rules,
        library as library,
        listing_score as listing_score,
        model as model,
        plan as plan,
        registration as registration,
        requested as requested,
        yaml_documents as yaml_documents,
    )
else:
    __getattr__ = lazy_submodules(__name__)
