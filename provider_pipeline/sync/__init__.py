"""Syncs providers, end to end: ties listing, rules and catalogue together."""

from typing import TYPE_CHECKING

from provider_pipeline.lazy import lazy_submodules

if TYPE_CHECKING:
    from provider_pipeline.sync import (
        archive as archive,
        events as events,
        extract as extract,
        fleet as fleet,
        freshness as freshness,
        health as health,
        key_hosts as key_hosts,
        load as load,
        masking as masking,
        model_details as model_details,
        outcome as outcome,
        plan as plan,
        provider as provider,
        repair as repair,
        replay as replay,
        webhook as webhook,
        webhook_forms as webhook_forms,
    )
else:
    __getattr__ = lazy_submodules(__name__)
