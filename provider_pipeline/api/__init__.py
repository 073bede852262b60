"""The HTTP API.

Here: requests, answers, who may ask for what, and how an error looks on the wire. Not here: what is done; every
endpoint is a call into `sync`, `catalog` or `rules`. For people it is explained in docs/api.md, and at `/docs` of a
running one.
"""

from typing import TYPE_CHECKING

from provider_pipeline.lazy import loaded_on_use

if TYPE_CHECKING:
    from provider_pipeline.api.app import create_app
    from provider_pipeline.api.limits import is_loopback
    from provider_pipeline.api.serving import serve
    from provider_pipeline.api.settings import DAGSTER_URL_VARIABLE, MAX_SYNCS_AT_ONCE, ApiSettings
else:
    __getattr__ = loaded_on_use(__name__)

__all__ = ["DAGSTER_URL_VARIABLE", "MAX_SYNCS_AT_ONCE", "ApiSettings", "create_app", "is_loopback", "serve"]
