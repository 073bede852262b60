"""How a provider's requests are authorised, as data.

Here: the public names. A stored document becomes a kind (`AuthConfig.parse`), and at call time an `Authorizer` that
puts what is needed on each request. Not here: sending requests (`provider_pipeline.listing.transport`). The kinds are
explained in docs/authentication.md.
"""

from typing import TYPE_CHECKING

from provider_pipeline.lazy import loaded_on_use

if TYPE_CHECKING:
    from provider_pipeline.listing.auth.authorizer import Authorizer
    from provider_pipeline.listing.auth.kinds import Auth, AuthConfig, NoAuth
    from provider_pipeline.listing.auth.tokens import TokenCache, TokenExchange
else:
    __getattr__ = loaded_on_use(__name__)

__all__ = ["Auth", "AuthConfig", "Authorizer", "NoAuth", "TokenCache", "TokenExchange"]
