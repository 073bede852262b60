"""Sample providers for the demo, for trying rules out and for tests: served over HTTP, and registered as samples."""

from typing import TYPE_CHECKING

from provider_pipeline.lazy import lazy_submodules

if TYPE_CHECKING:
    from provider_pipeline.samples import (
        providers as providers,
        registration as registration,
        server as server,
    )
else:
    __getattr__ = lazy_submodules(__name__)
