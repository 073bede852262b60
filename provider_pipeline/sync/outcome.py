"""The outcome of one attempt to sync a provider, and its derivation from the listing."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from provider_pipeline import catalog
from provider_pipeline.catalog.model_writes import ModelChange
from provider_pipeline.errors import InvalidRuleError
from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.issues import blocking_guards, issue
from provider_pipeline.rules.thresholds import Thresholds
from provider_pipeline.sync.events import MODELS_CHANGED
from provider_pipeline.sync.extract import ExtractedListing
from provider_pipeline.sync.plan import SyncPlan

Status = Literal["synced", "blocked", "failed", "skipped"]
WriteMode = Literal["all", "raw", "nothing"]
"""What a sync commits: everything; the stored response alone; nothing (a dry run, which is rolled back)."""


@dataclass(frozen=True)
class SyncOutcome:
    """One finished attempt to sync a provider. Only `synced` changes the provider's rows.

    Attributes:
        slug: The provider.
        status: `synced`: rows agree with the listing; `blocked`: the rule does not fit the listing, or a guard holds
            it; `failed`: there is no complete listing; `skipped`: another process is syncing the provider.
        reason: Why it is not synced, in one line.
        error: The exception behind `failed` or `skipped`; a `ProviderPipelineError` unless the sync itself crashed.
        issues: The verdict's issues, warnings included.
        models: Rows extracted and accepted.
        rejected: Items rejected one by one.
        created: Rows added.
        renamed: Rows added for models that were known under another id.
        updated: Rows whose `meta_hash` changed.
        unchanged: Rows left untouched.
        missing: Active rows that this listing, for the first time, does not contain.
        removed: Rows marked as removed after several listings without them.
        restored: Rows that were missing or removed and are back.
        changes: The first changes, by model id.
        total_changes: The number of all changes.
        page_count: Pages fetched.
        byte_count: Bytes fetched, decompressed.
        raw_response_id: The stored listing or, if this build refuses the rule and nothing was asked for, the last
            accepted one or the rule's sample; None for a dry run or a failed fetch.
        listing_changed: Whether the listing differs from every stored one.
        not_modified: Whether it was the last accepted listing again and was skipped; `models`, `issues` and the like
            are then those of that time.
        recovered: Whether the attempt before this one did not succeed.
        rule_changed: Whether the last accepted listing, if any, was extracted with another rule version.
        last_success_at: When the provider was last synced, this attempt included.
        rule_version: The rule version that was applied.
        rule: The rule that was applied; None if this build refuses it.
        capability_coverage: Share of the models with at least one capability known to be true, 0 to 1.
        consecutive_failures: Attempts in a row that did not succeed, this one included.
        min_coverage: The provider's bound for `capability_coverage`.
        retiring: Listed models that end within the provider's notice, as `model on day`; None without a notice.
        caught_up: Overrides that the listing itself now agrees with, as `model field`; None without overrides.
        seconds: Wall time of the attempt.
        dry_run: Whether everything was rolled back.
    """

    slug: str
    status: Status
    reason: str | None = None
    error: Exception | None = None
    issues: tuple[Mapping[str, Any], ...] = ()
    models: int = 0
    rejected: int = 0
    created: int = 0
    renamed: int = 0
    updated: int = 0
    unchanged: int = 0
    missing: int = 0
    removed: int = 0
    restored: int = 0
    changes: tuple[ModelChange, ...] = ()
    total_changes: int = 0
    page_count: int = 0
    byte_count: int = 0
    raw_response_id: int | None = None
    listing_changed: bool = False
    not_modified: bool = False
    recovered: bool = False
    rule_changed: bool = False
    last_success_at: datetime | None = None
    rule_version: int | None = None
    rule: ExtractionRule | None = field(default=None, repr=False)
    capability_coverage: float | None = None
    consecutive_failures: int = 0
    min_coverage: float = Thresholds.model_fields["min_coverage"].default
    caught_up: tuple[str, ...] | None = None
    retiring: tuple[str, ...] | None = None
    seconds: float = 0.0
    dry_run: bool = False

    @property
    def has_listing(self) -> bool:
        """Whether there was a complete listing, valid or not."""
        return self.page_count > 0

    @property
    def rows_changed(self) -> bool:
        """Whether this attempt wrote (or, in a dry run, would write) any row."""
        return self.total_changes > 0

    def summary(self) -> dict[str, Any]:
        """The counts as plain JSON, for `provider_sync.last_result`, `--json` and event metadata."""
        return {
            "provider": self.slug,
            "status": self.status,
            "reason": self.reason,
            "not_modified": self.not_modified,
            "models": self.models,
            "rejected": self.rejected,
            "created": self.created,
            "renamed": self.renamed,
            "updated": self.updated,
            "unchanged": self.unchanged,
            "missing": self.missing,
            "removed": self.removed,
            "restored": self.restored,
            "pages": self.page_count,
            "bytes": self.byte_count,
            "raw_response_id": self.raw_response_id,
            "rule_version": self.rule_version,
            "capability_coverage": self.capability_coverage,
            "issues": [dict(issue) for issue in self.issues],
            "seconds": round(self.seconds, 3),
            "dry_run": self.dry_run,
        }


def blocking_reason(slug: str, issues: Sequence[Mapping[str, Any]]) -> str:
    """One line with the first error, the number of others, and the command that accepts them."""
    errors = [issue for issue in issues if issue["severity"] == "error"]
    if not errors:
        return f"{slug}: the listing was refused"
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    accept = "".join(f" --accept {guard}" for guard in blocking_guards(errors))
    remedy = f"; if that is right: provider-pipeline sync {slug}{accept} --reason WHY" if accept else ""
    return f"{slug}: {errors[0]['message']}{more}{remedy}"


def validated_outcome(listing: ExtractedListing, raw: catalog.raw_responses.RawResponseRef) -> SyncOutcome:
    """The outcome of a listing that was validated and stored, before its rows are written."""
    verdict, plan = listing.verdict, listing.plan
    if verdict is None:
        raise AssertionError("only a validated listing is stored")
    return SyncOutcome(
        plan.slug,
        "synced" if verdict.valid else "blocked",
        reason=None if verdict.valid else blocking_reason(plan.slug, verdict.issues),
        issues=verdict.issues,
        models=verdict.profile.count,
        rejected=verdict.rejected_count,
        page_count=raw.page_count,
        byte_count=raw.byte_count,
        raw_response_id=raw.id,
        listing_changed=raw.is_new,
        rule_version=plan.version,
    )


def failed_outcome(listing: ExtractedListing) -> SyncOutcome:
    """The outcome without a complete listing."""
    if isinstance(listing.error, InvalidRuleError):
        return _refused_outcome(listing.plan, listing.error)
    slug, text = listing.plan.slug, str(listing.error)
    reason = text if slug in text else f"{slug}: {text}"
    return SyncOutcome(slug, "failed", reason=reason, error=listing.error, rule_version=listing.plan.version)


def _refused_outcome(plan: SyncPlan, error: InvalidRuleError) -> SyncOutcome:
    """The outcome if this build refuses the rule that an earlier one activated: nothing was asked for."""
    found = issue(
        "rule_refused",
        "error",
        f"this version of the program refuses the active rule {plan.version}: {error.message}",
        expected="a rule within the limits",
        actual=error.message,
        recovery="Approve or edit the rule that its RULE_GEN task offers.",
    )
    return SyncOutcome(
        plan.slug,
        "blocked",
        reason=blocking_reason(plan.slug, [found]),
        issues=(found,),
        raw_response_id=plan.state.raw_response_id or plan.active.sample_id,
        rule_version=plan.version,
    )


def unchanged_outcome(listing: ExtractedListing) -> SyncOutcome:
    """The outcome of the last accepted listing, without its changes."""
    plan, content = listing.plan, listing.content
    last = plan.state.last_result
    if content is None:
        raise AssertionError("an unchanged listing is complete")
    return SyncOutcome(
        plan.slug,
        "synced",
        issues=tuple(last["issues"]),
        models=last["models"],
        rejected=last["rejected"],
        unchanged=sum(last[name] for name in ("created", "renamed", "updated", "unchanged", "restored")),
        page_count=content.page_count,
        byte_count=content.byte_count,
        raw_response_id=plan.state.raw_response_id,
        rule_version=plan.version,
        capability_coverage=last["capability_coverage"],
        not_modified=True,
    )


def finished_outcome(outcome: SyncOutcome, listing: ExtractedListing, *, keep: WriteMode, now: datetime) -> SyncOutcome:
    """Adds to the outcome what depends on earlier attempts and on what is committed."""
    state, synced = listing.plan.state, outcome.status == "synced"
    return replace(
        outcome,
        raw_response_id=None if keep == "nothing" else outcome.raw_response_id,
        recovered=synced and state.consecutive_failures > 0,
        rule=None if isinstance(listing.error, InvalidRuleError) else listing.plan.rule,
        rule_changed=listing.plan.version != state.rule_version,
        last_success_at=now if synced and keep == "all" else state.last_success_at,
        consecutive_failures=0 if synced else state.consecutive_failures + 1,
        min_coverage=listing.thresholds.min_coverage,
        seconds=time.monotonic() - listing.started,
        dry_run=keep == "nothing",
    )


def models_changed(outcome: SyncOutcome, provider_id: int, now: datetime) -> catalog.notifications.News:
    """The event that tells what a sync changed."""
    payload = {name: value for name, value in outcome.summary().items() if name != "issues"}
    payload |= {"total_changes": outcome.total_changes, "changes": [vars(change) for change in outcome.changes]}
    key = f"{MODELS_CHANGED}:{outcome.slug}:{now.isoformat()}"
    return catalog.notifications.News(key, MODELS_CHANGED, payload, provider_id)
