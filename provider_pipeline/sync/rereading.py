"""Reading the last accepted listing again, with another rule.

Here: what the rule makes of it, so that the record puts down to the rule what it says there already, and only the rest
to the provider. Not here: the write (`writing.py`); the listing of then is not written again.
"""

from collections.abc import Iterator
from itertools import chain

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.errors import ListingUnreadableError
from provider_pipeline.rules import ExtractionRule, ListingJudge, Thresholds, last_of_each
from provider_pipeline.sync.judging import judge_pages, parsed
from provider_pipeline.sync.spool import Spool
from provider_pipeline.sync.writing import Row


def reread_listing(
    session: Session, raw_response_id: int, rule: ExtractionRule, thresholds: Thresholds, rows: Spool[list[Row]]
) -> Iterator[Row] | None:
    """What a known listing says under another rule.

    Args:
        session: Session to read with.
        raw_response_id: The last accepted listing.
        rule: The new rule.
        thresholds: The provider's.
        rows: Where the rows go.

    Returns:
        A row per model; None when the new rule does not read the old listing, and nobody can tell the two causes apart.
    """
    stored = catalog.stored_pages(session, raw_response_id)
    pages = (page for page in stored if page.endpoint < len(rule.endpoints))
    try:
        verdict = judge_pages(ListingJudge(rule, thresholds=thresholds), parsed(pages), rows)
    except ListingUnreadableError:
        return None
    return last_of_each(chain.from_iterable(rows), verdict.superseded) if verdict.valid else None
