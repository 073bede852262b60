"""Keeps a trustworthy table of every AI provider's models.

Here: the public Python API, importable from the package itself. Its classes load their layer when they are first used
(`lazy.py`), so that `import provider_pipeline` costs nothing.
"""

from typing import TYPE_CHECKING

from provider_pipeline.lazy import loaded_on_use

if TYPE_CHECKING:
    from provider_pipeline.errors import ModelSyncerError, ProviderPipelineError, RuleValidationError
    from provider_pipeline.rules.generation.generator import RuleGenerator
    from provider_pipeline.rules.matching import CapabilityMatcher
    from provider_pipeline.rules.validator import RuleValidator
    from provider_pipeline.sync.provider import ModelSyncer
else:
    __getattr__ = loaded_on_use(__name__)

__all__ = [
    "CapabilityMatcher",
    "ModelSyncer",
    "ModelSyncerError",
    "ProviderPipelineError",
    "RuleGenerator",
    "RuleValidationError",
    "RuleValidator",
]
