"""Choose which path of an item becomes which column of a row, with the rejected alternatives.

The known names are data (`data/fields.toml`).
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from provider_pipeline.rules.extraction import FIELD_COLUMNS
from provider_pipeline.rules.generation.identifiers import IdChoice
from provider_pipeline.rules.generation.price_choices import ListingPrices, PriceChoice
from provider_pipeline.rules.generation.prices import find_prices
from provider_pipeline.rules.generation.shape import Column, Path, Shape, snake, squashed, words_of
from provider_pipeline.rules.ids import is_known_name
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.language import path_expression, quote_key
from provider_pipeline.rules.thresholds import Thresholds
from provider_pipeline.rules.values import NO_LIMIT, BadValueError, enum_word, moment, number, read_limit

_FIELD_ORDER: Final = ("id", "name", *list(FIELD_COLUMNS)[3:])

_DEPTH_DECAY: Final = 0.9
_RANK_PENALTY: Final = 0.004
_AMBIGUOUS_PENALTY: Final = 0.5
_MIN_SCORE: Final = 0.15
_MIN_PLAUSIBLE: Final = 0.9
_MIN_AGREEMENT: Final = 0.8
_ENOUGH_NAMES: Final = 4
_COMMON_NAME: Final = 0.5
_ONE_ODD_AMONG: Final = 3
_MODALITIES_MAX_DEPTH: Final = 3
_MAX_ALTERNATIVES: Final = 6
_MAX_TOKENS: Final = int(Thresholds.model_fields["max_tokens"].default)

_BASE_MODEL_SAMPLE: Final = 2_000
_BASE_MODEL_MIN_KNOWN: Final = 0.5
_BASE_MODEL_MAX_DEPTH: Final = 6

_MILLISECONDS: Final = 1e11
_SECONDS_SPREAD: Final = 5
_COMMON_SHARE: Final = 0.5


@dataclass(frozen=True)
class FieldChoice:
    """A path that could be a column, with the shares of items that have a value and of values that are plausible."""

    expression: str
    score: float
    fill: float
    plausible: float
    column: Column

    def summary(self) -> dict[str, Any]:
        """The choice as evidence in a rule."""
        return {
            "expression": self.expression,
            "score": round(self.score, 4),
            "fill": round(self.fill, 4),
            "plausible": round(self.plausible, 4),
        }


@dataclass
class FieldMap:
    """The fields of one endpoint's rule (JMESPath by name), and the units of its prices.

    Also what was considered: the alternatives by field name, the best first, and the reasons why paths were left out.
    """

    fields: dict[str, str]
    units: dict[str, Any] = field(default_factory=dict)
    alternatives: dict[str, list[Any]] = field(default_factory=dict)
    junk: dict[str, str] = field(default_factory=dict)
    prices: ListingPrices = field(default_factory=ListingPrices)

    def ordered_fields(self) -> dict[str, str]:
        """The fields in the order in which rules are written."""
        order = {name: position for position, name in enumerate(_FIELD_ORDER)}
        return {name: self.fields[name] for name in sorted(self.fields, key=lambda n: (order.get(n, len(order)), n))}

    def take(self, name: str, choice: FieldChoice | PriceChoice | None, found: list[Any]) -> None:
        """Note a field's alternatives, and its choice if there is one."""
        if found:
            self.alternatives[name] = [one.summary() for one in found]
        if choice is not None:
            self.fields[name] = choice.expression


def field_map(shape: Shape, identity: IdChoice, answer: Any, listing: Path) -> FieldMap:
    """The fields of a listing's items; the answer around the listing may name a currency."""
    found = FieldMap({"id": identity.expression})
    depth = identity.depth
    name, names = _name_choice(shape, identity.expression, depth)
    found.take("name", name, names)
    contexts = _served_first(_limit_choices(shape, "context_length", depth))
    context = next((c for c in contexts if c.plausible >= _MIN_PLAUSIBLE and c.score >= _MIN_SCORE), None)
    context = _with_fallbacks(context, contexts)
    found.take("context_length", context, contexts)
    outputs = _limit_choices(shape, "max_output_tokens", depth)
    found.take("max_output_tokens", _with_fallbacks(_output_choice(outputs, context), outputs), outputs)
    for side in ("input_modalities", "output_modalities"):
        chosen, sides = _modality_choice(shape, side, depth)
        found.take(side, _with_fallbacks(chosen, sides), sides)
    for side, expression in _arrow_modalities(shape).items():
        found.fields.setdefault(side, expression)
    found.prices = find_prices(shape, answer, listing)
    for price, choices in found.prices.choices.items():
        found.take(price, choices[0], choices)
        found.units[price] = choices[0].written_unit
    found.fields |= found.prices.fields()
    base = _base_model(shape, identity)
    if base is not None:
        found.fields["base_model"] = base
    for key, choice in _metadata_choices(shape, set(found.fields.values())):
        reason = _junk_reason(choice.column) if key == "created" else None
        if reason is None:
            found.fields[key] = choice.expression
        else:
            found.junk[choice.expression] = reason
    return found


def _choices(shape: Shape, name: str, plausible: Callable[[Any], bool], depth: int = 0) -> list[FieldChoice]:
    """The paths whose name fits a field of `data/fields.toml`, the best first."""
    table: Any = read_table("fields.toml")
    for part in name.split("."):
        table = table[part]
    aliases: list[str] = table["aliases"]
    found = []
    for column in shape.columns.values():
        rank = _alias_rank(column, aliases)
        if rank is None and _has_words(column, name):
            rank = len(aliases)
        if rank is None or column.path[-1].startswith("_"):
            continue
        good = _share_of_plausible(column, plausible)
        fill = shape.fill(column)
        doubt = _AMBIGUOUS_PENALTY if _is_ambiguous(column) else 1.0
        decay = _DEPTH_DECAY ** max(0, len(column.path) - 1 - depth)
        score = doubt * (1 - _RANK_PENALTY * rank) * decay * math.sqrt(fill) * good
        found.append(FieldChoice(column.expression, score, fill, good, column))
    found.sort(key=lambda choice: (-choice.score, choice.expression))
    return found[:_MAX_ALTERNATIVES]


def _share_of_plausible(column: Column, plausible: Callable[[Any], bool]) -> float:
    """The share of values that fit; one odd value among several, such as the prose of a specimen, does not count."""
    count, good = len(column.values), sum(plausible(value) for value in column.values)
    return 1.0 if good == count - 1 and count >= _ONE_ODD_AMONG else good / count


def _alias_rank(column: Column, aliases: list[str]) -> int | None:
    """The position of the alias that fits the path; a dotted alias must fit the path's end.

    `{"context_length": {"value": 8192, "unit": "tokens"}}` is a context length: a last key `value` is passed over.
    """
    path = column.path[:-1] if len(column.path) > 1 and column.leaf == "value" else column.path
    leaf = snake(path[-1])
    dotted = ".".join(snake(key) for key in path)
    for rank, alias in enumerate(aliases):
        if alias == leaf or ("." in alias and (dotted == alias or dotted.endswith("." + alias))):
            return rank
    return None


def _has_words(column: Column, name: str) -> bool:
    """Whether the words of an unknown key make it the field."""
    table: Any = read_table("fields.toml").get(name, {})
    if "words" not in table:
        return False
    generic = read_table("fields.toml")["generic"]["keys"]
    near = column.path[-2:] if column.leaf in generic else column.path[-1:]
    words = {word for key in near for word in words_of(key)}
    return not set(column.words) & set(table["never"]) and any(words >= set(row) for row in table["words"])


def _is_ambiguous(column: Column) -> bool:
    """Whether the key, such as `max_tokens`, names an output limit only beside a context length."""
    return column.leaf in read_table("fields.toml")["max_output_tokens"]["needs_context"]


def _with_fallbacks(choice: FieldChoice | None, found: list[FieldChoice]) -> FieldChoice | None:
    """The choice, followed by alternatives that agree with it where both have a value and fill its gaps."""
    if choice is None:
        return None
    held = choice.column.by_owner
    parts = [choice.expression]
    for other in found:
        if other is choice or other.plausible < _MIN_PLAUSIBLE or _is_ambiguous(other.column):
            continue
        theirs = other.column.by_owner
        shared = [owner for owner in theirs if owner in held]
        agreeing = sum(theirs[owner] == held[owner] for owner in shared)
        if len(shared) < len(theirs) and agreeing >= _MIN_AGREEMENT * len(shared):
            parts.append(other.expression)
            held = {**theirs, **held}
    return replace(choice, expression=" || ".join(parts))


def _name_choice(shape: Shape, id_expression: str, depth: int) -> tuple[FieldChoice | None, list[FieldChoice]]:
    """The display name: a text near the id, other than the id, that is not the same for most models.

    Models without one take the next best.
    """
    found = [
        choice
        for choice in _choices(shape, "display_name", lambda v: isinstance(v, str) and len(v) <= 300, depth)
        if choice.expression != id_expression and len(choice.column.path) - 1 <= depth + 1
    ]
    names = sorted((one for one in found if _is_name_of_models(one, depth)), key=_name_order)
    if not names:
        return None, found
    parts, covered = list[str](), set[int]()
    for choice in names:
        held = {owner for owner, value in choice.column.by_owner.items() if value}
        # A name inside another object may be that of another model, such as the one behind a deployment.
        if not parts or (held - covered and choice.column.path[:-1] == names[0].column.path[:-1]):
            parts.append(choice.expression)
            covered |= held
    return replace(names[0], expression=" || ".join(parts)), found


def _name_order(choice: FieldChoice) -> float:
    """The best name first; that some models lack it does not matter, as they take the next."""
    return -choice.score / (math.sqrt(choice.fill) if choice.fill >= _COMMON_NAME else 1.0)


def _is_name_of_models(choice: FieldChoice, depth: int) -> bool:
    values = choice.column.values
    if choice.plausible < _MIN_PLAUSIBLE or choice.fill < 0.1 or not _names_the_model(choice.column, depth):
        return False
    distinct = len({value for value in values if isinstance(value, str) and value})
    return distinct > 0 and (len(values) < _ENOUGH_NAMES or distinct >= 0.25 * len(values))


def _names_the_model(column: Column, depth: int) -> bool:
    """A plain `name` inside another object names that object, unless the object is about the model."""
    table = read_table("fields.toml")["display_name"]
    if len(column.path) - 1 <= depth or column.leaf not in table["plain"]:
        return True
    return column.parent in table["parents"]


def _limit_choices(shape: Shape, name: str, depth: int) -> list[FieldChoice]:
    """Paths that could be a limit in tokens; those of request settings are not limits of the model."""
    settings = set(read_table("fields.toml")["settings"]["words"])
    return [
        choice
        for choice in _choices(shape, name, _is_limit, depth)
        if any(not isinstance(value, str) or any(map(str.isdigit, value)) for value in choice.column.values)
        and not settings & {word for key in choice.column.path[:-1] for word in words_of(key)}
    ]


def _served_first(found: list[FieldChoice]) -> list[FieldChoice]:
    """The limits, those that a model was trained with behind those it is served with."""
    trained = set(read_table("fields.toml")["context_length"]["trained"])
    return sorted(found, key=lambda choice: bool(trained & set(words_of(choice.column.path[-1]))))


def _is_limit(value: Any) -> bool:
    try:
        found = read_limit(value, _MAX_TOKENS)
    except BadValueError as error:
        return error.reason == NO_LIMIT
    return found is not None or value == ""


def _output_choice(found: list[FieldChoice], context: FieldChoice | None) -> FieldChoice | None:
    """The output limit: under an ambiguous name, only one that differs from the context length."""
    for choice in found:
        if choice.plausible < _MIN_PLAUSIBLE or choice.score < _MIN_SCORE:
            continue
        if context is not None and choice.expression == context.column.expression:
            continue
        if not _is_ambiguous(choice.column):
            return choice
        if context is None:
            continue
        held = context.column.by_owner
        telling = sum(held.get(owner, value) != value for owner, value in choice.column.by_owner.items())
        if telling == len(choice.column.values):
            return choice
        if telling:
            own, whole = choice.expression, f"({context.expression})"
            return replace(choice, expression=f"{whole} && {whole} != {own} && {own}")
    return None


def _modality_choice(shape: Shape, name: str, depth: int) -> tuple[FieldChoice | None, list[FieldChoice]]:
    """Input or output modalities: lists of known words, or texts made of them."""
    known = set(read_table("fields.toml")["modality"]["values"])
    listed = replace(shape, columns=shape.columns | _modalities_of_objects(shape))
    found = _choices(listed, name, lambda value: _is_modalities(value, known), depth)
    return next((choice for choice in found if choice.plausible >= 0.7 and choice.score >= _MIN_SCORE), None), found


def _modalities_of_objects(shape: Shape) -> dict[Path, Column]:
    """Columns of modalities that are listed as objects (`[{"type": "text", ...}]`), as if they were texts."""
    keys = read_table("fields.toml")["modality"]["keys"]
    found = {}
    for path, nested in shape.nested.items():
        if path[-1] in keys and path[:-1] in shape.columns and len(path) <= _MODALITIES_MAX_DEPTH:
            texts: dict[int, list[Any]] = {}
            for owner, value in zip(nested.owners, nested.values, strict=True):
                texts.setdefault(owner, []).append(value)
            lookup = f"{path_expression(path[:-1])}[].{quote_key(path[-1])}"
            found[path[:-1]] = Column(path[:-1], [*texts.values()], [*texts], lookup)
    return found


def _is_modalities(value: Any, known: set[str]) -> bool:
    if isinstance(value, str):
        value = [part for part in value.replace("+", ",").replace("/", ",").split(",") if part.strip()]
    elif isinstance(value, dict):
        value = list(value) if all(isinstance(held, bool) for held in value.values()) else None
    if not isinstance(value, list):
        return False
    return all(isinstance(entry, str) and squashed(enum_word(entry)) in known for entry in value)


def _arrow_modalities(shape: Shape) -> dict[str, str]:
    """Expressions for the modalities of one text such as `text+image->text`."""
    table = read_table("fields.toml")["modality"]
    for column in shape.columns.values():
        arrows = sum(isinstance(value, str) and table["arrow"] in value for value in column.values)
        if column.leaf in table["aliases"] and arrows > 0.9 * len(column.values):
            whole = f"split({column.expression}, '{table['arrow']}')"
            return {"input_modalities": f"{whole}[0]", "output_modalities": f"{whole}[1]"}
    return {}


def _metadata_choices(shape: Shape, taken: set[str]) -> Iterable[tuple[str, FieldChoice]]:
    """Further fields worth keeping, near the top of the item."""
    for name in read_table("fields.toml")["metadata"]:
        for choice in _choices(shape, f"metadata.{name}", _is_metadata):
            if choice.expression not in taken and len(choice.column.path) <= 2 and choice.plausible >= _MIN_PLAUSIBLE:
                yield name, choice
                break


def _is_metadata(value: Any) -> bool:
    if isinstance(value, list):
        return all(isinstance(entry, (str, int, float)) for entry in value)
    return isinstance(value, (str, int, float, bool))


def _base_model(shape: Shape, identity: IdChoice) -> str | None:
    """The field with a known name for most items whose id has none; None if the ids suffice."""
    own = shape.column_at(identity.expression)
    if own is None:
        return None
    unnamed = {owner for owner, text in list(own.by_owner.items())[:_BASE_MODEL_SAMPLE] if not is_known_name(str(text))}
    if not unnamed:
        return None
    found = []
    for column in shape.columns.values():
        if column is own or not _may_be_base_model(column):
            continue
        texts = [str(value) for owner, value in column.by_owner.items() if owner in unnamed]
        known = sum(map(is_known_name, texts)) / len(texts) if texts else 0.0
        if known >= _BASE_MODEL_MIN_KNOWN:
            found.append((known, -len(column.path), column.expression))
    return max(found)[2] if found else None


def _may_be_base_model(column: Column) -> bool:
    table = read_table("fields.toml")["base_model"]
    if column.lookup or len(column.path) > _BASE_MODEL_MAX_DEPTH or column.share(str) < 0.9:
        return False
    return column.leaf in table["aliases"] or (column.parent in table["parents"] and column.leaf in table["keys"])


def _junk_reason(column: Column) -> str | None:  # noqa: PLR0911  # one return for each kind of junk reads best
    """Why creation times say nothing about the models; None if they do.

    A constant is often the time of the request or of the server's start, which one sample cannot show; as a field it
    would make every model look changed.
    """
    amounts = [number(value) for value in column.values]
    numeric = [amount for amount in amounts if amount is not None]
    known: dict[str, str] = read_table("fields.toml")["junk"]["constants"]
    common, times = Counter(map(str, column.values)).most_common(1)[0]
    if numeric and all(amount == 0 for amount in numeric):
        return "zero"
    if common in known and times >= _COMMON_SHARE * len(column.values):
        return f"the constant of {known[common]}"
    moments = [found for value in column.values if (found := moment(value)) is not None]
    if len(column.values) == 1:
        has_time = moments or type(column.values[0]) in (int, float)
        return "a single model: a date cannot be told from the time of the request" if has_time else None
    if times == len(column.values):
        return "constant"
    if len(column.values) >= 3 and times > _COMMON_SHARE * len(column.values):
        return "the same for most models"
    if len(moments) == len(amounts) and max(moments) - min(moments) <= _SECONDS_SPREAD:
        return "all within seconds: the time of the request"
    if len(numeric) == len(amounts):
        scale = 1000 if max(numeric) > _MILLISECONDS else 1
        if max(numeric) - min(numeric) <= _SECONDS_SPREAD * scale:
            return "all within seconds: the time of the request"
        if scale == 1000:
            return "milliseconds"
    return None
