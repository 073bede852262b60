"""What a sync must know of its provider before the first request.

Here: reading it, for many providers at once. Not here: the requests (`reading.py`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.errors import ProviderPipelineError
from provider_pipeline.rules import ExtractionRule
from provider_pipeline.sync.acceptance import AcceptedGuards
from provider_pipeline.sync.basis import is_settled, reading_basis
from provider_pipeline.sync.stored import KnownCapabilities, parse_active_rule

_CAPABILITIES: Final = KnownCapabilities()


@dataclass(frozen=True)
class Target:
    """A provider with all that its sync needs.

    Attributes:
        provider: The provider.
        active: Its active rule, as stored.
        capabilities: That rule's capability patterns and evidence, as JSON text.
        state: How its latest sync went.
        settled: Whether nothing would come of the last accepted listing if it came again.
        now: When this was read.
        accept: Guards whose findings a person takes responsibility for.
    """

    provider: catalog.Provider
    active: catalog.ActiveRule = field(repr=False)
    capabilities: str = field(repr=False)
    state: catalog.SyncState = field(repr=False)
    settled: bool
    now: datetime
    accept: AcceptedGuards | None = None

    @property
    def slug(self) -> str:
        """The provider's slug."""
        return self.provider.slug

    @property
    def version(self) -> int:
        """The active rule's version."""
        return self.active.version

    def rule(self) -> ExtractionRule:
        """The active rule.

        Raises:
            InvalidRuleError: It cannot be compiled.
        """
        return parse_active_rule(self.active.model_list_config, self.capabilities)


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
    rules = [target.rule for target in known.values() if target.rule is not None]
    capabilities = _CAPABILITIES.read(session, [rule.endpoints_digest for rule in rules])
    return {slug: _target(session, slug, known.get(slug), capabilities, accept, now) for slug in wanted}


def _target(
    session: Session,
    slug: str,
    known: catalog.SyncTarget | None,
    capabilities: Mapping[str, str],
    accept: AcceptedGuards | None,
    now: datetime,
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
    text = capabilities[known.rule.endpoints_digest]
    return Target(known.provider, known.rule, text, known.state, settled, now, accept)
