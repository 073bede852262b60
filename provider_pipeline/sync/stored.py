"""What is stored, as the rules and pages that the rest of the sync works with.

Here: reading them back. Not here: storing them.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Protocol

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.rules import EndpointSample, ExtractionRule

Page = tuple[int, Any]
"""A page of a response: its endpoint's position in the rule, and its parsed body."""


def stored_rule(version: catalog.StoredRuleVersion) -> ExtractionRule:
    """The rule that a stored version holds."""
    return ExtractionRule.parse(
        {"model_list_config": version.model_list_config, "endpoints_config": version.endpoints_config}
    )


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
