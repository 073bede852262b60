"""Any rule version on any stored response, offline: what would it make of it now?

Here: the verdict, and the difference to the present table. Not here: the judgement (`provider_pipeline.rules`), and
which of two rules is better (`gates.py`). The concept: a replay is a sync without the fetch that is rolled back, so its
difference is exactly what a sync would write; only the comparison with the last accepted listing is left out.
"""

from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.rules import ListingJudge
from provider_pipeline.sync.asking import parse_thresholds
from provider_pipeline.sync.judging import judge_pages, parsed
from provider_pipeline.sync.stored import stored_rule
from provider_pipeline.sync.writing import AcceptedListing, row_spool, write_listings


@dataclass(frozen=True)
class Replay:
    """What a rule makes of a stored response.

    Attributes:
        slug: The provider.
        raw_response_id: The response.
        rule_version: The rule.
        valid: Whether the rule fits it.
        issues: Everything that was found, errors first.
        models: Rows that were extracted and accepted.
        rejected: Items that were refused one by one.
        difference: What writing these rows now would change; None if there is no row.
    """

    slug: str
    raw_response_id: int
    rule_version: int
    valid: bool
    issues: tuple[dict[str, Any], ...]
    models: int
    rejected: int
    difference: catalog.WriteResult | None

    def to_json(self) -> dict[str, Any]:
        """The replay as plain JSON."""
        return asdict(self)


def replay_response(session: Session, raw_response_id: int, *, version: int | None = None) -> Replay:
    """Applies a rule version to a stored response, with one page in memory. Rolls the session back.

    Pages of endpoints that the rule does not read are left out.

    Args:
        session: A session without pending changes.
        raw_response_id: The response.
        version: The rule version; None for the active one.

    Raises:
        CatalogError: The response is not stored (any more), or there is no such version.
        RuleMissingError: The provider has no active rule, and no version was asked for.
        ListingUnreadableError: A page is not JSON.
    """
    slug = catalog.get_raw_response(session, raw_response_id).slug
    provider = catalog.get_provider(session, slug)
    stored = (
        catalog.active_rule(session, provider.id)
        if version is None
        else catalog.get_rule_version(session, provider.id, version)
    )
    rule = stored_rule(stored)
    judge = ListingJudge(rule, thresholds=parse_thresholds(slug, provider.thresholds))
    pages = (page for page in catalog.stored_pages(session, raw_response_id) if page.endpoint < len(rule.endpoints))
    with ExitStack() as stack:
        rows = stack.enter_context(row_spool())
        # Whatever happens here, nothing of it is kept.
        stack.callback(session.rollback)
        verdict = judge_pages(judge, parsed(pages), rows)
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
