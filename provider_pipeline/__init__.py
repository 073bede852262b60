"""Keeps a trustworthy table of every AI provider's models.

Here: the public Python API, importable from the package itself. Its classes load their layer when they are first used,
so that `import provider_pipeline` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from provider_pipeline.errors import ModelSyncerError, ProviderPipelineError, RuleValidationError
    from provider_pipeline.rules import CapabilityMatcher, RuleGenerator, RuleValidator
    from provider_pipeline.sync import ModelSyncer

__all__ = [
    "CapabilityMatcher",
    "ModelSyncer",
    "ModelSyncerError",
    "ProviderPipelineError",
    "RuleGenerator",
    "RuleValidationError",
    "RuleValidator",
]

_HOMES = {
    "CapabilityMatcher": "provider_pipeline.rules",
    "ModelSyncer": "provider_pipeline.sync",
    "ModelSyncerError": "provider_pipeline.errors",
    "ProviderPipelineError": "provider_pipeline.errors",
    "RuleGenerator": "provider_pipeline.rules",
    "RuleValidationError": "provider_pipeline.errors",
    "RuleValidator": "provider_pipeline.rules",
}


def __getattr__(name: str) -> Any:
    """Loads a public name from its layer."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
