"""Turn what the catalogue stores (settings, rules, responses) into the objects that fetch and validate a listing."""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any, Final, Protocol

import orjson
from pydantic import ValidationError
from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.errors import ConfigurationError
from provider_pipeline.listing.auth.kinds import AuthConfig
from provider_pipeline.listing.policy import RequestPolicy
from provider_pipeline.listing.source import ListingEndpoint, ListingSource
from provider_pipeline.rules.document import CapabilityRule, ExtractionRule, parse_capability_rules
from provider_pipeline.rules.generation.samples import EndpointSample
from provider_pipeline.rules.judge import ListingJudge
from provider_pipeline.rules.thresholds import Thresholds
from provider_pipeline.rules.work import SizedCache
from provider_pipeline.sync.history import StoredHistory


def listing_source(provider: catalog.providers.Provider, endpoints: Iterable[ListingEndpoint]) -> ListingSource:
    """Where and how these endpoints of a provider are asked."""
    return ListingSource(
        slug=provider.slug,
        base_url=provider.base_url,
        auth=AuthConfig.parse(provider.auth_config, slug=provider.slug),
        endpoints=tuple(endpoints),
        policy=RequestPolicy.parse(provider.request_config, slug=provider.slug),
    )


def active_source(provider: catalog.providers.Provider, rule: ExtractionRule) -> ListingSource:
    """The whole listing that a rule is for."""
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
) -> ListingJudge:
    """What judges a listing, beside those that were accepted before.

    Args:
        session: Reads the models of accepted listings, page by page.
        provider: The provider.
        rule: What reads the listing.
        thresholds: How far it may stray.
        state: How its latest sync went.
        now: When the listing is fetched.
        accepted: Guards whose findings a person has accepted.
        watch: Ends a judgement that takes too long, see `ListingJudge`.
    """
    if state.profile is None:
        return ListingJudge(rule, thresholds=thresholds, watch=watch)
    history = StoredHistory(session, provider.id, state, window_days=thresholds.window_days, now=now)
    return ListingJudge(rule, thresholds=thresholds, history=history, accepted=accepted, watch=watch)


def parse_thresholds(slug: str, document: Mapping[str, Any]) -> Thresholds:
    """The provider's thresholds: the defaults, but for what the document names.

    Raises:
        ConfigurationError: It names a threshold that does not exist, or gives one a value it cannot have.
    """
    try:
        return Thresholds.model_validate(dict(document))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ConfigurationError(
            f"{slug}: the threshold {'.'.join(map(str, first['loc']))} is not understood: {first['msg']}",
            hint=f"the thresholds are {', '.join(sorted(Thresholds.model_fields))}",
        ) from error


Page = tuple[int, Any]
"""A page of a response: its endpoint's position in the rule, and its parsed body."""

_CACHED_CHARACTERS: Final = 16_000_000
"""JSON text of the capability patterns that are kept parsed; those of one rule take some hundred kilobytes."""
_CACHED_RULES: Final = 1_000_000
"""JSON text of the other parts of the rules that are kept parsed; those of one rule take about a kilobyte."""

_CAPABILITIES: Final = SizedCache[str, tuple[CapabilityRule, ...]](_CACHED_CHARACTERS)
_RULES: Final = SizedCache[tuple[str, str], ExtractionRule](_CACHED_RULES)


def stored_rule(version: catalog.rule_versions.StoredRuleVersion) -> ExtractionRule:
    """The rule that a stored version holds."""
    return ExtractionRule.parse(
        {"model_list_config": version.model_list_config, "endpoints_config": version.endpoints_config}
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
    """Stores a rule as the provider's next version, or finds it among those it has; see `catalog.add_rule_version`.

    Args:
        session: Session to write with.
        provider_id: The provider.
        rule: The rule.
        origin: What made it, in a word.
        activate: Make it the active rule.
        metadata: How it was made; None for what the rule itself says.
        sample_id: The stored listing it was written from, if any.
        author: generator, person or agent.
        created_by_id: Who made it, in the operator's own numbering.
        reason: Why it is added, or activated; None for its origin.
        task_id: The task it answers.

    Returns:
        The version.
    """
    stored = rule.to_stored()
    return catalog.rule_decisions.add_version(
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


class KnownCapabilities:
    """Capability patterns and evidence as stored: each is read once, however many rules have it in common."""

    def __init__(self) -> None:
        self._known: Mapping[str, str] = {}

    def read(self, session: Session, digests: Iterable[str]) -> Mapping[str, str]:
        """At least those with these digests, as JSON text by digest."""
        known = self._known
        missing = {digest for digest in digests if digest not in known}
        if missing:
            found = catalog.sync_state.endpoints_configs(session, missing)
            # Replaced and never changed: another thread has the old one or the new one.
            kept = {**known, **found}
            self._known = kept if sum(map(len, kept.values())) <= _CACHED_CHARACTERS else found
            known = kept
        return known


def parse_active_rule(model_list_config: str, endpoints_config: str) -> ExtractionRule:
    """The rule of two stored columns' JSON text. It is parsed once, for all providers that have it.

    Raises:
        InvalidRuleError: It cannot be compiled.
    """
    key = model_list_config, endpoints_config
    rule = _RULES.get(key)
    if rule is None:
        rule = ExtractionRule.parse_stored(json.loads(model_list_config), _capability_rules(endpoints_config))
        _RULES.put(key, rule, len(model_list_config))
    return rule


def _capability_rules(text: str) -> tuple[CapabilityRule, ...]:
    rules = _CAPABILITIES.get(text)
    if rules is None:
        rules = parse_capability_rules(orjson.loads(text))
        _CAPABILITIES.put(text, rules, len(text))
    return rules


class Response(Protocol):
    """A response that can be read page by page as often as it is iterated over."""

    @property
    def id(self) -> int | None:
        """The raw response it is stored as, if it is."""

    def __iter__(self) -> Iterator[Page]: ...


@dataclass(frozen=True)
class StoredResponse:
    """A stored response of any length; one page of it in memory.

    Attributes:
        session: An open session.
        id: The raw response.
    """

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
        id: The raw response they are stored as, if they are.
    """

    samples: Sequence[EndpointSample] = field(repr=False)
    id: int | None = None

    def __iter__(self) -> Iterator[Page]:
        yield from ((position, sample.document) for position, sample in enumerate(self.samples))


def first_pages(response: Response, endpoint: int, most: int = 1) -> list[Any]:
    """The first pages of one endpoint, parsed."""
    return list(islice((document for position, document in response if position == endpoint), most))
