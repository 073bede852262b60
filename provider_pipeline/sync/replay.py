"""Applies a rule to stored responses, offline."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.item_memory import ItemMemory
from provider_pipeline.rules.judge import Verdict
from provider_pipeline.rules.thresholds import Thresholds
from provider_pipeline.sync.extract import Row, Spool, judge_stored, row_spool
from provider_pipeline.sync.load import AcceptedListing, compare_listings, write_listings
from provider_pipeline.sync.plan import parse_thresholds, stored_rule

T = TypeVar("T")
_MAX_BYTES: Final = 2 * 1024 * 1024
"""Bytes of responses that are read together; a larger one is read alone, with one page in memory."""
_MAX_COPIED: Final = 5_000
"""Models that are copied for a dry write of several responses."""


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
    """Applies a rule version, by default the active one, to a stored response; see `replay_responses`."""
    return next(replay_responses(session, [raw_response_id], lambda _: version))


def replay_responses(
    session: Session, raw_response_ids: Sequence[int], version: Callable[[str], int | None] = lambda _: None
) -> Iterator[Replay]:
    """Applies rules to stored responses of any providers, each as if it came now, in their order.

    Small responses are read and compared together; of a large one, one page is in memory. Pages of endpoints that a
    rule does not have are ignored. Rolls the session back.

    Args:
        version: The rule version to apply to a provider's responses, by slug; None for the active one.

    Raises:
        CatalogError: A response is not stored (any more), or there is no such version.
        RuleMissingError: A provider has no active rule, and no version is given.
        ListingUnreadableError: A page is not JSON.
    """
    rules: dict[str, _StoredRule] = {}
    memory = ItemMemory()  # the latest responses of a provider repeat most items
    responses = catalog.raw_responses.get_many(session, raw_response_ids)
    for batch in _batches(responses, lambda response: response.byte_count, _MAX_BYTES):
        for response in batch:
            if response.slug not in rules:
                rules[response.slug] = _StoredRule.load(
                    session, response.slug, version(response.slug), memory.under(response.slug)
                )
        with ExitStack() as stack:
            stack.callback(session.rollback)
            judged = []
            for response, pages in zip(batch, _pages(session, batch), strict=True):
                rows = stack.enter_context(closing(row_spool()))
                judged.append(_judged(response, rules[response.slug], pages, rows))
            differences = _differences(session, [each for each in judged if each.verdict.profile.count])
        for each in judged:
            yield each.replay(differences.get(each.response.id))


@dataclass(frozen=True)
class _StoredRule:
    """A rule version of a provider, as it is applied to each of its responses."""

    provider_id: int
    version: int
    rule: ExtractionRule
    thresholds: Thresholds
    memory: ItemMemory

    @classmethod
    def load(cls, session: Session, slug: str, version: int | None, memory: ItemMemory) -> "_StoredRule":
        provider = catalog.providers.get(session, slug)
        stored = (
            catalog.rule_versions.active(session, provider.id)
            if version is None
            else catalog.rule_versions.get(session, provider.id, version)
        )
        thresholds = parse_thresholds(slug, provider.thresholds)
        return cls(provider.id, stored.version, stored_rule(session, stored), thresholds, memory)


@dataclass(frozen=True)
class _Judged:
    """A response after its judgement."""

    response: catalog.raw_responses.RawResponse
    rule: _StoredRule
    rows: Spool[list[Row]]
    verdict: Verdict

    def listing(self) -> AcceptedListing:
        return AcceptedListing(self.rule.provider_id, self.rows, self.verdict, self.rule.version)

    def replay(self, difference: catalog.model_writes.WriteResult | None) -> Replay:
        return Replay(
            slug=self.response.slug,
            raw_response_id=self.response.id,
            rule_version=self.rule.version,
            valid=self.verdict.valid,
            issues=self.verdict.issues,
            models=self.verdict.profile.count,
            rejected=self.verdict.rejected_count,
            difference=difference,
        )


def _judged(
    response: catalog.raw_responses.RawResponse,
    rule: _StoredRule,
    pages: Iterable[catalog.raw_responses.StoredPage],
    rows: Spool[list[Row]],
) -> _Judged:
    return _Judged(response, rule, rows, judge_stored(pages, rule.rule, rule.thresholds, rows, rule.memory))


def _pages(
    session: Session, responses: Sequence[catalog.raw_responses.RawResponse]
) -> Iterable[Iterable[catalog.raw_responses.StoredPage]]:
    if len(responses) == 1:
        return [catalog.raw_responses.stored_pages(session, responses[0].id)]
    pages = catalog.raw_responses.load_pages(session, [response.id for response in responses])
    return (pages[response.id] for response in responses)


def _differences(session: Session, judged: Sequence[_Judged]) -> dict[int, catalog.model_writes.WriteResult]:
    """What writing the rows would change, by response."""
    now = datetime.now(UTC)
    known = catalog.dry_writes.known_models(session, sorted({each.rule.provider_id for each in judged}))

    def size(each: _Judged) -> int:
        return max(each.verdict.profile.count, known.get(each.rule.provider_id, 0))

    found: dict[int, catalog.model_writes.WriteResult] = {}
    for batch in _batches(judged, size, _MAX_COPIED):
        listings = [each.listing() for each in batch]
        if size(batch[0]) > _MAX_COPIED:  # a copy would cost more than it saves
            results = [written.result for written in write_listings(session, listings, now=now)]
        else:
            results = compare_listings(session, listings, now=now)
        session.rollback()
        found |= {each.response.id: result for each, result in zip(batch, results, strict=True)}
    return found


def _batches(items: Iterable[T], size: Callable[[T], int], most: int) -> Iterator[list[T]]:
    """Items in batches of at most this size together; a larger one is alone."""
    batch: list[T] = []
    total = 0
    for item in items:
        total += size(item)
        if batch and total > most:
            yield batch
            batch, total = [], size(item)
        batch.append(item)
    if batch:
        yield batch
