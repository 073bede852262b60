"""Inputs of a sync: its plan (rule, state, cache key), and stored settings, rules and responses as runtime objects."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Any, Final, Protocol

import orjson
from pydantic import ValidationError
from sqlalchemy.orm import Session

from provider_pipeline import catalog, rules
from provider_pipeline.errors import ConfigurationError, ProviderPipelineError, UnknownValueError
from provider_pipeline.listing.auth.kinds import AuthConfig
from provider_pipeline.listing.endpoints import ListingEndpoint, ListingSource
from provider_pipeline.listing.policy import RequestPolicy
from provider_pipeline.rules.capability_rules import PatternSet, shipped
from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.history import LAST, Baseline, Once
from provider_pipeline.rules.issues import GUARDS, shown
from provider_pipeline.rules.limits import SizedCache
from provider_pipeline.rules.overrides import OverrideSet
from provider_pipeline.rules.rows import Profile, content_digest
from provider_pipeline.rules.thresholds import Thresholds

_PACKAGE: Final = Path(__file__).parents[1]
_LAYERS: Final = ("catalog", "listing", "rules", "sync")
"""The packages whose code a sync runs: they may import none of those above them."""
_SUFFIXES: Final = (".py", ".sql", ".toml")
_ALL_GUARDS: Final = "all"


@dataclass(frozen=True)
class AcceptedGuards:
    """Guards that must not hold the next listing, and who decided it.

    Attributes:
        guards: Names from `rules.GUARDS`.
        reason: Why the listing is right.
        author: A person's name.
        created_by_id: The same person's id in the operator's system.
    """

    guards: frozenset[str]
    reason: str
    author: str | None = None
    created_by_id: int | None = None


def accept_guards(
    names: Iterable[str], reason: str | None, *, author: str | None = None, created_by_id: int | None = None
) -> AcceptedGuards | None:
    """Checks a person's choice of guards; `all` means every one. None if none is named.

    Raises:
        ConfigurationError: An unknown guard, or guards without a reason.
    """
    wanted = list(names)
    unknown = sorted(set(wanted) - GUARDS.keys() - {_ALL_GUARDS})
    if unknown:
        raise UnknownValueError(
            f"{unknown[0]!r} is not a guard that can be accepted", hint=f"one of {', '.join([*GUARDS, _ALL_GUARDS])}"
        )
    if not wanted:
        return None
    if not (reason or "").strip():
        raise ConfigurationError("accepting what a guard holds needs a reason", hint="it is recorded with who gave it")
    guards = frozenset(GUARDS) if _ALL_GUARDS in wanted else frozenset(wanted)
    return AcceptedGuards(guards, str(reason).strip(), author, created_by_id)


@dataclass(frozen=True)
class SyncPlan:
    """All inputs of one provider's sync.

    Attributes:
        provider: The provider.
        active: Its active rule, as stored.
        patterns: The active pattern set.
        state: The state after its latest sync.
        skip_unchanged: Whether the listing need not be validated if it equals the last accepted one.
        on_trial: Whether a rule version is on trial.
        now: Time at which this was read.
        accept: Guards overridden by a person.
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

    @functools.cached_property
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

    If it may write, new patterns of this package are stored as a candidate set, and committed.

    Returns:
        By slug, a plan, or else an `UnknownProviderError` or a `RuleMissingError`.
    """
    wanted = list(slugs)
    known = catalog.sync_state.sync_targets(session, wanted, now)
    patterns = catalog.sync_state.active_patterns(session)
    plans = {slug: _plan(session, slug, known.get(slug), patterns, accept, now) for slug in wanted}
    if not may_write or all(isinstance(plan, SyncPlan) and plan.skip_unchanged for plan in plans.values()):
        return plans  # each was synced by this very code, which stored its patterns then
    if patterns.digest == shipped().digest or not catalog.pattern_sets.note_shipped(session):
        return plans
    session.commit()
    patterns = catalog.sync_state.active_patterns(session)
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
    # Includes address and credentials: another account may see another listing.
    settings = [provider.thresholds, provider.base_url, provider.auth_config, provider.request_config]
    return content_digest([_code_digest(), rule_version, patterns.digest, overrides.document(), *settings])


@functools.cache
def _code_digest() -> str:
    """Digest of the code that a sync runs: another version may read a listing differently."""
    digest = hashlib.sha256()
    for path in sorted(path for layer in _LAYERS for path in _source_files(layer)):
        with open(_PACKAGE / path, "rb", buffering=0) as file:  # noqa: PTH123 - unbuffered, as it is read at once
            digest.update(path.encode() + b"\0" + file.read())
    return digest.hexdigest()


def _source_files(folder: str) -> Iterator[str]:
    """Paths inside this package; `Path.rglob` takes six times as long, a hundredth of a short command."""
    with os.scandir(_PACKAGE / folder) as entries:
        for entry in entries:
            path = f"{folder}/{entry.name}"
            if entry.is_dir():
                yield from _source_files(path)
            elif entry.name.endswith(_SUFFIXES):
                yield path


_BATCH_SIZE: Final = 1_000


def listing_source(provider: catalog.providers.Provider, endpoints: Iterable[ListingEndpoint]) -> ListingSource:
    """A provider's endpoints with its address, credentials and request policy."""
    return ListingSource(
        slug=provider.slug,
        base_url=provider.base_url,
        auth=AuthConfig.parse(provider.auth_config, slug=provider.slug),
        endpoints=tuple(endpoints),
        policy=RequestPolicy.parse(provider.request_config, slug=provider.slug),
    )


def active_source(provider: catalog.providers.Provider, rule: ExtractionRule) -> ListingSource:
    """The source of the complete listing that a rule reads."""
    return listing_source(
        provider,
        (
            ListingEndpoint(
                path=endpoint.path or "",
                pagination=endpoint.pagination,
                selector=endpoint.selector,
                id_field=endpoint.fields["id"],
                detail=endpoint.detail,
            )
            for endpoint in rule.endpoints
        ),
    )


def active_judge(
    session: Session,
    provider: catalog.providers.Provider,
    rule: ExtractionRule,
    thresholds: Thresholds,
    state: catalog.sync_state.SyncState,
    *,
    now: datetime,
    accepted: Collection[str] = (),
    watch: Callable[[], None],
) -> rules.judge.ListingJudge:
    """A judge that compares a listing, fetched `now`, with the ones accepted before; reads their models in batches.

    Guards in `accepted` are ignored. `watch` is called between steps, and may raise to abort; see `ListingJudge`.
    """
    if state.profile is None:
        return rules.judge.ListingJudge(rule, thresholds=thresholds, fetched_at=now, watch=watch)
    history = StoredHistory(session, provider.id, state, window_days=thresholds.window_days, now=now)
    return rules.judge.ListingJudge(
        rule, thresholds=thresholds, history=history, accepted=accepted, fetched_at=now, watch=watch
    )


class StoredHistory:
    """The `rules.history.History` of a provider, read from the table of models and its change history.

    A new listing, fetched `now`, is compared with the last accepted one, to detect a sudden change, and with the one at
    the start of a window of days, to detect many small ones. `state` must have an accepted listing.

    Attributes:
        session: Reads the models; may be replaced by another when this one ends.
    """

    def __init__(
        self,
        session: Session,
        provider_id: int,
        state: catalog.sync_state.SyncState,
        *,
        window_days: float,
        now: datetime,
    ) -> None:
        self.session = session
        self._provider_id = provider_id
        self.baselines: tuple[Baseline, ...] = (Baseline(LAST, Profile.from_json(state.profile or {})),)
        self._since: datetime | None = None
        start = now - timedelta(days=window_days)
        for entry in state.window:
            replaced_at = datetime.fromisoformat(entry["replaced_at"])
            if replaced_at > start:
                name = f"the listing before {replaced_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
                self.baselines += (Baseline(name, Profile.from_json(entry["profile"])),)
                self._since = replaced_at
                break

    def before(self, hashes: Mapping[str, str]) -> Mapping[str, Sequence[Once]]:
        """See `History`."""
        return catalog.models.earlier_selves(self.session, [self.asked(hashes)])[0]

    def asked(self, hashes: Mapping[str, str]) -> catalog.models.ListedHashes:
        """What `before` reads of these models, so that it can be read for many providers at once."""
        return catalog.models.ListedHashes(self._provider_id, hashes, self._since)

    def respelled(self, ids: Collection[str]) -> Iterable[Sequence[Once]]:
        """See `History`."""
        found = set(catalog.models.respelled_ids(self.session, self._provider_id, ids)).difference(ids)
        names = sorted(found)
        for start in range(0, len(names), _BATCH_SIZE):
            yield from self.before(dict.fromkeys(names[start : start + _BATCH_SIZE], "")).values()


def compare_together(session: Session, judges: Iterable[rules.judge.ListingJudge]) -> None:
    """Compares the rows that wait for it in the `active_judge` of each of several providers, by one read.

    From then on, the judges read with this session.
    """
    waiting = []
    for judge in judges:
        if isinstance(judge.history, StoredHistory):
            judge.history.session = session
            if hashes := judge.uncompared:
                waiting.append((judge, judge.history.asked(hashes)))
    found = catalog.models.earlier_selves(session, [asked for _, asked in waiting]) if waiting else []
    for (judge, _), before in zip(waiting, found, strict=True):
        judge.compare(before)


def parse_thresholds(slug: str, document: Mapping[str, Any]) -> Thresholds:
    """The default thresholds, overridden by those in a provider's document.

    Raises:
        ConfigurationError: An unknown threshold, or a value out of range.
    """
    try:
        return Thresholds.model_validate(dict(document))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name, known = ".".join(map(str, first["loc"])), sorted(Thresholds.model_fields)
        if first["type"] == "extra_forbidden":
            close = get_close_matches(name, known, 1)
            hint = f"did you mean {close[0]}?" if close else f"the thresholds are {', '.join(known)}"
            raise UnknownValueError(f"{slug}: no threshold {shown(name)}", hint=hint) from error
        raise ConfigurationError(f"{slug}: the threshold {name} is not understood: {first['msg']}") from error


def stored_rule(session: Session, version: catalog.rule_versions.StoredRuleVersion) -> ExtractionRule:
    """The rule of a stored version, with the active content of its pattern set."""
    return ExtractionRule.parse(
        {"model_list_config": version.model_list_config, "endpoints_config": version.endpoints_config},
        patterns=catalog.sync_state.active_patterns(session),
    )


def store_rule(
    session: Session,
    provider_id: int,
    rule: ExtractionRule,
    *,
    origin: str,
    activate: bool = False,
    metadata: Mapping[str, Any] | None = None,
    sample_id: int | None = None,
    author: str = "generator",
    created_by_id: int | None = None,
    reason: str | None = None,
    task_id: int | None = None,
) -> int:
    """Stores a rule as the provider's next version, or finds the same rule among its versions; returns the version.

    `origin` is the producer of the rule in a word, and the default `reason`; `author` is generator, person or agent;
    `metadata` defaults to the rule's own; `sample_id` is the stored response from which the rule was written.
    """
    if rule.pattern_set is not None:
        catalog.pattern_sets.note_shipped(session)
    stored = rule.to_stored()
    return catalog.rule_versions.add_version(
        session,
        provider_id,
        model_list_config=stored.model_list_config,
        endpoints_config=stored.endpoints_config,
        metadata=rule.metadata if metadata is None else metadata,
        digest=rule.digest,
        sample_id=sample_id,
        origin=origin,
        activate=activate,
        author=author,
        created_by_id=created_by_id,
        reason=reason,
        task_id=task_id,
    )


_MAX_CACHED_RULES: Final = 4_000_000
"""Size of the rule cache in characters of JSON; a rule has about three thousand."""

_RULES: Final = SizedCache[tuple[str, str, PatternSet], ExtractionRule](_MAX_CACHED_RULES)


def parse_active_rule(active: catalog.sync_state.ActiveRule, patterns: PatternSet) -> ExtractionRule:
    """The provider's active rule, cached across syncs and across providers with the same rule.

    Raises:
        InvalidRuleError: It cannot be compiled.
    """
    key = active.model_list_config, active.endpoints_config, patterns
    rule = _RULES.get(key)
    if rule is None:
        stored = {name: orjson.loads(getattr(active, name)) for name in ("model_list_config", "endpoints_config")}
        rule = ExtractionRule.parse(stored, patterns=patterns)
        _RULES.put(key, rule, len(active.model_list_config) + len(active.endpoints_config))
    return rule


Page = tuple[int, Any]
"""A page of a response: its endpoint's position in the rule, and its parsed body."""


class Response(Protocol):
    """A response that can be iterated over, page by page, any number of times."""

    @property
    def id(self) -> int | None:
        """Its id as a raw response, if it is stored."""

    def __iter__(self) -> Iterator[Page]: ...


@dataclass(frozen=True)
class StoredResponse:
    """A stored response; iteration holds one page in memory."""

    session: Session = field(repr=False)
    id: int

    def __iter__(self) -> Iterator[Page]:
        for page in catalog.raw_responses.stored_pages(self.session, self.id):
            yield page.endpoint, json.loads(page.content)


@dataclass(frozen=True)
class SampleResponse:
    """The first page of each endpoint, in memory.

    Attributes:
        samples: The pages, in the order of the endpoints.
        id: Their id as a raw response, if they are stored.
    """

    samples: Sequence[rules.generation.samples.EndpointSample] = field(repr=False)
    id: int | None = None

    def __iter__(self) -> Iterator[Page]:
        yield from ((position, sample.document) for position, sample in enumerate(self.samples))


def first_pages(response: Response, endpoint: int, limit: int) -> list[Any]:
    """The first pages of one endpoint, parsed."""
    return list(islice((document for position, document in response if position == endpoint), limit))
