"""A provider's listing, fetched and judged, before anything of it is written.

Here: the part of a sync that needs no transaction, so that many providers can be at it at once. Not here: what a sync
knows beforehand (`preparing.py`), and what becomes of the listing (`settling.py`).
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.errors import DatabaseUnavailableError, ProviderPipelineError
from provider_pipeline.listing import ListingClient
from provider_pipeline.rules import ExtractionRule, Thresholds, Verdict
from provider_pipeline.sync.asking import active_judge, active_source, parse_thresholds
from provider_pipeline.sync.fetching import ListingFetch
from provider_pipeline.sync.judging import judge_pages
from provider_pipeline.sync.preparing import Target
from provider_pipeline.sync.spool import Spool
from provider_pipeline.sync.stored import Page
from provider_pipeline.sync.writing import Row, row_spool

_DEFAULTS: Final = Thresholds.model_validate({})


@dataclass(frozen=True)
class Reading:
    """What came of a fetch: a verdict on the listing, an error, or the last accepted listing once more.

    Attributes:
        target: The provider.
        rule: What read the listing.
        thresholds: How far it may stray.
        started: When the fetch began, by the monotonic clock.
        fetch: The pages.
        rows: The accepted rows, page by page.
        content: What the listing is told apart by; None if it did not come whole.
        verdict: What it amounts to; None where it was not judged.
        error: Why there is none.
    """

    target: Target
    rule: ExtractionRule = field(repr=False)
    thresholds: Thresholds = field(repr=False)
    started: float
    fetch: ListingFetch = field(repr=False)
    rows: Spool[list[Row]] = field(repr=False)
    content: catalog.ListingContent | None = None
    verdict: Verdict | None = field(default=None, repr=False)
    error: ProviderPipelineError | None = None

    @property
    def is_repeat(self) -> bool:
        """Whether it is the last accepted listing once more, of which nothing follows: it was not judged."""
        return self.error is None and self.verdict is None

    @property
    def pages(self) -> Spool[catalog.StoredPage]:
        """The pages as they came."""
        return self.fetch.pages

    @property
    def validators(self) -> Sequence[Mapping[str, Any]]:
        """What to recognise each page by next time."""
        return self.fetch.validators

    def failed(self, error: ProviderPipelineError) -> "Reading":
        """The same, with an error in place of a verdict."""
        return replace(self, verdict=None, error=error)

    def close(self) -> None:
        """Forgets pages and rows."""
        self.fetch.close()
        self.rows.close()


def read_listing(session: Session, target: Target, client: ListingClient) -> Reading:
    """Fetches a provider's listing, and judges it unless it is the last accepted one and nothing would come of it.

    A fault of the provider or its listing does not raise; it is the reading's.

    Args:
        session: A session without pending changes, and without a transaction afterwards. Reads what is known of pages
            and models, where that is needed.
        target: The provider.
        client: Fetches the listing.

    Returns:
        The reading; to be closed by the caller.

    Raises:
        InvalidRuleError: The active rule cannot be compiled.
        DatabaseUnavailableError: The database failed.
    """
    reading = Reading(
        target,
        rule=target.rule(),
        thresholds=_DEFAULTS,
        started=time.monotonic(),
        fetch=ListingFetch(target.state if target.settled else None),
        rows=row_spool(),
    )
    with ExitStack() as on_error:
        on_error.callback(reading.close)
        try:
            reading = replace(reading, thresholds=parse_thresholds(target.slug, target.provider.thresholds))
            pages = reading.fetch.run(session, client, active_source(target.provider, reading.rule))
            reading = (_compared if target.settled else _judged_at_once)(session, reading, pages)
        except DatabaseUnavailableError:  # says nothing of the provider
            raise
        except ProviderPipelineError as error:
            reading = reading.failed(error)
        finally:
            session.rollback()
        on_error.pop_all()
    return reading


def judged(session: Session, reading: Reading) -> Reading:
    """The reading with its verdict.

    Args:
        session: As in `read_listing`.
        reading: A listing that came whole.

    Raises:
        ProviderPipelineError: A page that was stored before cannot be had or read any more.
    """
    reading.fetch.complete(session)
    with reading.fetch.pace.working():
        return replace(reading, verdict=_verdict(session, reading, reading.fetch.documents()))


def _compared(session: Session, reading: Reading, pages: Iterable[Page]) -> Reading:
    """The reading, with its verdict unless it is the last accepted listing."""
    for _ in pages:
        pass  # whether they are to be judged turns out when they are all there
    content = reading.fetch.content(session)
    reading = replace(reading, content=content)
    return reading if content.sha256 == reading.target.state.content else judged(session, reading)


def _judged_at_once(session: Session, reading: Reading, pages: Iterable[Page]) -> Reading:
    """The reading with the verdict on pages that are looked at as they come."""
    verdict = _verdict(session, reading, pages)
    return replace(reading, content=reading.fetch.content(session), verdict=verdict)


def _verdict(session: Session, reading: Reading, pages: Iterable[Page]) -> Verdict:
    target = reading.target
    judge = active_judge(
        session,
        target.provider,
        reading.rule,
        reading.thresholds,
        target.state,
        now=target.now,
        accepted=() if target.accept is None else target.accept.guards,
        watch=reading.fetch.keep_pace,
    )
    return judge_pages(judge, pages, reading.rows)
