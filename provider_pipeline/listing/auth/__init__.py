"""How a provider's requests are authorised: `kinds.AuthConfig` as data, `credentials.Authorizer` on each request."""

from typing import TYPE_CHECKING

from provider_pipeline.lazy import lazy_submodules

if TYPE_CHECKING:
    from provider_pipeline.listing.auth import (
        credentials as credentials,
        kinds as kinds,
        secrets as secrets,
        signing as signing,
    )
else:
    __getattr__ = lazy_submodules(__name__)
