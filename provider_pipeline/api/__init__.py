"""The HTTP API.

Here: requests, answers, who may ask for what, and how an error looks on the wire. Not here: what is done; every
endpoint is a call into `sync`, `catalog` or `rules`. For people it is explained in docs/api.md, and at `/docs` of a
running one.
"""

from typing import TYPE_CHECKING

from provider_pipeline.lazy import submodules_on_use

if TYPE_CHECKING:
    from provider_pipeline.api import (
        access as access,
        app as app,
        audit as audit,
        connections as connections,
        cursors as cursors,
        dagster_runs as dagster_runs,
        docs_page as docs_page,
        limits as limits,
        metrics as metrics,
        problems as problems,
        request_models as request_models,
        response_models as response_models,
        routes as routes,
        routing as routing,
        service as service,
        serving as serving,
        settings as settings,
        strict as strict,
    )
else:
    __getattr__ = submodules_on_use(__name__)
