"""Applies a rule to a stored response, offline."""

from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.rules.judge import ListingJudge
from provider_pipeline.sync.extract import judge_pages, parse_pages, row_spool
from provider_pipeline.sync.load import AcceptedListing, write_listings
from provider_pipeline.sync.plan import parse_thresholds, stored_rule


@dataclass(frozen=True)
class Replay:
    """What a rule makes of a stored response.

    Attributes:
        slug: The provider.
        raw_response_id: The response.
        rule_version: The rule.
        valid: Whether the rule fits it.
        issues: All issues, errors first.
        models: Accepted rows.
        rejected: Items rejected one by one.
        difference: What writing these rows now would change; None without rows.
    """

    slug: str
    raw_response_id: int
    rule_version: int
    valid: bool
    issues: tuple[dict[str, Any], ...]
    models: int
    rejected: int
    difference: catalog.model_writes.WriteResult | None

    def to_json(self) -> dict[str, Any]:
        """The replay as plain JSON."""
        return asdict(self)


def replay_response(session: Session, raw_response_id: int, *, version: int | None = None) -> Replay:
    """Applies a rule version to a stored response, with one page in memory. Rolls the session back.

    Pages of endpoints that the rule does not have are ignored. Without a version, the active rule is applied.

    Raises:
        CatalogError: The response is not stored (any more), or there is no such version.
        RuleMissingError: No version was asked for, and the provider has no active rule.
        ListingUnreadableError: A page is not JSON.
    """
    slug = catalog.raw_responses.get(session, raw_response_id).slug
    provider = catalog.providers.get(session, slug)
    stored = (
        catalog.rule_versions.active(session, provider.id)
        if version is None
        else catalog.rule_versions.get(session, provider.id, version)
    )
    rule = stored_rule(session, stored)
    judge = ListingJudge(rule, thresholds=parse_thresholds(slug, provider.thresholds))
    pages = (
        page
        for page in catalog.raw_responses.stored_pages(session, raw_response_id)
        if page.endpoint < len(rule.endpoints)
    )
    with ExitStack() as stack:
        rows = stack.enter_context(closing(row_spool()))
        stack.callback(session.rollback)  # the rows are written only to learn what would change
        verdict = judge_pages(judge, parse_pages(pages), rows)
        listing = AcceptedListing(provider.id, rows, verdict, stored.version)
        written = write_listings(session, [listing], now=datetime.now(UTC))[0] if verdict.profile.count else None
    return Replay(
        slug=slug,
        raw_response_id=raw_response_id,
        rule_version=stored.version,
        valid=verdict.valid,
        issues=verdict.issues,
        models=verdict.profile.count,
        rejected=verdict.rejected_count,
        difference=None if written is None else written.result,
    )
