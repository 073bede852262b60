"""Choose which path of an item becomes which column of a row, with the rejected alternatives.

The known names are data (`data/fields.toml`).
"""

import math
from dataclasses import dataclass, field, replace
from typing import Any, Final

from provider_pipeline.rules.extraction import FIELD_COLUMNS
from provider_pipeline.rules.generation.field_choices import (
    MIN_PLAUSIBLE,
    MIN_SCORE,
    FieldChoice,
    choices,
    date_choices,
    fact_choices,
    is_ambiguous,
    with_fallbacks,
)
from provider_pipeline.rules.generation.identifiers import IdChoice
from provider_pipeline.rules.generation.price_context import ListingPrices, PriceChoice
from provider_pipeline.rules.generation.prices import find_prices
from provider_pipeline.rules.generation.shape import Column, Shape
from provider_pipeline.rules.ids import is_known_name
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.language import Path, path_expression, quote_key, squashed, words_of
from provider_pipeline.rules.thresholds import Thresholds
from provider_pipeline.rules.values import NO_LIMIT, BadValueError, enum_word, read_limit

_FIELD_ORDER: Final = ("id", "name", *list(FIELD_COLUMNS)[3:])

_ENOUGH_NAMES: Final = 4
_COMMON_NAME: Final = 0.5
_MODALITIES_MAX_DEPTH: Final = 3
_MAX_TOKENS: Final = int(Thresholds.model_fields["max_tokens"].default)

_BASE_MODEL_SAMPLE: Final = 2_000
_BASE_MODEL_MIN_KNOWN: Final = 0.5
_BASE_MODEL_MAX_DEPTH: Final = 6


@dataclass
class FieldMap:
    """The fields of one endpoint's rule (JMESPath by name), and the units of its prices.

    Also the alternatives by field name, the best first, and the reasons for leaving paths out.
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
    context = with_fallbacks(_plain_choice(contexts), contexts)
    found.take("context_length", context, contexts)
    inputs = _limit_choices(shape, "max_input_tokens", depth)
    found.take("max_input_tokens", _plain_choice(inputs), inputs)
    outputs = _limit_choices(shape, "max_output_tokens", depth)
    found.take("max_output_tokens", with_fallbacks(_output_choice(outputs, context), outputs), outputs)
    for side in ("input_modalities", "output_modalities"):
        chosen, sides = _modality_choice(shape, side, depth)
        found.take(side, with_fallbacks(chosen, sides), sides)
    for side, expression in _arrow_modalities(shape).items():
        found.fields.setdefault(side, expression)
    found.prices = find_prices(shape, answer, listing)
    for price, options in found.prices.choices.items():
        found.take(price, options[0], options)
        found.units[price] = options[0].written_unit
    found.fields |= found.prices.fields()
    base = _base_model(shape, identity)
    if base is not None:
        found.fields["base_model"] = base
    for key, choice, reason in (*date_choices(shape), *fact_choices(shape, set(found.fields.values()))):
        if reason is None:
            found.fields.setdefault(key, choice.expression)
        else:
            found.junk[choice.column.expression] = reason
    return found


def _name_choice(shape: Shape, id_expression: str, depth: int) -> tuple[FieldChoice | None, list[FieldChoice]]:
    """The display name: a text near the id, other than the id, that is not the same for most models.

    Models without one get the next best.
    """
    found = [
        choice
        for choice in choices(shape, "display_name", lambda v: isinstance(v, str) and len(v) <= 300, depth)
        if choice.expression != id_expression and len(choice.column.path) - 1 <= depth + 1
    ]
    names = sorted((one for one in found if _is_name_of_models(one, depth)), key=_name_order)
    if not names:
        return None, found
    parts, covered = list[str](), set[int]()
    for choice in names:
        held = {owner for owner, value in choice.column.by_owner.items() if value}
        # A name inside another object may name another model, such as a deployment's.
        if not parts or (held - covered and choice.column.path[:-1] == names[0].column.path[:-1]):
            parts.append(choice.expression)
            covered |= held
    return replace(names[0], expression=" || ".join(parts)), found


def _name_order(choice: FieldChoice) -> float:
    """The best name first; models without it get the next."""
    return -choice.score / (math.sqrt(choice.fill) if choice.fill >= _COMMON_NAME else 1.0)


def _is_name_of_models(choice: FieldChoice, depth: int) -> bool:
    values = choice.column.values
    if choice.plausible < MIN_PLAUSIBLE or choice.fill < 0.1 or not _names_the_model(choice.column, depth):
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
    """Possible paths of a limit in tokens; request settings are not limits of the model.

    At the top of the item, beside request settings, this excludes only ambiguous names.
    """
    table = read_table("fields.toml")["settings"]
    words = set(table["words"])
    requests = {
        column.path[:-1]
        for column in shape.columns.values()
        if column.leaf in table["beside"] and column.share((int, float)) == 1
    }
    return [
        choice
        for choice in choices(shape, name, _is_limit, depth)
        if any(not isinstance(value, str) or any(map(str.isdigit, value)) for value in choice.column.values)
        and not words & {word for key in choice.column.path[:-1] for word in words_of(key)}
        and _counts_tokens(choice.column, shape)
        and not (
            choice.column.path[:-1] in requests and (len(choice.column.path) > depth + 1 or is_ambiguous(choice.column))
        )
    ]


def _counts_tokens(column: Column, shape: Shape) -> bool:
    """Whether no text beside a limit names another unit, such as characters."""
    endings = read_table("fields.toml")["settings"]["units"]
    own = {"_".join((*words_of(column.path[-1]), ending)) for ending in endings}
    keys = own | set(endings) if column.leaf == "value" else own
    beside = (other for path, other in shape.columns.items() if path[:-1] == column.path[:-1] and other.leaf in keys)
    return all("tok" in text.lower() for other in beside for text in other.values if isinstance(text, str))


def _served_first(found: list[FieldChoice]) -> list[FieldChoice]:
    """The limits, those of serving before those of training."""
    trained = set(read_table("fields.toml")["context_length"]["trained"])
    return sorted(found, key=lambda choice: bool(trained & set(words_of(choice.column.path[-1]))))


def _plain_choice(found: list[FieldChoice]) -> FieldChoice | None:
    return next((one for one in found if one.plausible >= MIN_PLAUSIBLE and one.score >= MIN_SCORE), None)


def _is_limit(value: Any) -> bool:
    try:
        found = read_limit(value, _MAX_TOKENS)
    except BadValueError as error:
        return error.reason == NO_LIMIT
    return found is not None or value == ""


def _output_choice(found: list[FieldChoice], context: FieldChoice | None) -> FieldChoice | None:
    """The output limit: under an ambiguous name, only one that differs from the context length."""
    for choice in found:
        if choice.plausible < MIN_PLAUSIBLE or choice.score < MIN_SCORE:
            continue
        if context is not None and choice.expression == context.column.expression:
            continue
        if not is_ambiguous(choice.column):
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
    found = choices(listed, name, lambda value: _is_modalities(value, known), depth)
    return next((choice for choice in found if choice.plausible >= 0.7 and choice.score >= MIN_SCORE), None), found


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
