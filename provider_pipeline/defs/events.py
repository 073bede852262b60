"""Dagster events: what an outcome, or the answer to a task, leaves in Dagster's history.

Here: which events, in which order. Not here: their words and numbers (`defs/checks.py`, `defs/metadata.py`), and when
they are recorded (`defs/assets.py`). The concept: an asset's new materialization is shown without the checks that were
evaluated before it, so whoever has news leaves all of them, and whoever has none leaves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import dagster as dg

from provider_pipeline import sync
from provider_pipeline.defs.checks import evaluations
from provider_pipeline.defs.keys import EXTRACTION, RAW, RULE, TABLE
from provider_pipeline.defs.metadata import (
    extraction_metadata,
    first_use_metadata,
    raw_metadata,
    repair_metadata,
    table_metadata,
)

SAMPLE = "sample_provider"
"""Metadata key that marks the events of sample providers."""

Event = dg.AssetMaterialization | dg.AssetObservation | dg.AssetCheckEvaluation


def marked(events: Iterable[Event], *, sample: bool) -> Iterator[Event]:
    """A provider's events, each marked if it is a sample provider."""
    for event in events:
        yield event.with_metadata({**event.metadata, SAMPLE: True}) if sample else event


def rule_event(repair: sync.repair.worker.Repair) -> Event:
    """The rule's materialization; of a rule that waits for a person an observation, with the same metadata."""
    metadata = repair_metadata(repair)
    if repair.status == "needs_review":
        return dg.AssetObservation(RULE, partition=repair.slug, metadata=metadata)
    return dg.AssetMaterialization(RULE, partition=repair.slug, metadata=metadata)


def is_news(outcome: sync.outcome.SyncOutcome) -> bool:
    """Whether an attempt nobody asked for is worth an event: it failed, recovered, or found something else."""
    return outcome.status != "synced" or outcome.recovered or outcome.listing_changed or outcome.rows_changed


def outcome_events(
    outcome: sync.outcome.SyncOutcome, accept: sync.outcome.AcceptedGuards | None, *, new_rule: bool
) -> Iterator[Event]:
    """The events of one attempt, as far as it came.

    Args:
        outcome: The attempt.
        accept: What a person took responsibility for, if anything.
        new_rule: Whether a rule that is used for the first time is still to be recorded.
    """
    slug = outcome.slug
    if outcome.status == "synced" and outcome.rule_changed and new_rule:
        yield dg.AssetMaterialization(RULE, partition=slug, metadata=first_use_metadata(outcome))
    if outcome.status != "failed":
        yield dg.AssetMaterialization(RAW, partition=slug, metadata=raw_metadata(outcome))
    yield from evaluations(outcome, datetime.now(UTC))
    if outcome.status == "synced":
        yield dg.AssetMaterialization(EXTRACTION, partition=slug, metadata=extraction_metadata(outcome))
        yield dg.AssetMaterialization(TABLE, partition=slug, metadata=table_metadata(outcome, accept))
