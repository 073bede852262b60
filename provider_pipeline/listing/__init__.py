"""Fetching providers' model listings over HTTP; the way in is `client.ListingClient`."""

from typing import TYPE_CHECKING

from provider_pipeline.lazy import lazy_submodules

if TYPE_CHECKING:
    from provider_pipeline.listing import (
        auth as auth,
        client as client,
        connections as connections,
        cpu_throttle as cpu_throttle,
        documents as documents,
        endpoints as endpoints,
        error_responses as error_responses,
        limits as limits,
        pages as pages,
        policy as policy,
        posting as posting,
        redaction as redaction,
        secret_encodings as secret_encodings,
        transport as transport,
    )
else:
    __getattr__ = lazy_submodules(__name__)
