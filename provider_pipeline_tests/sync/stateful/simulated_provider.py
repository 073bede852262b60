"""A provider whose models come, go and change, as does the form of its listing.

The models are the truth; a form says how they are listed. A fault replaces the listing until it is cured.
"""

import json
import threading
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

KEY = "sk-live-7f3a9c1e5b"
PAGE = 8
FAULTS = ("empty", "garbage", "html", "500", "truncated", "page 2 fails", "slow", "no items")
_NAMES = (
    "gpt-4.1",
    "gpt-4.1-mini",
    "gpt-4o",
    "claude-sonnet-4-5",
    "claude-haiku-4-5",
    "mistral-large-2411",
    "mistral-small-2503",
    "gemini-2.5-pro",
    "gemini-2.5-flash",
    "command-a-03-2025",
    "text-embedding-3-small",
    "llama-3.3-70b-instruct",
    "qwen3-32b",
    "deepseek-v3.1",
    "o4-mini",
    "grok-4-fast",
)
_CONTEXTS = (8_192, 32_768, 128_000, 200_000, 1_000_000)
_PRICES = ("0.15", "0.5", "2", "3", "10")


@dataclass(frozen=True)
class Model:
    """The truth about a model; prices in USD per million tokens.

    Attributes:
        spoilt: The listing says something impossible of it.
        doubled: It is listed twice, the second time with less.
    """

    number: int
    context_length: int
    input_price: Decimal
    output_price: Decimal
    spoilt: bool = False
    doubled: bool = False

    @property
    def name(self) -> str:
        return _NAMES[self.number]


@dataclass(frozen=True)
class Form:
    """The form of a listing."""

    place: str = "data"
    id_key: str = "id"
    context_key: str = "context_length"
    price_keys: tuple[str, str] = ("prompt", "completion")
    per_million: bool = False
    owner: str = ""
    more_key: str = "has_more"


def usual(number: int) -> Model:
    """A new model."""
    price = Decimal(_PRICES[number % len(_PRICES)])
    return Model(number, _CONTEXTS[number % len(_CONTEXTS)], price, price * 4)


@dataclass
class SimulatedProvider:
    """The provider's side: the truth, the form of the listing, and the responses."""

    slug: str
    models: tuple[Model, ...] = tuple(usual(number) for number in range(10))
    form: Form = field(default_factory=Form)
    fault: str | None = None
    released: threading.Event = field(default_factory=threading.Event)

    def stand(self, server: HTTPServer) -> None:
        """Serves the listing."""
        server.expect_request(f"/{self.slug}/v1/models").respond_with_handler(self._answer)

    def item_id(self, model: Model) -> str:
        return f"{self.form.owner}{model.name}"

    def truth(self) -> dict[str, Model]:
        """The models by listed id, wrongly listed ones included."""
        return {self.item_id(model): model for model in self.models}

    def items(self) -> list[dict[str, Any]]:
        """All items, in the order of the pages."""
        items = []
        for model in self.models:
            items.append(self._item(model))
            if model.doubled:
                items.append({key: value for key, value in self._item(model).items() if key != "name"})
        return items

    def document(self, items: list[dict[str, Any]], *, more: bool) -> dict[str, Any]:
        """One page."""
        last = items[-1][self.form.id_key] if items else None
        body: dict[str, Any] = {self.form.more_key: more, "last_id": last}
        outer, _, inner = self.form.place.rpartition(".")
        body[inner] = items
        return {outer: body} if outer else body

    def whole(self) -> dict[str, Any]:
        """The listing as one page."""
        return self.document(self.items(), more=False)

    def page(self, after: str | None) -> dict[str, Any]:
        """The page after an item."""
        items, key = self.items(), self.form.id_key
        start = 1 + max((place for place, item in enumerate(items) if item[key] == after), default=-1)
        return self.document(items[start : start + PAGE], more=start + PAGE < len(items))

    def change(self, **changes: Any) -> None:
        """Changes the form of the listing."""
        self.form = replace(self.form, **changes)

    def _item(self, model: Model) -> dict[str, Any]:
        form = self.form
        scale = Decimal(1) if form.per_million else Decimal(1_000_000)
        prices = [f"{price / scale:.9f}" for price in (model.input_price, model.output_price)]
        return {
            form.id_key: self.item_id(model),
            "name": model.name.title(),
            form.context_key: -5 if model.spoilt else model.context_length,
            "pricing": dict(zip(form.price_keys, prices, strict=True)),
        }

    def _answer(self, request: Request) -> Response:
        after, key = request.args.get("after"), request.headers.get("authorization", "")
        if key != f"Bearer {KEY}":
            return Response("no", status=401)
        if self.fault == "500" or (self.fault == "page 2 fails" and after is not None):
            return Response(json.dumps({"error": f"no {key}"}), status=500, content_type="application/json")
        if self.fault == "html":
            return Response(f"<html><body>Log in, {key}</body></html>", content_type="text/html")
        if self.fault == "slow":
            self.released.wait(10)
        body = "{}" if self.fault == "empty" else json.dumps(self._page_or_nothing(after))
        if self.fault == "garbage":
            body = f"\x00{key}\xff" + body[1:]
        elif self.fault == "truncated":
            body = body[: len(body) // 2]
        return Response(body, content_type="application/json", headers={"etag": f'"{zlib.crc32(body.encode())}"'})

    def _page_or_nothing(self, after: str | None) -> Mapping[str, Any]:
        return self.document([], more=False) if self.fault == "no items" else self.page(after)
