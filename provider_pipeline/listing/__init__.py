"""Fetching providers' model listings over HTTP.

Here: the public names. `ListingClient.pages` turns a `ListingSource` into `Page`s within `FetchLimits`. Not here:
what a page's models are (`provider_pipeline.rules`) and where pages are kept (`provider_pipeline.catalog`).
"""

from typing import TYPE_CHECKING

from provider_pipeline.lazy import submodules_on_use

if TYPE_CHECKING:
    from provider_pipeline.listing import (
        addresses as addresses,
        auth as auth,
        client as client,
        completeness as completeness,
        connections as connections,
        deadline as deadline,
        documents as documents,
        error_responses as error_responses,
        exchange as exchange,
        foreign_keys as foreign_keys,
        key_look as key_look,
        pace as pace,
        paginator as paginator,
        policy as policy,
        posting as posting,
        rate_limits as rate_limits,
        redaction as redaction,
        secret_encodings as secret_encodings,
        source as source,
        tls as tls,
        transport as transport,
    )
else:
    __getattr__ = submodules_on_use(__name__)
