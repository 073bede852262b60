"""Providers as files: those that ship with the package, and a user's own.

Here: the public names. `presets()` are the shipped ones, `find_preset` is one of them by name, `load_provider_file` and
`load_provider_folder` read a user's, and `first_rule` is the rule a provider can start with before anything was
fetched. Not here: registering a provider (`provider_pipeline.catalog`) and asking it (`provider_pipeline.listing`).
The concept: a provider is a file of facts, each with the page that states it; adding one changes no Python.
"""

from provider_pipeline.presets.first_rule import first_rule
from provider_pipeline.presets.library import (
    find_preset,
    load_provider_file,
    load_provider_folder,
    preset_sample,
    presets,
)
from provider_pipeline.presets.model import FileEndpoint, ProviderFile, Source, Variable

__all__ = [
    "FileEndpoint",
    "ProviderFile",
    "Source",
    "Variable",
    "find_preset",
    "first_rule",
    "load_provider_file",
    "load_provider_folder",
    "preset_sample",
    "presets",
]
