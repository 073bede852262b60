"""Reading the last accepted listing again, with another rule.

Here: writing what the rule alone changes, so that the record puts it down to the rule and not to the provider. Not
here: the listing of this sync, which is written after it (`attempt.py`).
"""

from datetime import datetime

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.errors import ListingUnreadableError
from provider_pipeline.rules import ListingJudge
from provider_pipeline.sync.judging import judge_pages
from provider_pipeline.sync.spool import Spool
from provider_pipeline.sync.writing import Row, Written, write_listing


def reread_listing(
    session: Session,
    provider_id: int,
    raw_response_id: int,
    judge: ListingJudge,
    *,
    rule_version: int,
    now: datetime,
) -> Written | None:
    """Makes a provider's models what a known listing says under another rule; who is absent is not counted again.

    Args:
        session: Session to write with.
        provider_id: The provider.
        raw_response_id: The last accepted listing.
        judge: Of the new rule, without history.
        rule_version: The new rule.
        now: The time that rows are stamped with.

    Returns:
        What changed; None when the new rule does not read the old listing, and nobody can tell the two causes apart.
    """
    rows: Spool[list[Row]]
    with Spool() as rows:
        try:
            verdict = judge_pages(judge, catalog.stored_pages(session, raw_response_id), rows)
        except ListingUnreadableError:
            return None
        if not verdict.valid:
            return None
        return write_listing(
            session,
            provider_id,
            rows,
            verdict,
            rule_version=rule_version,
            now=now,
            raw_response_id=raw_response_id,
            cause="rule",
            counts_absent=False,
        )
