"""Records that every form is written from: models, and the providers that offer them."""

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from provider_pipeline.rules.knowledge import read_table

UNKNOWN_ADDRESS: Final = "address of the provider's API unknown: it is not listed at .../models"
"""Why a model is left out of a form that needs `ExportedProvider.api_url`."""

if TYPE_CHECKING:
    from provider_pipeline.catalog.prices import PriceSpan


@dataclass(frozen=True)
class ExportRequest:
    """What to export.

    Attributes:
        slugs: Only these providers; all if empty.
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
        api_url: Where its requests go, as OpenAI's clients take it; None if its listing does not tell.
        key_variable: The environment variable of its key, if any.
        peer_ids: Its names at peers, by peer; also by purpose, with `default`.
    """

    slug: str
    name: str
    base_url: str
    api_url: str | None
    key_variable: str | None
    peer_ids: Mapping[str, Any]

    def name_at(self, peer: str, purpose: str | None = None, taken: Container[str] = ()) -> str:
        """What a peer calls it, for models of a purpose; its slug if nothing else is known, or another has that name.

        A peer has one name for a vendor's addresses in several regions, which are providers here.
        """
        named = self.peer_ids.get(peer, self.slug)
        name = named if isinstance(named, str) else named.get(purpose) or named.get("default", self.slug)
        return self.slug if name in taken else str(name)


@dataclass(frozen=True)
class ModelRecord:
    """A model at a provider. Fields without a comment are the columns of `provider_model`.

    Attributes:
        canonical_id: Whose gaps were filled; None if they were not.
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
        """The name for people."""
        return self.display_name or self.model_id

    @property
    def peers_id(self) -> str:
        """The id as peers' price files have it."""
        prefix = next((each for each in read_table("peers.toml")["id_prefixes"] if self.model_id.startswith(each)), "")
        return self.model_id.removeprefix(prefix)

    @cached_property
    def purpose(self) -> str | None:
        """What the model is for: the first of its purposes; None if unknown."""
        return next((each for each in purposes() if self.capabilities.get(each)), None)

    def with_prices(self, prices: Mapping[str, Mapping[str, Any]]) -> Self:
        """The model with other prices, as those of an earlier day."""
        return replace(self, prices=prices)

    def has(self, capability: str) -> bool | None:
        """Whether it has a capability; None if unknown.

        What is no purpose is an ability of chat models: a model that is known for another purpose lacks it.
        """
        known = self.capabilities.get(capability)
        if known is None and self.purpose not in (None, "chat", "completion"):
            return False if capability in read_table("peers.toml")["chat_abilities"] else None
        return known


def by_provider(models: "ExportedModels") -> Iterator[tuple[ExportedProvider, Iterator[ModelRecord]]]:
    """The models that are offered, a provider at a time; a provider's are read before the next one's."""
    for slug, records in groupby(models.records(), key=lambda record: record.provider.slug):
        yield models.providers[slug], records


def purposes() -> list[str]:
    """The capabilities that say what a model is for, the most general first."""
    found: list[str] = read_table("capabilities.toml")["purposes"]
    return found


class ExportedModels(Protocol):
    """What forms are written from; `snapshot.Snapshot` reads it from the catalogue."""

    @property
    def request(self) -> ExportRequest:
        """What is exported."""
        ...

    @property
    def providers(self) -> Mapping[str, ExportedProvider]:
        """The registered providers by slug."""
        ...

    def rows(self, *, status: str | None = None) -> Iterator[dict[str, Any]]:
        """The rows of the table, by provider and id; with a status, only models that have it."""
        ...

    def records(self) -> Iterator[ModelRecord]:
        """The models that are offered, by provider and id."""
        ...

    def price_spans(self, slug: str) -> Iterable["PriceSpan"]:
        """What a provider's models cost when, by model."""
        ...
