"""Renews rules: candidates, shadow runs beside the active rule, promotion gates, and people's decisions."""

from typing import TYPE_CHECKING

from provider_pipeline.lazy import lazy_submodules

if TYPE_CHECKING:
    from provider_pipeline.sync.repair import (
        activation as activation,
        candidates as candidates,
        edit as edit,
        generate as generate,
        judge_process as judge_process,
        pattern_trial as pattern_trial,
        promotion as promotion,
        review as review,
        sandbox as sandbox,
        shadow as shadow,
        trials as trials,
        worker as worker,
    )
else:
    __getattr__ = lazy_submodules(__name__)
