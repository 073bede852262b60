"""What a sync knows before its first request: provider, rule, state, and whether an unchanged listing is skipped."""

import functools
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.errors import ProviderPipelineError
from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.rows import content_digest
from provider_pipeline.sync.config import KnownCapabilities, parse_active_rule
from provider_pipeline.sync.outcome import AcceptedGuards

_PACKAGE: Final = Path(__file__).parents[1]
_SUFFIXES: Final = frozenset({".py", ".sql", ".toml"})


def reading_basis(provider: catalog.providers.Provider, rule_version: int, overrides: Mapping[str, Any]) -> str:
    """The digest of all but the listing that a sync's rows and verdict depend on.

    The provider's address and credentials are a part of it, since another account may be shown another listing.

    Args:
        provider: The provider.
        rule_version: Its active rule.
        overrides: The overriding values of its models.
    """
    settings = [provider.thresholds, provider.base_url, provider.auth_config, provider.request_config]
    return content_digest([_code_digest(), rule_version, dict(overrides), *settings])


def is_settled(state: catalog.sync_state.SyncState, basis: str, *, any_missing: bool) -> bool:
    """Whether nothing would come of the last accepted listing if it came again.

    Args:
        state: How the provider's latest sync went.
        basis: What a listing would be read with now.
        any_missing: Whether a model is missing; each further listing without it counts towards its removal.
    """
    return state.consecutive_failures == 0 and state.content is not None and state.basis == basis and not any_missing


@functools.cache
def _code_digest() -> str:
    """Another version of this code may read a listing differently: its families, units, thresholds."""
    digest = hashlib.sha256()
    for path in sorted(path for path in _PACKAGE.rglob("*") if path.suffix in _SUFFIXES):
        digest.update(path.relative_to(_PACKAGE).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


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
        on_trial: Whether a rule version is on trial.
        now: When this was read.
        accept: Guards whose findings a person takes responsibility for.
    """

    provider: catalog.providers.Provider
    active: catalog.sync_state.ActiveRule = field(repr=False)
    capabilities: str = field(repr=False)
    state: catalog.sync_state.SyncState = field(repr=False)
    settled: bool
    on_trial: bool
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
    known = catalog.sync_state.sync_targets(session, wanted, now)
    rules = [target.rule for target in known.values() if target.rule is not None]
    capabilities = _CAPABILITIES.read(session, [rule.endpoints_digest for rule in rules])
    return {slug: _target(session, slug, known.get(slug), capabilities, accept, now) for slug in wanted}


def _target(
    session: Session,
    slug: str,
    known: catalog.sync_state.SyncTarget | None,
    capabilities: Mapping[str, str],
    accept: AcceptedGuards | None,
    now: datetime,
) -> Target | ProviderPipelineError:
    if known is None:
        return catalog.providers.unknown(session, slug)
    if known.rule is None:
        return catalog.rule_versions.missing(slug)
    settled = accept is None and is_settled(
        known.state,
        reading_basis(known.provider, known.rule.version, known.overrides),
        any_missing=known.any_missing,
    )
    text = capabilities[known.rule.endpoints_digest]
    return Target(known.provider, known.rule, text, known.state, settled, known.on_trial, now, accept)
