"""Write extraction rules from samples: one module per decision, assembled by `generator`."""

from typing import TYPE_CHECKING

from provider_pipeline.lazy import lazy_submodules

if TYPE_CHECKING:
    from provider_pipeline.rules.generation import (
        capability_predicates as capability_predicates,
        capability_rules as capability_rules,
        explain as explain,
        fieldmap as fieldmap,
        generator as generator,
        identifiers as identifiers,
        pagination as pagination,
        prices as prices,
        samples as samples,
        shape as shape,
    )
else:
    __getattr__ = lazy_submodules(__name__)
