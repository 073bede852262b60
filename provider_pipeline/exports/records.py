"""Input of every export form: models, and the providers that offer them."""

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from provider_pipeline.rules.knowledge import read_table

UNKNOWN_ADDRESS: Final = "address of the provider's API unknown: it is not listed at .../models"
"""Reason for leaving a model out of a form that needs `ExportedProvider.api_url`."""

if TYPE_CHECKING:
    from provider_pipeline.catalog.prices import PriceSpan


@dataclass(frozen=True)
class ExportRequest:
    """What to export.

    Attributes:
        slugs: The providers to export; all if empty.
        as_of: A past moment; None for now.
        fill: Whether unknown limits, modalities and capabilities are filled from the canonical model.
        base: A file of the same form to merge the models into, parsed.
    """

    slugs: tuple[str, ...] = ()
    as_of: datetime | None = None
    fill: bool = False
    base: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class ExportedProvider:
    """The provider of exported models.

    Attributes:
        api_url: Base URL of requests, as OpenAI's clients take it; None if its listing does not imply one.
        key_variable: The environment variable of its key, if any.
        peer_ids: Its names at peers, by peer, or by peer and purpose (with `default`).
    """

    slug: str
    name: str
    base_url: str
    api_url: str | None
    key_variable: str | None
    peer_ids: Mapping[str, Any]

    def name_at(self, peer: str, purpose: str | None = None, taken: Container[str] = ()) -> str:
        """Its name at a peer, for models of a purpose; its slug if that is unknown or another provider's.

        A vendor's regional addresses are separate providers here, but share one name at a peer.
        """
        named = self.peer_ids.get(peer, self.slug)
        name = named if isinstance(named, str) else named.get(purpose) or named.get("default", self.slug)
        return self.slug if name in taken else str(name)


@dataclass(frozen=True)
class ModelRecord:
    """A model at a provider. Fields without a comment are the columns of `provider_model`.

    Attributes:
        canonical_id: The canonical model that gaps were filled from; None if none were.
        filled: Columns, and capabilities as `capabilities.NAME`, that were filled.
    """

    provider: ExportedProvider
    model_id: str
    display_name: str | None
    context_length: int | None
    max_input_tokens: int | None
    max_output_tokens: int | None
    input_modalities: list[str] | None
    output_modalities: list[str] | None
    prices: Mapping[str, Mapping[str, Any]]
    released_on: str | None
    deprecated_on: str | None
    retires_on: str | None
    knowledge_cutoff: str | None
    successor_model_id: str | None
    capabilities: Mapping[str, bool]
    metadata_json: Mapping[str, Any]
    first_seen_at: datetime
    canonical_id: str | None = None
    filled: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The display name."""
        return self.display_name or self.model_id

    @property
    def peers_id(self) -> str:
        """The id in peers' price files."""
        prefix = next((each for each in read_table("peers.toml")["id_prefixes"] if self.model_id.startswith(each)), "")
        return self.model_id.removeprefix(prefix)

    @cached_property
    def purpose(self) -> str | None:
        """What the model is for: the first of its purposes; None if unknown."""
        return next((each for each in purposes() if self.capabilities.get(each)), None)

    def with_prices(self, prices: Mapping[str, Mapping[str, Any]]) -> Self:
        """A copy with other prices, such as those of an earlier day."""
        return replace(self, prices=prices)

    def has(self, capability: str) -> bool | None:
        """Whether it has a capability; None if unknown.

        Capabilities other than purposes belong to chat models: a model with another known purpose lacks them.
        """
        known = self.capabilities.get(capability)
        if known is None and self.purpose not in (None, "chat", "completion"):
            return False if capability in read_table("peers.toml")["chat_abilities"] else None
        return known


def by_provider(models: "ExportedModels") -> Iterator[tuple[ExportedProvider, Iterator[ModelRecord]]]:
    """The offered models, read one provider at a time."""
    for slug, records in groupby(models.records(), key=lambda record: record.provider.slug):
        yield models.providers[slug], records


def purposes() -> list[str]:
    """The capabilities that are purposes of a model, the most general first."""
    found: list[str] = read_table("capabilities.toml")["purposes"]
    return found


class ExportedModels(Protocol):
    """Source of the exported data; `snapshot.Snapshot` reads it from the catalogue."""

    @property
    def request(self) -> ExportRequest:
        """What is exported."""
        ...

    @property
    def providers(self) -> Mapping[str, ExportedProvider]:
        """The registered providers by slug."""
        ...

    def rows(self, *, status: str | None = None) -> Iterator[dict[str, Any]]:
        """The table's rows, by provider and id; optionally only those with a status."""
        ...

    def records(self) -> Iterator[ModelRecord]:
        """The offered models, by provider and id."""
        ...

    def price_spans(self, slug: str) -> Iterable["PriceSpan"]:
        """The price history of a provider's models, by model."""
        ...
