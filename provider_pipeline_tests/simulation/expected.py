"""What a provider truly offers, in whatever shape it says so; and what the table must say of it.

The reference model: it reads no rule and no response, and shares no code with the pipeline.
"""

import json
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Self


@dataclass(frozen=True)
class Model:
    """One model: its prices are USD per million tokens."""

    id: str
    context: int
    input_price: Decimal
    output_price: Decimal

    def repriced(self, factor: str) -> Self:
        """The same model at another price."""
        return replace(
            self, input_price=self.input_price * Decimal(factor), output_price=self.output_price * Decimal(factor)
        )


Offer = tuple[Model, ...]


def model(model_id: str, context: int, input_price: str, output_price: str) -> Model:
    """A model, from plain texts."""
    return Model(model_id, context, Decimal(input_price), Decimal(output_price))


def without(offer: Offer, *model_ids: str) -> Offer:
    """The offer less these models."""
    return tuple(each for each in offer if each.id not in model_ids)


def repriced(offer: Offer, factor: str, *model_ids: str) -> Offer:
    """The offer with these models at another price."""
    return tuple(each.repriced(factor) if each.id in model_ids else each for each in offer)


def swapped(offer: Offer) -> Offer:
    """The offer as one reads it who takes the price of input for that of output."""
    return tuple(replace(each, input_price=each.output_price, output_price=each.input_price) for each in offer)


# Shapes: the same offer, written in different ways.


def plain(offer: Offer) -> dict[str, Any]:
    """As the provider wrote it at first: prices per token, as texts."""
    return {"object": "list", "data": [_item(each, "context_length", _per_token(each)) for each in offer]}


def with_renamed_key(offer: Offer) -> dict[str, Any]:
    """`context_length` has another name."""
    return {"object": "list", "data": [_item(each, "max_context_tokens", _per_token(each)) for each in offer]}


def with_moved_list(offer: Offer) -> dict[str, Any]:
    """The list stands elsewhere, too."""
    return {"result": {"models": with_renamed_key(offer)["data"]}, "status": "ok"}


def with_named_unit(offer: Offer) -> dict[str, Any]:
    """Prices are per million tokens, and say so."""
    priced = [
        {
            "input_usd_per_million_tokens": float(each.input_price),
            "output_usd_per_million_tokens": float(each.output_price),
        }
        for each in offer
    ]
    items = [_item(each, "max_context_tokens", price) for each, price in zip(offer, priced, strict=True)]
    return {"result": {"models": items}, "status": "ok"}


def with_unnamed_unit(offer: Offer) -> dict[str, Any]:
    """Prices are per million tokens, under the names they had when they were per token."""
    priced = [{"prompt": str(each.input_price), "completion": str(each.output_price)} for each in offer]
    items = [_item(each, "context_length", price) for each, price in zip(offer, priced, strict=True)]
    return {"object": "list", "data": items}


def with_owner(offer: Offer, owner: str) -> Offer:
    """The offer with its owner before each id."""
    return tuple(replace(each, id=f"{owner}/{each.id}") for each in offer)


def _item(each: Model, context_key: str, pricing: dict[str, Any]) -> dict[str, Any]:
    return {"id": each.id, "object": "model", "owned_by": "acme", context_key: each.context, "pricing": pricing}


def _per_token(each: Model) -> dict[str, str]:
    return {
        "prompt": f"{each.input_price / 1_000_000:f}",
        "completion": f"{each.output_price / 1_000_000:f}",
    }


@dataclass(frozen=True)
class Entry:
    """What the table must say of one model."""

    status: str
    context: int
    input_price: Decimal
    output_price: Decimal
    misses: int = 0


Table = dict[str, Entry]
Changes = set[tuple[str, str, frozenset[str]]]
"""Model, kind, and the columns that changed."""

MISSES_TO_REMOVAL = 3


@dataclass
class ReferenceModel:
    """What the table of one provider must say, told day by day what the provider truly offers."""

    table: Table = field(default_factory=dict)

    def take(self, offer: Offer, renamed: dict[str, str] | None = None) -> Changes:
        """The offer was accepted; returns the changes that must be on record for it.

        Args:
            offer: What the provider offers.
            renamed: New ids by old ones.
        """
        names = renamed or {}
        olds = {new: old for old, new in names.items()}
        offered = {each.id: each for each in offer}
        changes: Changes = set()
        after: Table = {}
        for model_id, entry in self.table.items():
            if model_id not in offered and entry.status != "removed":
                misses = entry.misses + 1
                status = "removed" if misses >= MISSES_TO_REMOVAL else "missing"
                if status != entry.status:
                    fields = {"status", "renamed_to"} if model_id in names else {"status"}
                    changes.add((model_id, status, frozenset(fields)))
                after[model_id] = replace(entry, status=status, misses=misses)
            else:
                after[model_id] = entry
        for model_id, each in offered.items():
            now = Entry("active", each.context, each.input_price, each.output_price)
            before = self.table.get(model_id)
            if before is None and model_id in olds:
                changes.add((model_id, "renamed", frozenset({"model_id"})))
            elif before is None:
                changes.add((model_id, "added", frozenset()))
            elif before != now:
                kind = "updated" if before.status == "active" else "restored"
                changes.add((model_id, kind, _different(before, now)))
            after[model_id] = now
        self.table = after
        return changes


def _different(before: Entry, now: Entry) -> frozenset[str]:
    columns = {
        "status": before.status != now.status,
        "context_length": before.context != now.context,
        "input_price": before.input_price != now.input_price,
        "output_price": before.output_price != now.output_price,
    }
    return frozenset(name for name, is_other in columns.items() if is_other)


def body(document: Any) -> str:
    """A document as it is sent."""
    return json.dumps(document)
