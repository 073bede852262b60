"""Choose the field that holds a model's id, and the one that names its base model."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from provider_pipeline.rules.generation.shape import Column, Shape, snake, words_of
from provider_pipeline.rules.ids import MAX_ID_LENGTH, family_of, is_opaque
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.language import quote_key

_UNKNOWN_NAME: Final = 0.15
_DEPTH: Final = 0.85
_MAX_ID_DEPTH: Final = 3
_SAMPLE: Final = 400
_MAX_COMPOSITES: Final = 12
_NAME = re.compile(r"[^\s,;{}\"]+\Z")


@dataclass(frozen=True)
class IdChoice:
    """A way to get the id of an item.

    Args:
        expression: JMESPath on the item.
        id_type: `string` or `integer`.
        score: From 0 to 1 or a little more.
        reasons: What the score is made of.
        values: The ids it gives, in the items' order, nulls left out.
        depth: How many objects deep the id is.
    """

    expression: str
    id_type: str
    score: float
    reasons: dict[str, Any]
    values: tuple[str, ...]
    depth: int


def id_choices(shape: Shape) -> list[IdChoice]:
    """All plausible ids of the items, the best first."""
    single = [choice for column in shape.columns.values() if (choice := _single(column, shape))]
    found = [*single, *_composites(shape)]
    return sorted(found, key=lambda choice: (-choice.score, choice.depth, choice.expression))


def _single(column: Column, shape: Shape) -> IdChoice | None:
    if len(column.path) > _MAX_ID_DEPTH or column.lookup:
        return None
    weight = _weight(column)
    values = [value for value in column.values if _may_be_id(value)]
    if not values or len(values) < 0.5 * len(column.values):
        return None
    integers = sum(isinstance(value, int) for value in values)
    if 0 < integers < len(values):
        return None
    texts = tuple(str(value) for value in values)
    depth = len(column.path) - 1
    return _choice(column.expression, "integer" if integers else "string", weight, texts, depth, shape)


def _weight(column: Column) -> float:
    """How likely the key is the model's id, by its name and by the object it is in."""
    data = read_table("selection.toml")
    key = _key_of(column)
    words = set(column.path[-1:] if key.startswith("_") else words_of(column.path[-1]))
    weight = data["ids"].get(key)
    if weight is None:
        fitting = [row["weight"] for row in data["id_words"] if all(words & set(row_words) for row_words in row["all"])]
        weight = max(fitting, default=_UNKNOWN_NAME)
    parents = (snake(parent) for parent in column.path[:-1])
    foreign = any(parent not in data["id_parents"]["names"] for parent in parents)
    return float(weight) * (float(data["id_parents"]["other"]) if foreign else 1.0)


def _key_of(column: Column) -> str:
    key = column.path[-1]
    return key if key.startswith("_") else column.leaf


def _choice(
    expression: str, id_type: str, weight: float, texts: tuple[str, ...], depth: int, shape: Shape
) -> IdChoice | None:
    fill = len(texts) / shape.count
    unique = len(set(texts)) / len(texts)
    form = 0.45 if id_type == "integer" else _form(texts)
    known = sum(family_of(text) is not None for text in texts[:_SAMPLE]) / min(len(texts), _SAMPLE)
    score = weight * fill**2 * unique * form * _DEPTH**depth * (0.9 + 0.1 * known)
    if score < 0.02:
        return None
    reasons = {"name": weight, "fill": fill, "unique": unique, "form": form, "known": known, "depth": depth}
    reasons = {key: round(value, 4) for key, value in reasons.items()}
    return IdChoice(expression, id_type, round(score, 6), reasons, texts, depth)


def _may_be_id(value: Any) -> bool:
    if isinstance(value, str):
        return 0 < len(value) <= MAX_ID_LENGTH
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _form(texts: tuple[str, ...]) -> float:
    """How much the texts look like something one passes to an API."""
    sample = texts[:: max(1, len(texts) // _SAMPLE)]
    return sum(_form_of(text) for text in sample) / len(sample)


def _form_of(text: str) -> float:
    if "://" in text:
        return 0.3
    if text.startswith("/"):
        return 0.6
    if not _NAME.match(text):
        return 0.35
    return 0.5 if is_opaque(text) and not text.startswith("<") else 1.0


def _composites(shape: Shape) -> Iterator[IdChoice]:
    data = read_table("selection.toml")["composite"]
    near = [column for column in shape.columns.values() if len(column.path) <= 2 and not column.lookup]
    pairs = (
        (owner, name)
        for owner in near
        if owner.leaf in data["owners"]
        for name in near
        if name.leaf in data["names"] and name.path[:-1] == owner.path[:-1]
    )
    for owner, name in itertools.islice(pairs, _MAX_COMPOSITES):
        choice = _composite(owner, name, shape)
        if choice:
            yield choice


def _composite(owner: Column, name: Column, shape: Shape) -> IdChoice | None:
    names = dict(zip(name.owners, name.values, strict=True))
    pairs = {
        position: f"{value}/{names[position]}"
        for position, value in zip(owner.owners, owner.values, strict=True)
        if isinstance(value, str) and isinstance(names.get(position), str)
    }
    if len(pairs) < 0.9 * shape.count or any("/" in names[position] for position in pairs):
        return None
    confirmed = max((_confirmed(column, pairs) for column in shape.columns.values()), default=0.0)
    plain = {names[position] for position in pairs}
    if confirmed < 0.8 and len(plain) >= len(set(pairs.values())):
        return None
    parent = ".".join(quote_key(key) for key in name.path[:-1])
    start = f"{parent}." if parent else ""
    expression = f"join('/', [{start}{quote_key(owner.path[-1])}, {start}{quote_key(name.path[-1])}])"
    weight = 1.05 if confirmed >= 0.8 else 0.9
    texts = tuple(pairs[position] for position in sorted(pairs))
    return _choice(expression, "string", weight, texts, len(name.path) - 1, shape)


def _confirmed(column: Column, pairs: dict[int, str]) -> float:
    """In how many items another text (an address, say) holds the owner and the name together."""
    hits = sum(
        isinstance(value, str) and owner in pairs and pairs[owner] in value
        for owner, value in zip(column.owners, column.values, strict=True)
    )
    return hits / len(pairs)


_BASE_MODEL_SAMPLE: Final = 2_000
_TELLING: Final = 0.5
_BASE_MODEL_DEPTH: Final = 3


def base_model(shape: Shape, identity: IdChoice) -> str | None:
    """The field whose texts are of known families for most items whose ids are of none; None where ids say enough."""
    own = next((column for column in shape.columns.values() if column.expression == identity.expression), None)
    if own is None:
        return None
    silent = {
        owner
        for owner, text in list(zip(own.owners, own.values, strict=True))[:_BASE_MODEL_SAMPLE]
        if family_of(str(text)) is None
    }
    if not silent:
        return None
    found = [
        (share, -len(column.path), column.expression)
        for column in shape.columns.values()
        if column is not own and _may_name(column) and (share := _telling(column, silent)) >= _TELLING
    ]
    return max(found)[2] if found else None


def _may_name(column: Column) -> bool:
    table = read_table("fields.toml")["base_model"]
    if column.lookup or len(column.path) > _BASE_MODEL_DEPTH or column.share(str) < 0.9:
        return False
    parent = column.parent
    return column.leaf in table["aliases"] or (parent in table["parents"] and column.leaf in table["keys"])


def _telling(column: Column, silent: set[int]) -> float:
    """The share of the silent items with a text there whose text is of a known family."""
    texts = [str(value) for owner, value in zip(column.owners, column.values, strict=True) if owner in silent]
    return sum(family_of(text) is not None for text in texts) / len(texts) if texts else 0.0
