"""Providers as files: those that ship with the package, and a user's own.

Here: the public names. `presets()` are the shipped ones, `find_preset` is one of them by name, `load_provider_file` and
`load_provider_folder` read a user's, `first_rule` is the rule a provider can start with before anything was fetched,
and `plan_providers` and `apply_plan` register them. Not here: the rows that makes (`provider_pipeline.catalog`) and
asking a provider (`provider_pipeline.listing`).
The concept: a provider is a file of facts, each with the page that states it; adding one changes no Python.
"""

from typing import TYPE_CHECKING

from provider_pipeline.lazy import submodules_on_use

if TYPE_CHECKING:
    from provider_pipeline.presets import (
        detection as detection,
        library as library,
        model as model,
        reading as reading,
        registration as registration,
        starting_rule as starting_rule,
        wanted as wanted,
        writing as writing,
    )
else:
    __getattr__ = submodules_on_use(__name__)
