"""Choose the field, or the pair of fields, that holds a model's id."""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from provider_pipeline.rules.generation.shape import Column, Shape
from provider_pipeline.rules.ids import MAX_ID_LENGTH, is_opaque, named_family
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.language import quote_key, snake, squashed, words_of
from provider_pipeline.rules.values import is_integer

_UNKNOWN_KEY_WEIGHT: Final = 0.15
_DEPTH_DECAY: Final = 0.85
_MAX_DEPTH: Final = 3
_SAMPLE: Final = 400
_MAX_COMPOSITES: Final = 12
_OWNED: Final = 1.06
_REPEATED_NAMES: Final = 0.75
_RESTATED: Final = 0.95
_VERSIONED_KEY: Final = 0.95
_QUALIFIED_ID: Final = 0.8
_SURE_KEY: Final = 0.95
_CLEAR_KEY: Final = 0.86
_WEAK_KEY: Final = 0.5
_LIKENESS: Final = 0.95
_OWN_PREFIX: Final = 0.25
_OWNERS_TELL: Final = 0.5
_VERSION = re.compile(r"v\d+[a-z]?\Z")
_NAME = re.compile(r"[^\s,;{}\"]+\Z")


@dataclass(frozen=True)
class IdChoice:
    """A way to get an item's id.

    Args:
        expression: JMESPath on the item.
        id_type: `string` or `integer`.
        score: From 0 to slightly above 1.
        reasons: The factors of the score.
        values: The ids, in the items' order, without nulls.
        depth: How many objects deep the id is.
    """

    expression: str
    id_type: str
    score: float
    reasons: dict[str, Any]
    values: tuple[str, ...]
    depth: int


def id_choices(shape: Shape, owners: Sequence[str] = ()) -> list[IdChoice]:
    """All plausible ids of the items, the best first; models of different `owners` may have the same id."""
    single = [choice for column in shape.columns.values() if (choice := _single(column, shape, owners))]
    found = [*single, *_composites(shape)]
    return sorted(found, key=lambda choice: (-choice.score, choice.depth, choice.expression))


def _single(column: Column, shape: Shape, owners: Sequence[str]) -> IdChoice | None:
    if len(column.path) > _MAX_DEPTH or column.lookup:
        return None
    values = [value for value in column.values if _may_be_id(value)]
    if not values or len(values) < 0.5 * len(column.values):
        return None
    integers = sum(isinstance(value, int) for value in values)
    if 0 < integers < len(values):
        return None
    texts = tuple(str(value) for value in values)
    id_type = "integer" if integers else "string"
    places = [at for at, value in zip(column.owners, column.values, strict=True) if _may_be_id(value)]
    distinct = set(zip((owners[at] for at in places), texts, strict=True)) if owners else set(texts)
    unique = len(distinct) / len(texts)
    return _choice(column.expression, id_type, _key_weight(column), texts, len(column.path) - 1, shape, unique)


def _key_weight(column: Column) -> float:
    """How likely a field with this key, in this object, is the model's id."""
    data = read_table("selection.toml")
    key = column.path[-1]
    literally = key.startswith("_")  # `_key` and `_label` are written by selectors
    weight = float(data["ids"].get(key, _UNKNOWN_KEY_WEIGHT)) if literally else _words_weight(words_of(key))
    foreign = any(snake(parent) not in data["id_parents"]["names"] for parent in column.path[:-1])
    return weight * (float(data["id_parents"]["other"]) if foreign else 1.0)


def _words_weight(words: tuple[str, ...]) -> float:
    """How likely a key of these words is the model's id, wherever it is."""
    data = read_table("selection.toml")
    if (weight := data["ids"].get("_".join(words))) is not None:
        return float(weight)
    if len(words) > 1 and _VERSION.match(words[-1]):
        return _VERSIONED_KEY * _words_weight(words[:-1])
    fitting = [row["weight"] for row in data["id_words"] if all(set(words) & set(each) for each in row["all"])]
    # `id_text` is a form of the id; `text_id` is the id of a text.
    return float(max([*fitting, *([_QUALIFIED_ID] if words[:1] == ("id",) else [])], default=_UNKNOWN_KEY_WEIGHT))


def _choice(
    expression: str,
    id_type: str,
    weight: float,
    texts: tuple[str, ...],
    depth: int,
    shape: Shape,
    unique: float,
) -> IdChoice | None:
    fill = len(texts) / shape.count
    form = 0.45 if id_type == "integer" else _form(texts)
    known = sum(named_family(text) is not None for text in texts[:_SAMPLE]) / min(len(texts), _SAMPLE)
    # A gateway lists a model once per deployment: repeated names of known models are ids nevertheless.
    unique = max(unique, _REPEATED_NAMES * known)
    score = weight * fill**2 * unique * form * _DEPTH_DECAY**depth * (0.9 + 0.1 * known)
    if score < 0.02:
        return None
    reasons = {"name": weight, "fill": fill, "unique": unique, "form": form, "known": known, "depth": depth}
    reasons = {key: round(value, 4) for key, value in reasons.items()}
    return IdChoice(expression, id_type, round(score, 6), reasons, texts, depth)


def _may_be_id(value: Any) -> bool:
    if isinstance(value, str):
        return 0 < len(value) <= MAX_ID_LENGTH
    return is_integer(value) and bool(0 <= value < 2**63)


def _form(texts: tuple[str, ...]) -> float:
    """Similarity of the texts to ids that callers pass to an API."""
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
    """Ids made of two fields: `owner/name`."""
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
    names = name.by_owner
    ids = {
        position: f"{value}/{names[position]}"
        for position, value in owner.by_owner.items()
        if isinstance(value, str) and isinstance(names.get(position), str)
    }
    if len(ids) < 0.9 * shape.count or any("/" in names[position] for position in ids):
        return None
    # The pair is needed where names alone are ambiguous, or where another field already holds it.
    confirmed = max((_confirmed(column, ids) for column in shape.columns.values()), default=0.0)
    if confirmed < 0.8 and len({names[position] for position in ids}) >= len(set(ids.values())):
        return None
    start = "".join(f"{quote_key(key)}." for key in name.path[:-1])
    expression = f"join('/', [{start}{quote_key(owner.path[-1])}, {start}{quote_key(name.path[-1])}])"
    weight = 1.05 if confirmed >= 0.8 else 0.9
    texts = tuple(ids[position] for position in sorted(ids))
    return _choice(expression, "string", weight, texts, len(name.path) - 1, shape, unique=len(set(texts)) / len(texts))


def _confirmed(column: Column, ids: dict[int, str]) -> float:
    """The share of the items in which another text, such as a URL, contains the composite id."""
    hits = sum(
        isinstance(value, str) and owner in ids and ids[owner] in value
        for owner, value in zip(column.owners, column.values, strict=True)
    )
    return hits / len(ids)


def owned_choice(choice: IdChoice, shape: Shape, owners: Sequence[str]) -> IdChoice | None:
    """The id prefixed by its owner, if the id alone is ambiguous; otherwise None.

    It is if models of several owners share an id and differ in a price, a limit or an ability, or if each item repeats
    the name of its holder.

    Args:
        choice: The best id of the items alone.
        shape: The items' shape.
        owners: The holder's name of each item, if the items are grouped by holder.
    """
    ids = shape.column_at(choice.expression)
    if ids is None or choice.id_type != "string" or len(ids.path) != choice.depth + 1:
        return None
    table = read_table("selection.toml")["owned"]
    beside = [
        column
        for column in shape.columns.values()
        if column.path[:-1] == ids.path[:-1]
        and column.leaf in table["owners"]
        and column.path[-1] != "_owner"
        and _names_every(column, ids)
    ]
    restated = [column for column in beside if owners and _restates(column, owners)]
    named = owners and all(owners) and len(set(owners)) > 1
    if restated:
        expression, names = restated[0].expression, restated[0].by_owner
    elif named and _disagree(ids, dict(enumerate(owners)), shape):
        expression, names = "_owner", dict(enumerate(owners))
    else:
        telling = next((column for column in beside if _disagree(ids, column.by_owner, shape)), None)
        if telling is None:
            return None
        expression, names = telling.expression, telling.by_owner
    plain = _texts_of(ids)
    texts = {at: f"{names[at]}/{text}" for at, text in plain.items()}
    if len(set(names.values())) < 2 or all(text.startswith(f"{names[at]}/") for at, text in plain.items()):
        return None
    if not restated and not _explains_repeats(plain, names):
        return None
    values = tuple(texts[position] for position in sorted(texts))
    reasons = {**choice.reasons, "owner": expression, "unique": round(len(set(values)) / len(values), 4)}
    joined = f"join('/', [{expression}, {choice.expression}])"
    return IdChoice(joined, "string", round(_OWNED * choice.score, 6), reasons, values, choice.depth)


def _explains_repeats(texts: Mapping[int, str], owners: Mapping[int, str]) -> bool:
    """Whether ids repeat because each owner has models of its own, which are not named after it."""
    named_after = sum(squashed(text).startswith(squashed(owners[at])) for at, text in texts.items())
    told_apart = len({(owners[at], text) for at, text in texts.items()}) - len(set(texts.values()))
    repeats = len(texts) - len(set(texts.values()))
    return named_after < _OWN_PREFIX * len(texts) and told_apart >= _OWNERS_TELL * repeats


def likely_id(chosen: IdChoice, others: Sequence[IdChoice]) -> IdChoice | None:
    """Another field that could as well be the id, for all that its key and its texts say; None if there is none.

    Its texts look as much like ids as the chosen ones and differ from them. Either its key speaks more for it, and it
    was left for its repeats; or nothing is known of its key, it tells as many models apart, and the chosen key is also
    one of display names. A maker in front of an id is doubtful, because callers seldom send it.
    """
    table = read_table("selection.toml")
    if (owner := chosen.reasons.get("owner")) is not None:
        plain = (each for each in others if chosen.expression.endswith(f", {each.expression}])"))
        return next(plain, None) if snake(owner.split(".")[-1]) in table["owned"]["makers"] else None
    if chosen.reasons["name"] >= _SURE_KEY or chosen.id_type != "string":
        return None
    distinct = len(set(chosen.values))
    for other in others:
        if set(other.values) == set(chosen.values) or other.reasons["fill"] < _LIKENESS * chosen.reasons["fill"]:
            continue
        stronger = other.reasons["name"] > chosen.reasons["name"]
        if other.id_type == "integer":
            if stronger and chosen.reasons["name"] < _CLEAR_KEY and distinct < len(chosen.values):
                return other
            continue
        signs = ("form", "known") if chosen.reasons["name"] > _WEAK_KEY else ("form",)
        if any(other.reasons[sign] < _LIKENESS * chosen.reasons[sign] for sign in signs):
            continue
        tells = len(set(other.values)) >= distinct and other.depth <= chosen.depth
        weak = chosen.reasons["name"] < _CLEAR_KEY or len(set(other.values)) > distinct
        unknown = other.reasons["name"] == _UNKNOWN_KEY_WEIGHT
        if stronger or (
            tells and weak and unknown and not set(words_of(other.expression)) & set(table["id_others"]["words"])
        ):
            return other
    return None


def null_id(items: Sequence[Any], chosen: IdChoice) -> str | None:
    """A key that is surely the id's, and null in every item, if another was chosen; None if there is none."""
    if chosen.reasons["name"] >= _SURE_KEY:
        return None
    table = read_table("selection.toml")["ids"]
    empty = dict[str, bool]()
    for item in items[:_SAMPLE]:
        for key, value in item.items() if isinstance(item, dict) else ():
            if table.get(snake(key), 0) >= _SURE_KEY:
                empty[key] = empty.get(key, True) and value is None
    return next((key for key, is_empty in empty.items() if is_empty), None)


def _texts_of(ids: Column) -> dict[int, str]:
    return {at: text for at, text in ids.by_owner.items() if isinstance(text, str)}


def _names_every(owner: Column, ids: Column) -> bool:
    return set(ids.owners) <= set(owner.owners) and owner.share(str) == 1


def _restates(column: Column, owners: Sequence[str]) -> bool:
    same = sum(1 for at, value in zip(column.owners, column.values, strict=True) if value == owners[at])
    return same >= _RESTATED * len(owners)


def _disagree(ids: Column, owners: Mapping[int, str], shape: Shape) -> bool:
    """Whether models of several owners share an id and differ in a price, a limit or an ability."""
    places: dict[str, list[int]] = {}
    for position, text in _texts_of(ids).items():
        places.setdefault(text, []).append(position)
    shared = [at for at in places.values() if len({owners[position] for position in at}) > 1]
    if not shared:
        return False
    words = set(read_table("selection.toml")["owned"]["telling"])
    for column in shape.columns.values():
        if not words & set(column.words) and column.share(bool) < 1:
            continue
        values = column.by_owner
        for at in shared:
            stated = [values[position] for position in at if position in values]
            if any(value != stated[0] for value in stated[1:]):
                return True
    return False
