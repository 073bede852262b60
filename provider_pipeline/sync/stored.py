"""What is stored, as the rules and pages that the rest of the sync works with.

Here: storing a rule, reading rules and pages back. Not here: storing responses (`sampling.py`, `writing.py`), and
whether a rule is to be stored and becomes the active one (`adoption.py`, `decisions.py`).
"""

import functools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, Protocol

import orjson
from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.rules import CapabilityRule, EndpointSample, ExtractionRule, parse_capability_rules

Page = tuple[int, Any]
"""A page of a response: its endpoint's position in the rule, and its parsed body."""

_MOST_KNOWN: Final = 128
"""Rules, and capability patterns, that are kept; the patterns of one take some hundred kilobytes."""


def stored_rule(version: catalog.StoredRuleVersion) -> ExtractionRule:
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
    return catalog.add_rule_version(
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
            found = catalog.endpoints_configs(session, missing)
            # Replaced and never changed: another thread has the old one or the new one.
            self._known = {**(known if len(known) + len(found) <= _MOST_KNOWN else {}), **found}
            known = {**known, **found}
        return known


@functools.lru_cache(maxsize=_MOST_KNOWN)
def parse_active_rule(model_list_config: str, endpoints_config: str) -> ExtractionRule:
    """The rule of two stored columns' JSON text. It is parsed once, for all providers that have it.

    Raises:
        InvalidRuleError: It cannot be compiled.
    """
    return ExtractionRule.parse_stored(json.loads(model_list_config), _capability_rules(endpoints_config))


@functools.lru_cache(maxsize=_MOST_KNOWN)
def _capability_rules(text: str) -> tuple[CapabilityRule, ...]:
    return parse_capability_rules(orjson.loads(text))


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
        for page in catalog.stored_pages(self.session, self.id):
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
