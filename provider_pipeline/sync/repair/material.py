"""What a candidate rule is tried on besides the response at hand: the catalogue's models and earlier responses.

Here: what there is, and reading it from the database. Not here: trying a rule on it (`evaluation.py`), and the same in
a process without a database (`judge_process.py`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.sync.config import Page, Response, StoredResponse
from provider_pipeline.sync.repair.shadow import SHADOW_RESPONSES

Row = Mapping[str, Any]


class Material(Protocol):
    """What is stored of a provider. One of its responses is read at a time."""

    def known_ids(self) -> set[str]:
        """The ids of the models that the last accepted listing named."""

    def known_rows(self, ids: Sequence[str]) -> Mapping[str, Row]:
        """Models as last accepted, by id; those that are not known are left out."""

    def overrides(self) -> Mapping[str, Row]:
        """What people set on top of models, by id."""

    def sample_pages(self) -> Iterable[Page]:
        """The sample that the active rule was written from; nothing if that is not stored."""

    def stored_responses(self) -> Iterable[Response]:
        """The last complete responses, newest first."""


@dataclass(frozen=True)
class StoredMaterial:
    """What the database holds of a provider; only read.

    Attributes:
        session: An open session.
        provider_id: The provider.
        sample_id: The stored response that the active rule was written from, if any.
    """

    session: Session = field(repr=False)
    provider_id: int
    sample_id: int | None

    def known_ids(self) -> set[str]:
        """As in `Material`."""
        return catalog.models.active_ids(self.session, self.provider_id)

    def known_rows(self, ids: Sequence[str]) -> Mapping[str, Row]:
        """As in `Material`."""
        return catalog.models.previous_rows(self.session, self.provider_id, ids)

    def overrides(self) -> Mapping[str, Row]:
        """As in `Material`."""
        return catalog.model_overrides.overrides(self.session, self.provider_id, datetime.now(UTC))

    def sample_pages(self) -> Iterable[Page]:
        """As in `Material`."""
        return () if self.sample_id is None else StoredResponse(self.session, self.sample_id)

    def stored_responses(self) -> list[StoredResponse]:
        """As in `Material`."""
        recent = catalog.raw_responses.recent_ids(self.session, self.provider_id, limit=SHADOW_RESPONSES + 1)
        return [StoredResponse(self.session, raw_response_id) for raw_response_id in recent]
