"""Keeps a trustworthy table of every AI provider's models. This is the public Python API.

A class loads its module when it is first used, so that `import provider_pipeline` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from provider_pipeline.errors import ModelSyncerError, ProviderPipelineError, RuleValidationError

if TYPE_CHECKING:
    from provider_pipeline.rules.generation.generator import RuleGenerator
    from provider_pipeline.rules.matching import CapabilityMatcher
    from provider_pipeline.rules.validator import RuleValidator
    from provider_pipeline.sync.provider import ModelSyncer
else:
    _MODULES = {
        "CapabilityMatcher": "rules.matching",
        "ModelSyncer": "sync.provider",
        "RuleGenerator": "rules.generation.generator",
        "RuleValidator": "rules.validator",
    }

    def __getattr__(name):
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


__all__ = [
    "CapabilityMatcher",
    "ModelSyncer",
    "ModelSyncerError",
    "ProviderPipelineError",
    "RuleGenerator",
    "RuleValidationError",
    "RuleValidator",
]
