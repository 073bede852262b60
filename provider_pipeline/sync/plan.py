"""Plans a sync before its first request: provider, rule, state, and whether an unchanged listing can be skipped."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.errors import ProviderPipelineError
from provider_pipeline.rules.capability_rules import PatternSet, shipped
from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.override_set import OverrideSet
from provider_pipeline.rules.rows import content_digest
from provider_pipeline.sync.config import parse_active_rule
from provider_pipeline.sync.outcome import AcceptedGuards

_PACKAGE: Final = Path(__file__).parents[1]
_SUFFIXES: Final = frozenset({".py", ".sql", ".toml"})


@dataclass(frozen=True)
class SyncPlan:
    """All that one provider's sync needs to know.

    Attributes:
        provider: The provider.
        active: Its active rule, as stored.
        patterns: The active pattern set.
        state: The state after its latest sync.
        skip_unchanged: Whether the listing need not be validated if it equals the last accepted one.
        on_trial: Whether a rule version is on trial.
        now: When this was read.
        accept: Guards whose findings a person takes responsibility for.
    """

    provider: catalog.providers.Provider
    active: catalog.sync_state.ActiveRule = field(repr=False)
    patterns: PatternSet
    state: catalog.sync_state.SyncState = field(repr=False)
    skip_unchanged: bool
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
        return parse_active_rule(self.active, self.patterns)


def prepare(
    session: Session, slugs: Iterable[str], *, accept: AcceptedGuards | None, now: datetime, may_write: bool = False
) -> dict[str, SyncPlan | ProviderPipelineError]:
    """Plans the syncs of providers whose sync locks are held.

    If it may write, and this package's patterns are new to the catalogue, it stores them as a candidate and commits.

    Returns:
        By slug, a plan or why there is none: an `UnknownProviderError` or a `RuleMissingError`.
    """
    wanted = list(slugs)
    known = catalog.sync_state.sync_targets(session, wanted, now)
    patterns = catalog.pattern_sets.active(session)
    if may_write and patterns.digest != shipped().digest and catalog.pattern_sets.note_shipped(session):
        session.commit()
        patterns = catalog.pattern_sets.active(session)
    return {slug: _plan(session, slug, known.get(slug), patterns, accept, now) for slug in wanted}


def _plan(
    session: Session,
    slug: str,
    known: catalog.sync_state.SyncTarget | None,
    patterns: PatternSet,
    accept: AcceptedGuards | None,
    now: datetime,
) -> SyncPlan | ProviderPipelineError:
    if known is None:
        return catalog.providers.unknown(session, slug)
    if known.rule is None:
        return catalog.rule_versions.missing(slug, catalog.rule_versions.waiting_version(session, known.provider.id))
    state = known.state
    skip_unchanged = (
        accept is None
        and state.consecutive_failures == 0
        and state.content is not None
        and state.basis == fingerprint(known.provider, known.rule.version, patterns, known.overrides)
        and not known.any_missing  # each further listing without a model counts towards its removal
    )
    return SyncPlan(known.provider, known.rule, patterns, state, skip_unchanged, known.on_trial, now, accept)


def fingerprint(
    provider: catalog.providers.Provider, rule_version: int, patterns: PatternSet, overrides: OverrideSet
) -> str:
    """Digest of everything but the listing that determines a sync's rows and verdict: the cache key of a skip."""
    # Address and credentials belong to it: another account may see another listing.
    settings = [provider.thresholds, provider.base_url, provider.auth_config, provider.request_config]
    return content_digest([_code_digest(), rule_version, patterns.digest, overrides.document(), *settings])


@functools.cache
def _code_digest() -> str:
    """Digest of this package: another version may read a listing differently."""
    digest = hashlib.sha256()
    for path in sorted(path for path in _PACKAGE.rglob("*") if path.suffix in _SUFFIXES):
        digest.update(path.relative_to(_PACKAGE).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
