"""What one attempt to sync a provider leaves in Dagster's history: check evaluations, materializations, observations.

The verdicts are pure functions of `rules` and `sync`. The step that syncs emits all of it (`assets.py`): only there can
each provider's evaluation be recorded for its own partition.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

import dagster as dg

from provider_pipeline import catalog, rules, sync
from provider_pipeline.defs.keys import (
    EXTRACTION,
    HOW_A_SYNC_WORKS,
    OPERATIONS,
    PROVIDERS,
    RAW,
    RULE,
    TABLE,
    documented,
)
from provider_pipeline.defs.metadata import (
    bounded_json,
    extraction_metadata,
    first_use_metadata,
    raw_metadata,
    repair_metadata,
    table_metadata,
)
from provider_pipeline.errors import ListingRefusedError, ProviderPipelineError

MIN_CAPABILITY_COVERAGE: float = rules.thresholds.Thresholds.model_fields["min_coverage"].default

MAX_ISSUES = 20


def _spec(
    name: str, asset: dg.AssetKey, description: str, *, page: str = HOW_A_SYNC_WORKS, blocking: bool = False
) -> dg.AssetCheckSpec:
    with warnings.catch_warnings():
        # `partitions_def` on a check is in preview in every release that pyproject.toml allows, and works.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return dg.AssetCheckSpec(
            name,
            asset=asset,
            description=description,
            blocking=blocking,
            partitions_def=PROVIDERS,
            metadata=documented(page),
        )


LISTING_WAS_FETCHED = _spec(
    "listing_was_fetched",
    RAW,
    "Every page of the listing arrived and is JSON.",
    page="docs/syncs.md#rules-for-outgoing-requests",
)
RULE_EXTRACTS_MODELS = _spec(
    "rule_extracts_models",
    EXTRACTION,
    "The extraction rule fits the listing: models are found, with ids, in the declared types and ranges.",
    page="docs/rules.md",
    blocking=True,
)
LISTING_IS_PLAUSIBLE = _spec(
    "listing_is_plausible",
    EXTRACTION,
    "The listing is a plausible successor of the last accepted ones: size, ids, prices and limits did not jump.",
    blocking=True,
)
CAPABILITIES_ARE_COVERED = _spec(
    "capabilities_are_covered",
    EXTRACTION,
    f"At least {MIN_CAPABILITY_COVERAGE:.0%} of the models, or the provider's own share, have a known capability.",
    page="docs/rules.md#capabilities",
)
PROVIDER_IS_FRESH = _spec(
    "provider_is_fresh",
    TABLE,
    f"The last successful sync is less than {sync.freshness.MAX_AGE.total_seconds() / 3600:.0f} hours old.",
    page=OPERATIONS,
)
OVERRIDES_ARE_NEEDED = _spec(
    "overrides_are_needed", TABLE, "No manual override repeats what the provider's own listing says by now."
)

NO_MODEL_RETIRES_SOON = _spec(
    "no_model_retires_soon",
    TABLE,
    "No listed model ends within the provider's retirement_notice_days; passes where that is 0, the default.",
    page="docs/rules.md#dates-and-facts",
)

CHECK_SPECS: Sequence[dg.AssetCheckSpec] = (
    LISTING_WAS_FETCHED,
    RULE_EXTRACTS_MODELS,
    LISTING_IS_PLAUSIBLE,
    CAPABILITIES_ARE_COVERED,
    PROVIDER_IS_FRESH,
    OVERRIDES_ARE_NEEDED,
    NO_MODEL_RETIRES_SOON,
)


def evaluations(outcome: sync.outcome.SyncOutcome, now: datetime) -> Iterator[dg.AssetCheckEvaluation]:
    """The evaluations of the checks that an attempt reached: without a listing, the rule was not tried."""
    has_listing, is_down = outcome.has_listing, outcome.status == "failed"
    if has_listing or is_down:
        yield _evaluation(
            LISTING_WAS_FETCHED,
            outcome.slug,
            passed=has_listing,
            severity=_severity(outcome.consecutive_failures),
            metadata={
                "expected": "a complete listing in JSON",
                "actual": _fetched(outcome) if has_listing else outcome.reason or "",
                **_fetch_findings(outcome),
                "recovery": _fetch_recovery(outcome.error),
            },
        )
    if not is_down:
        yield _verdict_evaluation(RULE_EXTRACTS_MODELS, outcome, of_history=False)
    if has_listing:
        yield _verdict_evaluation(LISTING_IS_PLAUSIBLE, outcome, of_history=True)
    if outcome.status == "synced" and outcome.capability_coverage is not None:
        yield _evaluation(
            CAPABILITIES_ARE_COVERED,
            outcome.slug,
            passed=outcome.capability_coverage >= outcome.min_coverage,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={
                "expected": f"at least {outcome.min_coverage:.0%} of the models with a known capability",
                "actual": f"{outcome.capability_coverage:.0%} of the models",
                "recovery": "add patterns or overrides for the models without: provider-pipeline rules show "
                + outcome.slug,
            },
        )
    if outcome.caught_up is not None:
        yield _evaluation(
            OVERRIDES_ARE_NEEDED,
            outcome.slug,
            passed=not outcome.caught_up,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={
                "expected": "no override that the listing agrees with",
                "actual": f"{len(outcome.caught_up)} overrides: {', '.join(outcome.caught_up[:MAX_ISSUES])}"
                if outcome.caught_up
                else "none",
                "recovery": f"remove them: provider-pipeline overrides remove {outcome.slug} MODEL FIELD; "
                "those of a set, in its file",
            },
        )
    if outcome.retiring is not None:
        yield retirement(outcome.slug, outcome.retiring)
    yield freshness(outcome.slug, outcome.last_success_at, now, failures=outcome.consecutive_failures)


def unreached(
    slug: str, evaluated: Iterable[dg.AssetCheckEvaluation], reason: str | None
) -> Iterator[dg.AssetCheckEvaluation]:
    """Evaluations of the checks that an attempt did not reach.

    A run for named partitions plans every check of each; without an evaluation, Dagster shows "Execution failed" if the
    run fails, and no reason.

    Args:
        slug: The provider.
        evaluated: The evaluations there are.
        reason: Why the provider was not synced: the check failed. None if it was: then there was nothing to check.
    """
    names = {each.check_name for each in evaluated}
    for spec in CHECK_SPECS:
        if spec.name not in names:
            yield _evaluation(
                spec,
                slug,
                passed=reason is None,
                severity=dg.AssetCheckSeverity.WARN,  # the check that stopped the sync has the real severity
                metadata={
                    "expected": "an attempt that gets as far as this check",
                    "actual": "nothing to check" if reason is None else f"not evaluated: {reason}",
                    "recovery": "remove the cause, then materialize it again",
                },
            )


def freshness(slug: str, last: datetime | None, now: datetime, *, failures: int) -> dg.AssetCheckEvaluation:
    """Whether the last success is recent enough: a dead man's switch, also for the time when no run happens at all.

    Args:
        slug: The provider.
        last: Its last success.
        now: The time of the evaluation.
        failures: Failed attempts since then; several in a row make the check an error.
    """
    return _evaluation(
        PROVIDER_IS_FRESH,
        slug,
        passed=last is not None and now - last <= sync.freshness.MAX_AGE,
        severity=_severity(failures),
        metadata={
            "expected": f"a successful sync after {(now - sync.freshness.MAX_AGE).isoformat(timespec='seconds')}",
            "actual": last.isoformat(timespec="seconds") if last else "never synced",
            "consecutive_failures": str(failures),
            "recovery": "look at the provider's other checks; if none ran, check that the schedule and the daemon run",
        },
    )


def retirement(slug: str, retiring: Sequence[str]) -> dg.AssetCheckEvaluation:
    """Whether no listed model ends within the provider's notice; like `freshness`, it can change without any run."""
    return _evaluation(
        NO_MODEL_RETIRES_SOON,
        slug,
        passed=not retiring,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "expected": "no listed model that ends within the provider's notice",
            "actual": f"{len(retiring)} end: {', '.join(retiring[:MAX_ISSUES])}" if retiring else "none",
            "recovery": f"move to their successors: provider-pipeline models list {slug} --retires-before 90d",
        },
    )


def _fetched(outcome: sync.outcome.SyncOutcome) -> str:
    return f"{outcome.page_count} {'page' if outcome.page_count == 1 else 'pages'}, {outcome.byte_count:,} bytes"


def _fetch_findings(outcome: sync.outcome.SyncOutcome) -> dict[str, str]:
    """How far the fetch got, in the same words as `provider-pipeline providers check`."""
    findings = {
        "stage": "complete" if outcome.error is None else sync.health.failed_stage(outcome.error),
        "seconds": f"{outcome.seconds:.3f}",
        "bytes": str(outcome.byte_count),
        "pages": str(outcome.page_count),
    }
    if isinstance(outcome.error, ListingRefusedError):
        findings["http_status"] = str(outcome.error.status)
    return findings


def _fetch_recovery(error: Exception | None) -> str:
    hint = error.hint if isinstance(error, ProviderPipelineError) else None
    return f"{hint or 'see the message'}; the last good rows stay, and the next run tries again"


def _severity(failures: int) -> dg.AssetCheckSeverity:
    return dg.AssetCheckSeverity.ERROR if failures >= sync.freshness.FAILURES_TO_ERROR else dg.AssetCheckSeverity.WARN


def _verdict_evaluation(
    spec: dg.AssetCheckSpec, outcome: sync.outcome.SyncOutcome, *, of_history: bool
) -> dg.AssetCheckEvaluation:
    issues = [issue for issue in outcome.issues if (issue["type"] in rules.issues.PLAUSIBILITY_ISSUES) is of_history]
    errors = [issue for issue in issues if issue["severity"] == "error"]
    return _evaluation(
        spec,
        outcome.slug,
        passed=not errors,
        metadata={
            "expected": "no issue of severity error",
            "actual": errors[0]["message"] if errors else f"{outcome.models} models, {outcome.rejected} rejected",
            "models": str(outcome.models),
            "rule_version": str(outcome.rule_version or 0),
            "raw_response_id": str(outcome.raw_response_id or ""),
            "issues": bounded_json([dict(issue) for issue in issues[:MAX_ISSUES]]),
            "recovery": errors[0]["recovery"] if errors else "",
        },
    )


def _evaluation(
    spec: dg.AssetCheckSpec,
    slug: str,
    *,
    passed: bool,
    # Texts and no numbers: Dagster plots a check's numbers over all partitions, a line that jumps between providers.
    metadata: Mapping[str, str | dg.JsonMetadataValue],
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
) -> dg.AssetCheckEvaluation:
    # The evaluation is not marked as blocking: Dagster would fail the step, and with it every other provider. What a
    # blocking check blocks, its provider's write, is already blocked.
    return dg.AssetCheckEvaluation(
        asset_key=spec.asset_key,
        check_name=spec.name,
        passed=passed,
        severity=severity,
        partition=slug,
        description=str(metadata["actual"]),
        metadata={**metadata, "recovery": "nothing to do"} if passed else metadata,
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
    if outcome.has_listing:
        yield dg.AssetMaterialization(RAW, partition=slug, metadata=raw_metadata(outcome))
    if outcome.status == "synced":
        yield dg.AssetMaterialization(EXTRACTION, partition=slug, metadata=extraction_metadata(outcome))
        yield dg.AssetMaterialization(TABLE, partition=slug, metadata=table_metadata(outcome, accept, preview))
    # All checks each time, and last: a new materialization hides the evaluations before it.
    evaluated = list(evaluations(outcome, datetime.now(UTC)))
    yield from evaluated
    if every_check:
        yield from unreached(slug, evaluated, None if outcome.status == "synced" else outcome.reason or outcome.status)
