"""What is stored, as the rules and pages that the rest of the sync works with.

Here: reading them back. Not here: storing them.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.rules import ExtractionRule

Page = tuple[int, Any]
"""A page of a response: its endpoint's position in the rule, and its parsed body."""


def stored_rule(version: catalog.StoredRuleVersion) -> ExtractionRule:
    """The rule that a stored version holds."""
    return ExtractionRule.parse(
        {"model_list_config": version.model_list_config, "endpoints_config": version.endpoints_config}
    )


@dataclass(frozen=True)
class StoredResponse:
    """A stored response, read page by page as often as it is iterated over; any length, one page in memory.

    Attributes:
        session: An open session.
        id: The raw response.
    """

    session: Session = field(repr=False)
    id: int

    def __iter__(self) -> Iterator[Page]:
        for page in catalog.stored_pages(self.session, self.id):
            yield page.endpoint, json.loads(page.content)

    def first_pages(self, endpoint: int, most: int = 1) -> list[Any]:
        """The first pages of one endpoint, parsed."""
        return list(islice((document for position, document in self if position == endpoint), most))
