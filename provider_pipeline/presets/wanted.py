"""Names of `registration` as the command line still calls them."""

from provider_pipeline.presets.registration import (
    RequestedProvider as Wanted,
    presets_with_keys as wanted_by_keys,
    requested_provider as wanted_provider,
    with_slug as named,
)

__all__ = ["Wanted", "named", "wanted_by_keys", "wanted_provider"]
