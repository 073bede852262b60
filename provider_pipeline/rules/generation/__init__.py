"""Writing rules from samples: one module for each decision, and `generator.py`, which puts them together."""

from typing import TYPE_CHECKING

from provider_pipeline.lazy import submodules_on_use

if TYPE_CHECKING:
    from provider_pipeline.rules.generation import (
        capability_predicates as capability_predicates,
        created_at as created_at,
        drafting as drafting,
        explain as explain,
        fieldmap as fieldmap,
        generator as generator,
        identifiers as identifiers,
        joining as joining,
        list_detection as list_detection,
        names as names,
        pagination as pagination,
        prices as prices,
        samples as samples,
        shape as shape,
        tabular as tabular,
    )
else:
    __getattr__ = submodules_on_use(__name__)
