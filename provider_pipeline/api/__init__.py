"""The HTTP API: requests, responses, permissions and limits. docs/api.md explains it to users."""

from typing import TYPE_CHECKING

from provider_pipeline.lazy import lazy_submodules

if TYPE_CHECKING:
    from provider_pipeline.api import (
        access as access,
        app as app,
        cursors as cursors,
        dagster_runs as dagster_runs,
        limits as limits,
        problems as problems,
        request_models as request_models,
        response_models as response_models,
        routes as routes,
        routing as routing,
        serving as serving,
        settings as settings,
    )
else:
    __getattr__ = lazy_submodules(__name__)
