"""One moment's state of the catalogue, as the forms read it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Self

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.exports.records import ExportedProvider, ExportRequest, ModelRecord

_LISTED_AT: Final = "/models"
_FIELDS: Final = tuple(name for name in ModelRecord.__dataclass_fields__ if name != "provider")


@dataclass(frozen=True)
class Snapshot:
    """One moment's state of the catalogue, narrowed to what is exported."""

    session: Session
    request: ExportRequest

    @classmethod
    def open(cls, session: Session, request: ExportRequest) -> Self:
        """The exported part of the catalogue that a session of `catalog.snapshots.snapshot` sees.

        Raises:
            UnknownProviderError: One of the providers is not registered.
        """
        for slug in request.slugs:
            catalog.providers.get(session, slug)
        return cls(session, request)

    @cached_property
    def providers(self) -> Mapping[str, ExportedProvider]:
        """The registered providers by slug."""
        found = catalog.providers.list_providers(self.session, enabled_only=False)
        paths = catalog.providers.listing_paths(self.session)
        return {each.slug: _provider(each, paths.get(each.slug, ())) for each in found}

    def rows(self, *, status: str | None = None) -> Iterator[dict[str, Any]]:
        """The rows of the table, by provider and id."""
        return self._stream(status=status)

    def records(self) -> Iterator[ModelRecord]:
        """The models that are offered, by provider and id."""
        for row in self._stream(status="active", columns=("slug", *_FIELDS)):
            provider = self.providers[row.pop("slug")]
            context, longest = row["context_length"], row["max_input_tokens"]
            if context is not None and longest is not None:
                row["max_input_tokens"] = min(context, longest)  # a person may have stated a smaller context
            yield ModelRecord(provider, **row)

    def _stream(self, *, status: str | None, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
        request = self.request
        return catalog.snapshots.stream_models(
            self.session,
            slugs=request.slugs,
            as_of=request.as_of,
            fill=request.fill,
            status=status,
            columns=columns,
        )

    def price_spans(self, slug: str) -> Iterable[catalog.prices.PriceSpan]:
        """What a provider's models cost when, by model."""
        return catalog.prices.price_history(self.session, slug=slug)


def _provider(stored: catalog.providers.Provider, paths: Iterable[str]) -> ExportedProvider:
    return ExportedProvider(
        slug=stored.slug,
        name=stored.name,
        base_url=stored.base_url,
        api_url=_api_url(stored.base_url, paths),
        key_variable=stored.auth_config.get("env"),
        peer_ids=stored.peer_ids,
    )


def _api_url(base_url: str, paths: Iterable[str]) -> str | None:
    """Where an OpenAI-compatible API is: its listing is at `models` below it."""
    for path in paths:
        listed = path.partition("?")[0].rstrip("/")
        if listed.endswith(_LISTED_AT):
            return base_url.rstrip("/") + listed.removesuffix(_LISTED_AT)
    return None
