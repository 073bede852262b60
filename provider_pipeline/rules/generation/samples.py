"""What a rule is written from: the first page of each endpoint, with the models' own answers where there are any.

Here: the sample of one endpoint, and a listing's items together with their details. Not here: fetching them (the
listing client) and writing the rule (`generator.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from provider_pipeline.rules.document import Detail
from provider_pipeline.rules.generation.list_detection import Candidate
from provider_pipeline.rules.generation.shape import shape_of
from provider_pipeline.rules.language import compile_expression


@dataclass(frozen=True)
class EndpointSample:
    """One page of one endpoint.

    Args:
        document: Parsed JSON of any shape; with `detail`, an object of the `listing` as it was sent and the `details`
            by model id, of which some may be missing.
        path: The endpoint's path, if it belongs into the rule.
        detail: Where the details came from.
    """

    document: Any
    path: str | None = None
    detail: Detail | None = None

    @property
    def listing(self) -> Any:
        """The listing as it was sent."""
        if self.detail is None:
            return self.document
        return self.document.get("listing") if isinstance(self.document, dict) else None

    @property
    def details(self) -> Mapping[str, Any]:
        """The models' own answers, by id, without those that are missing."""
        found = self.document.get("details") if self.detail and isinstance(self.document, dict) else None
        return {key: value for key, value in found.items() if value is not None} if isinstance(found, dict) else {}

    @property
    def name(self) -> str:
        """How the endpoint is called in texts."""
        return self.path or "the endpoint"


def described(listing: Candidate, sample: EndpointSample) -> Candidate:
    """The listing as a rule with details reads it: of its items those that have a detail, with it.

    Which list it is and what the ids are is told from the listing alone; a sample may hold the details of few models.
    """
    read_id = compile_expression(listing.ids[0].expression)
    details = sample.details
    items = [
        {**item, "detail": details[str(read_id(item))]}
        for item in listing.items
        if isinstance(item, dict) and str(read_id(item)) in details
    ]
    return replace(listing, items=items, shape=shape_of(items)) if items else listing
