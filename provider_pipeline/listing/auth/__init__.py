"""How a provider's requests are authorised, as data.

Here: the public names. A stored document becomes a kind (`AuthConfig.parse`), and at call time an `Authorizer` that
puts what is needed on each request. Not here: sending requests (`provider_pipeline.listing.transport`). The kinds are
explained in docs/authentication.md.
"""

from typing import TYPE_CHECKING

from provider_pipeline.lazy import submodules_on_use

if TYPE_CHECKING:
    from provider_pipeline.listing.auth import (
        credentials as credentials,
        kinds as kinds,
        secrets as secrets,
        service_account as service_account,
        signing as signing,
    )
else:
    __getattr__ = submodules_on_use(__name__)
