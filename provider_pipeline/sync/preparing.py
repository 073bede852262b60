"""What a sync must know of its provider before the first request.

Here: reading it, for many providers at once. Not here: the requests (`reading.py`).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.errors import ProviderPipelineError
from provider_pipeline.rules import ExtractionRule
from provider_pipeline.sync.acceptance import AcceptedGuards
from provider_pipeline.sync.basis import is_settled, reading_basis
from provider_pipeline.sync.stored import stored_rule


@dataclass(frozen=True)
class Target:
    """A provider with all that its sync needs.

    Attributes:
        provider: The provider.
        stored: Its active rule, as stored.
        state: How its latest sync went.
        settled: Whether nothing would come of the last accepted listing if it came again.
        accept: Guards whose findings a person takes responsibility for.
    """

    provider: catalog.Provider
    stored: catalog.StoredRuleVersion = field(repr=False)
    state: catalog.SyncState = field(repr=False)
    settled: bool
    accept: AcceptedGuards | None = None

    @property
    def slug(self) -> str:
        """The provider's slug."""
        return self.provider.slug

    @property
    def version(self) -> int:
        """The active rule's version."""
        return self.stored.version

    def rule(self) -> ExtractionRule:
        """The active rule.

        Raises:
            InvalidRuleError: It cannot be compiled.
        """
        return stored_rule(self.stored)


def prepare(
    session: Session, slugs: Iterable[str], *, accept: AcceptedGuards | None, now: datetime
) -> dict[str, Target | ProviderPipelineError]:
    """Reads what is needed of each of these providers; those that cannot be synced come with the reason.

    Args:
        session: Session to read with.
        slugs: The providers, all of them locked.
        accept: As in `Target`.
        now: The time.

    Returns:
        By slug; the error is an `UnknownProviderError` or a `RuleMissingError`.
    """
    wanted = list(slugs)
    known = catalog.sync_targets(session, wanted, now)
    return {slug: _target(session, slug, known.get(slug), accept) for slug in wanted}


def _target(
    session: Session, slug: str, known: catalog.SyncTarget | None, accept: AcceptedGuards | None
) -> Target | ProviderPipelineError:
    if known is None:
        return catalog.unknown_provider(session, slug)
    if known.rule is None:
        return catalog.rule_missing(slug)
    settled = accept is None and is_settled(
        known.state,
        reading_basis(known.provider, known.rule.version, known.overrides),
        any_missing=known.any_missing,
    )
    return Target(known.provider, known.rule, known.state, settled, accept)
