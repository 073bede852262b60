"""Dagster events: what one attempt, or the answer to a task, leaves in Dagster's history."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import dagster as dg

from provider_pipeline import catalog, sync
from provider_pipeline.defs.checks import evaluations, unreached
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
    """The rule's materialization; for a rule that waits for review an observation with the same metadata."""
    metadata = repair_metadata(repair)
    if repair.status == "needs_review":
        return dg.AssetObservation(RULE, partition=repair.slug, metadata=metadata)
    return dg.AssetMaterialization(RULE, partition=repair.slug, metadata=metadata)


def is_news(outcome: sync.outcome.SyncOutcome) -> bool:
    """Whether a scheduled attempt is worth events: it failed, recovered, or found something new."""
    return outcome.status != "synced" or outcome.recovered or outcome.listing_changed or outcome.rows_changed


def outcome_events(
    outcome: sync.outcome.SyncOutcome,
    accept: sync.plan.AcceptedGuards | None,
    *,
    new_rule: bool,
    every_check: bool,
    preview: catalog.models.Preview | None = None,
) -> Iterator[Event]:
    """The events of one attempt, as far as it got.

    Args:
        outcome: The attempt.
        accept: The guards that a person accepted for it.
        new_rule: Whether a rule's first use is still to be recorded.
        every_check: Whether the checks that were not reached are evaluated as well.
        preview: The provider's table, if it was synced.
    """
    slug = outcome.slug
    if outcome.status == "synced" and outcome.rule_changed and new_rule:
        yield dg.AssetMaterialization(RULE, partition=slug, metadata=first_use_metadata(outcome))
    if outcome.status != "failed":
        yield dg.AssetMaterialization(RAW, partition=slug, metadata=raw_metadata(outcome))
    # All checks each time: a new materialization hides the evaluations before it.
    evaluated = list(evaluations(outcome, datetime.now(UTC)))
    yield from evaluated
    if every_check:
        yield from unreached(slug, evaluated, None if outcome.status == "synced" else outcome.reason or outcome.status)
    if outcome.status == "synced":
        yield dg.AssetMaterialization(EXTRACTION, partition=slug, metadata=extraction_metadata(outcome))
        yield dg.AssetMaterialization(TABLE, partition=slug, metadata=table_metadata(outcome, accept, preview))
