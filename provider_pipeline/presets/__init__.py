"""Providers as files: those that ship with the package, and a user's own.

Here: the public names. `presets()` are the shipped ones, `find_preset` is one of them by name, `load_provider_file` and
`load_provider_folder` read a user's, `first_rule` is the rule a provider can start with before anything was fetched,
and `plan_providers` and `apply_plan` register them. Not here: the rows that makes (`provider_pipeline.catalog`) and
asking a provider (`provider_pipeline.listing`).
The concept: a provider is a file of facts, each with the page that states it; adding one changes no Python.
"""

from typing import TYPE_CHECKING

from provider_pipeline.lazy import loaded_on_use

if TYPE_CHECKING:
    from provider_pipeline.presets.detection import PROBE_LIMITS, Detection, Found, Probe, detect
    from provider_pipeline.presets.library import (
        find_preset,
        load_provider_file,
        load_provider_folder,
        preset_sample,
        presets,
    )
    from provider_pipeline.presets.model import FileEndpoint, ProviderFile, Source, Variable
    from provider_pipeline.presets.registration import (
        Plan,
        PlannedProvider,
        apply_plan,
        plan_providers,
    )
    from provider_pipeline.presets.starting_rule import first_rule
    from provider_pipeline.presets.wanted import Wanted, missing_key, named, wanted_by_keys, wanted_provider
    from provider_pipeline.presets.writing import provider_file_text
else:
    __getattr__ = loaded_on_use(__name__)

__all__ = [
    "PROBE_LIMITS",
    "Detection",
    "FileEndpoint",
    "Found",
    "Plan",
    "PlannedProvider",
    "Probe",
    "ProviderFile",
    "Source",
    "Variable",
    "Wanted",
    "apply_plan",
    "detect",
    "find_preset",
    "first_rule",
    "load_provider_file",
    "load_provider_folder",
    "missing_key",
    "named",
    "plan_providers",
    "preset_sample",
    "presets",
    "provider_file_text",
    "wanted_by_keys",
    "wanted_provider",
]
