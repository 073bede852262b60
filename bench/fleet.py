"""Generated providers, the same in every run, with listings in the formats of real ones.

An *edition* is a version of all listings. From one to the next a tenth of the models change, spread over all providers:
the hardest case for systems that skip unchanged listings.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from statistics import NormalDist
from typing import Any

Document = dict[str, Any]

_VENDORS = ("acme", "borealis", "cobalt", "dune", "ember", "fjord", "grove", "harbor")
_LINES = ("gpt-4.1", "claude-sonnet-4-5", "gemini-2.5-flash", "mistral-large", "llama-3.3-70b-instruct", "qwen3-32b")
_WORDS = "a model that answers questions reads images writes programs follows tools and keeps long documents in mind"


@dataclass(frozen=True)
class Model:
    """One model, before a provider puts it into its own format."""

    id: str
    vendor: str
    name: str
    created: int
    revision: int
    context: int
    output: int
    input_price: float
    output_price: float
    sees: bool
    calls_tools: bool
    words: str


@dataclass(frozen=True)
class Paging:
    """Pagination: the request's parameter, the response's cursor, its flag for more pages, and the page size."""

    parameter: str
    cursor: str
    more: str | None
    size: int


@dataclass(frozen=True)
class Shape:
    """One format of listings.

    Attributes:
        wrap: Makes a page's document from its items, without paging.
        item: Makes an item from a model.
        items: The document's member with the items; None if the document is the items.
        id_field: The item's member with its id; None if the items are a map by id.
        paging: None if the listing is one page.
    """

    wrap: Callable[[Any], Any]
    item: Callable[[Model], Document]
    items: str | None
    id_field: str | None
    paging: Paging | None = None


def _bare(model: Model) -> Document:
    return {"id": model.id, "object": "model", "created": model.created, "owned_by": _versioned(model.vendor, model)}


def _rich(model: Model) -> Document:
    return {
        "id": model.id,
        "canonical_slug": model.id,
        "name": f"{model.vendor.title()}: {model.name}",
        "created": model.created,
        "description": model.words,
        "context_length": model.context,
        "architecture": {
            "modality": "text+image->text" if model.sees else "text->text",
            "input_modalities": ["text", "image"] if model.sees else ["text"],
            "output_modalities": ["text"],
            "tokenizer": "Other",
            "instruct_type": None,
        },
        "pricing": {
            "prompt": f"{model.input_price / 1e6:.10f}",
            "completion": f"{model.output_price / 1e6:.10f}",
            "request": "0",
            "image": "0",
        },
        "top_provider": {"max_completion_tokens": model.output, "is_moderated": model.sees},
        "per_request_limits": None,
        "supported_parameters": ["max_tokens", "temperature", "top_p", "stop", "seed"]
        + (["tools", "tool_choice"] if model.calls_tools else []),
    }


def _dated(model: Model) -> Document:
    created = f"20{20 + model.created % 6}-0{1 + model.created % 9}-11T00:00:00Z"
    return {"type": "model", "id": model.id, "display_name": _versioned(model.name, model), "created_at": created}


def _methodical(model: Model) -> Document:
    return {
        "name": f"models/{model.id}",
        "version": f"{model.revision + 1:03}",
        "displayName": _versioned(model.name, model),
        "description": model.words,
        "inputTokenLimit": model.context,
        "outputTokenLimit": model.output,
        "supportedGenerationMethods": ["generateContent", "countTokens"],
        "temperature": 1,
        "topP": 0.95,
        "topK": 64,
    }


def _costed(model: Model) -> Document:
    return {
        "max_input_tokens": model.context,
        "max_output_tokens": model.output,
        "input_cost_per_token": round(model.input_price / 1e6, 12),
        "output_cost_per_token": round(model.output_price / 1e6, 12),
        "mode": "chat",
        "provider": model.vendor,
        "supports_vision": model.sees,
        "supports_function_calling": model.calls_tools,
    }


def _flat(model: Model) -> Document:
    return {
        "id": model.id,
        "object": "model",
        "created": model.created,
        "type": "chat",
        "display_name": model.name,
        "organization": model.vendor,
        "link": f"https://example.com/{model.id}",
        "license": "other",
        "context_length": model.context,
        "pricing": {"input": model.input_price, "output": model.output_price, "hourly": 0, "base": 0},
    }


def _able(model: Model) -> Document:
    return {
        "id": model.id,
        "object": "model",
        "created": model.created,
        "owned_by": model.vendor,
        "name": _versioned(model.name, model),
        "description": model.words,
        "max_context_length": model.context,
        "capabilities": {
            "completion_chat": True,
            "function_calling": model.calls_tools,
            "vision": model.sees,
            "fine_tuning": False,
        },
        "aliases": [],
        "type": "base",
    }


def _versioned(text: str, model: Model) -> str:
    return f"{text} r{model.revision}" if model.revision else text


_BARE = Shape(lambda items: {"object": "list", "data": items}, _bare, "data", "id")
_RICH = Shape(lambda items: {"data": items}, _rich, "data", "id")
_DATED = Shape(lambda items: {"data": items}, _dated, "data", "id", Paging("after_id", "last_id", "has_more", 20))
_METHODICAL = Shape(
    lambda items: {"models": items}, _methodical, "models", "name", Paging("pageToken", "nextPageToken", None, 50)
)
_COSTED = Shape(dict, _costed, None, None)
_FLAT = Shape(list, _flat, None, "id")
_ABLE = Shape(lambda items: {"object": "list", "data": items}, _able, "data", "id")

# The longest listing is an aggregator's; a third of all have hardly more than ids.
_SHAPES = (_RICH, _ABLE, _BARE, _METHODICAL, _BARE, _RICH, _FLAT, _BARE, _DATED, _COSTED)


@dataclass(frozen=True)
class Provider:
    """One provider of the fleet.

    Attributes:
        turn: The remainder of the editions that change it.
        turns: The divisor; 1 if every edition does.
    """

    slug: str
    shape: Shape
    models: int
    turn: int = 0
    turns: int = 1

    @property
    def path(self) -> str:
        """The path of its listing, below its base URL."""
        return "/v1/models"

    def pages(self, edition: int) -> list[tuple[str | None, Any]]:
        """The listing's documents, each with its cursor."""
        items = [self.shape.item(model) for model in self._models(edition)]
        if self.shape.id_field is None:
            return [(None, dict(zip((model.id for model in self._models(edition)), items, strict=True)))]
        paging = self.shape.paging
        if paging is None:
            return [(None, self.shape.wrap(items))]
        starts = range(0, len(items), paging.size)
        return [(self._cursor(start), self._page(items, start, paging)) for start in starts]

    def _page(self, items: list[Document], start: int, paging: Paging) -> Document:
        end = start + paging.size
        document: Document = self.shape.wrap(items[start:end])
        goes_on = end < len(items)
        if paging.more is not None:
            document |= {paging.more: goes_on, "first_id": items[start]["id"], paging.cursor: self._cursor(end)}
            document[paging.cursor] = items[min(end, len(items)) - 1]["id"]
        elif goes_on:
            document[paging.cursor] = self._cursor(end)
        return document

    def _cursor(self, start: int) -> str | None:
        if start == 0:
            return None
        paging = self.shape.paging
        return self._id(start - 1) if paging and paging.more else f"from-{start}"

    def _id(self, number: int) -> str:
        line, vendor = _LINES[number % len(_LINES)], _VENDORS[number % len(_VENDORS)]
        return f"{vendor}/{line}-v{number}" if self.shape in (_RICH, _FLAT, _COSTED) else f"{line}-{vendor}-v{number}"

    def _models(self, edition: int) -> list[Model]:
        return [self._model(number, edition) for number in range(self.models)]

    def _model(self, number: int, edition: int) -> Model:
        random = Random(f"{self.slug} {number}")
        tenth = random.randrange(10)
        revision = sum(1 for each in range(1, edition + 1) if each % 10 == tenth and self.is_changed_by(each))
        price = round(random.uniform(0.05, 5), 2) * 1.02**revision
        words = (_WORDS.split() * 30)[: random.randrange(100, 420)]
        return Model(
            id=self._id(number),
            vendor=_VENDORS[number % len(_VENDORS)],
            name=f"{_LINES[number % len(_LINES)].replace('-', ' ').title()} {number}",
            created=1_700_000_000 + number * 3_600,
            revision=revision,
            context=32_768 * random.randrange(1, 9),
            output=4_096 * random.randrange(1, 5),
            input_price=round(price, 6),
            output_price=round(price * 4, 6),
            sees=random.random() < 0.4,
            calls_tools=random.random() < 0.7,
            words=" ".join(words),
        )

    def is_changed_by(self, edition: int) -> bool:
        """Whether it lists something else than in the edition before."""
        return edition % self.turns == self.turn

    def changed(self, edition: int) -> int:
        """The number of models that differ from the edition before."""
        if not self.is_changed_by(edition):
            return 0
        return sum(Random(f"{self.slug} {number}").randrange(10) == edition % 10 for number in range(self.models))


def real_fleet(providers: int = 100, models: int = 6_800) -> list[Provider]:
    """Providers with listings as unequal as in the wild: half have fewer than 25 models."""
    spread = [math.exp(1.5 * NormalDist().inv_cdf((n + 0.5) / providers)) for n in range(providers)]
    scale = models / sum(spread)
    counts = [max(1, round(scale * each)) for each in spread]
    counts[-1] += models - sum(counts)
    return _fleet(counts[::-1])


def even_fleet(providers: int = 1_000, models: int = 50) -> list[Provider]:
    """Many providers with listings of the same length."""
    return _fleet([models] * providers)


def sparse_fleet(providers: int, models: int = 50) -> list[Provider]:
    """Many providers; a hundredth of them change from one edition to the next, each a tenth of its models."""
    even = even_fleet(providers, models)
    return [replace(each, turn=number // len(_SHAPES) % 100, turns=100) for number, each in enumerate(even)]


def _fleet(counts: Sequence[int]) -> list[Provider]:
    return [
        Provider(f"provider-{number:04}", _SHAPES[number % len(_SHAPES)], count) for number, count in enumerate(counts)
    ]


FLEETS: dict[str, Callable[[], list[Provider]]] = {
    "real": real_fleet,
    "even": even_fleet,
    "one": partial(even_fleet, 1, 100),
    **{f"sparse-{providers}": partial(sparse_fleet, providers) for providers in (100, 1_000, 10_000)},
}
