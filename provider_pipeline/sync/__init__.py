"""One provider, end to end: what ties listing, rules and catalogue together.

Here: the sync of one provider and the renewal of its rule. Not here: which providers, when, and how many at once
(Dagster, the command line).
"""

from typing import TYPE_CHECKING

from provider_pipeline.lazy import submodules_on_use

if TYPE_CHECKING:
    from provider_pipeline.sync import (
        archive as archive,
        config as config,
        events as events,
        extract as extract,
        fleet as fleet,
        freshness as freshness,
        gc_tuning as gc_tuning,
        health as health,
        history as history,
        key_hosts as key_hosts,
        load as load,
        outcome as outcome,
        plan as plan,
        provider as provider,
        repair as repair,
        replay as replay,
        upsert as upsert,
        webhook as webhook,
    )
else:
    __getattr__ = submodules_on_use(__name__)
