"""Reads the values of a listing: ids, texts, limits, prices with their units, modalities."""

import functools
import math
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, NamedTuple

from pydantic import BaseModel, Field

from provider_pipeline.errors import InvalidRuleError
from provider_pipeline.rules.ids import MAX_ID_LENGTH
from provider_pipeline.rules.issues import has_controls, one_line, shown
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.language import compiled
from provider_pipeline.rules.limits import Work
from provider_pipeline.rules.money import PER
from provider_pipeline.rules.variants import BUILT_WHEN_USED


class UnitByRow(BaseModel):
    """A unit that each row names itself: `by` is read from the model object and looked up in `values`.

    A row whose unit is not in `values` has no price.
    """

    model_config = BUILT_WHEN_USED

    by: Annotated[str, Field(min_length=1)]
    values: dict[str, str]

    @property
    def reads(self) -> str:
        """The expression on the model object."""
        return self.by


class UnitTimes(BaseModel):
    """The unit of a price listed as a multiple of another amount, which `times` reads from the model object."""

    model_config = BUILT_WHEN_USED

    times: Annotated[str, Field(min_length=1)]
    unit: str

    @property
    def reads(self) -> str:
        """The expression on the model object."""
        return self.times


_PRICE_TEXT = re.compile(
    r"(?:usd|us\$|\$)?\s*([0-9]{1,9}(?:,[0-9]{3})*(?:\.[0-9]{1,15})?)\s*(?:usd|\$)?"
    rf"\s*{PER}",
    re.IGNORECASE,
)
"""A price such as `$0.59 / 1M tokens`."""
_IS_NOT_ZERO = re.compile(r"[^eE]*[1-9]")

Unit = str | UnitByRow | UnitTimes


class Scale(NamedTuple):
    """Conversion of listed to stored amounts: a factor, and the unit of the result."""

    factor: float
    per: str


ScaleOf = Callable[[Any, Work], Scale | None]


@functools.cache
def unit_scales() -> Mapping[str, Scale]:
    """The known units."""
    return {
        name: Scale(float(entry["factor"]), entry["per"]) for name, entry in read_table("units.toml")["unit"].items()
    }


@functools.cache
def unit_factors() -> Mapping[str, float]:
    """Factors to USD per million tokens, by unit of token prices."""
    return {name: scale.factor for name, scale in unit_scales().items() if scale.per == "million_tokens"}


def parse_unit(document: Any) -> Unit:
    """A rule's declared unit.

    Raises:
        InvalidRuleError: The unit is unknown, or the expression that chooses it does not compile.
    """
    if isinstance(document, BaseModel):
        document = document.model_dump()
    if isinstance(document, str):
        _known(document)
        return document
    if isinstance(document, Mapping) and set(document) == {"times", "unit"}:
        compiled(document["times"])
        _known(document["unit"])
        return UnitTimes(times=document["times"], unit=document["unit"])
    if (
        not isinstance(document, Mapping)
        or set(document) != {"by", "values"}
        or not isinstance(document["values"], Mapping)
    ):
        raise InvalidRuleError("a unit is a name, or an object with 'by' and 'values', or with 'times' and 'unit'")
    compiled(document["by"])
    for name in document["values"].values():
        _known(name)
    return UnitByRow(by=document["by"], values={str(key): str(name) for key, name in document["values"].items()})


def unit_scale(unit: Unit | None) -> ScaleOf:
    """A function from a raw model object to the scale of its prices; None for no price."""
    if isinstance(unit, UnitByRow):
        named = compiled(unit.by)
        scales = {text: unit_scales()[name] for text, name in unit.values.items()}

        def by_row(item: Any, work: Work) -> Scale | None:
            work.spend(named.cost)
            text = named.evaluate(item, work)
            return scales.get(text) if isinstance(text, str) else None

        return by_row
    if isinstance(unit, UnitTimes):
        amount, base = compiled(unit.times), unit_scales()[unit.unit]

        def multiplied(item: Any, work: Work) -> Scale | None:
            work.spend(amount.cost)
            factor = number(amount.evaluate(item, work))
            return None if factor is None or factor < 0 else base._replace(factor=base.factor * factor)

        return multiplied
    scale = unit_scales()[unit or "usd_per_million_tokens"]
    return lambda _item, _work: scale


def number(value: Any) -> float | None:
    """The finite number in a JSON number or text (`$0.59 / 1M tokens`).

    None for anything else: booleans, digits other than 0 to 9, numbers beyond a double's range.
    """
    if isinstance(value, str):
        return _short_number(value) if len(value) <= _SHORT_NUMBER else _written_number(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def decimal_number(literal: str) -> float | None:
    """The number of a decimal literal; None if a double would hold it as infinity or, wrongly, as zero.

    Raises:
        ValueError: It is not a literal.
    """
    found = float(literal)
    if not math.isfinite(found) or (found == 0 and _IS_NOT_ZERO.match(literal)):
        return None
    return found


def _written_number(text: str) -> float | None:
    literal = text.strip().lstrip("$")
    # Python's own literals allow underscores, and digits of any script.
    if literal.isascii() and "_" not in literal:
        try:
            return decimal_number(literal)
        except ValueError:
            pass  # perhaps a price with its unit
    written = _PRICE_TEXT.fullmatch(text.strip()) if len(text) <= 80 else None
    return float(written[1].replace(",", "")) if written else None


# A listing repeats most prices many times.
_short_number: Final = functools.lru_cache(maxsize=8_192)(_written_number)
_SHORT_NUMBER: Final = 32


@functools.lru_cache(maxsize=4096)
def converted(value: float, factor: float) -> float:
    """The amount in its stored unit, rounded to ten digits, without a negative zero."""
    return float(f"{value * factor:.10g}") + 0.0


def _known(name: Any) -> None:
    if not isinstance(name, str) or name not in unit_scales():
        raise InvalidRuleError(
            f"unknown unit {name!r}; expected one of docs/rules.md, such as usd_per_token, usd_per_million_tokens, "
            "usd_per_image, usd_per_second, usd_per_request"
        )


MAX_TEXT: Final = 20_000
_SCALED = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*([km])", re.IGNORECASE | re.ASCII)
_INTEGER = re.compile(r"-?[0-9]+")
_MAX_LIMIT_DIGITS: Final = 19
_TOKENS = re.compile(r"\s*(?:tokens?|context)$", re.IGNORECASE)
_SCALES: Final = {"k": 1_000, "m": 1_000_000}
_NO_PRICE: Final = -1
_UNLIMITED: Final = (0, -1)
NO_LIMIT: Final = "no_limit"
"""Reason for leaving out a limit that is not an error."""
_SEPARATORS = re.compile(r"[,+/|;\s]+")


class BadValueError(ValueError):
    """A value does not fit its column; `reason` is the issue type in snake_case, `detail` the explanation."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def read_id(value: Any, id_type: str) -> str:
    """The model id as text, exactly as a caller passes it."""
    if value is None or value == "":
        raise BadValueError("missing_id", "the id is missing")
    if isinstance(value, str):
        if id_type == "integer" and not _INTEGER.fullmatch(value):
            raise BadValueError("id_form", "the id is text; the rule's sample has integers")
        if len(value) > MAX_ID_LENGTH:
            raise BadValueError("id_too_long", f"the id has {len(value)} characters; at most {MAX_ID_LENGTH} are kept")
        if not value.isprintable() or value != value.strip():
            raise BadValueError("unstorable_id", "the id is blank, padded, or holds characters that cannot be stored")
        return value
    if is_integer(value) and id_type == "integer":
        if abs(value) >= 2**63:
            raise BadValueError("id_form", "the id is an integer of more than 64 bits")
        return str(value)
    raise BadValueError("id_form", f"the id is a JSON {json_type(value)}; expected a {id_type}")


def read_text(value: Any) -> str | None:
    """A display text as one trimmed line; None if it is blank."""
    if not isinstance(value, str):
        raise BadValueError("not_a_text", f"the name is a JSON {json_type(value)}; expected a text")
    text = value.strip()
    check_storable(text)
    return one_line(text)[:MAX_TEXT] or None


def read_limit(value: Any, largest: int) -> int | None:
    """A limit in tokens; "128K" and "128K tokens" are 128,000. Zero and -1, for no limit, are `NO_LIMIT`."""
    if value is None:
        return None
    if type(value) is int:
        found = value
    elif isinstance(value, float) and value.is_integer():
        found = int(value)
    elif isinstance(value, str):
        if not value.strip():
            return None
        found = _written_limit(value)
    else:
        raise BadValueError("not_a_limit", f"the limit is a JSON {json_type(value)}; expected a whole number of tokens")
    if found in _UNLIMITED:
        raise BadValueError(NO_LIMIT, "0 and -1 state no limit")
    if found < 0:
        raise BadValueError("negative_limit", "the limit is negative")
    if found > largest:
        raise BadValueError("implausible_limit", f"the limit is above {largest} tokens")
    return found


def _written_limit(value: str) -> int:
    """The number of tokens in a text."""
    text = _TOKENS.sub("", value.strip()[:64].replace(",", ""))
    if len(text) <= _MAX_LIMIT_DIGITS and _INTEGER.fullmatch(text):
        return int(text)
    if scaled := _SCALED.fullmatch(text):
        tokens = float(scaled[1]) * _SCALES[scaled[2].lower()]
        if tokens == 0 or tokens >= 1:
            return round(tokens)
    raise BadValueError("not_a_limit", "the limit is a text that is not a whole number of tokens")


def read_price(value: Any, factor: float, largest: float) -> float | None:
    """An amount in its stored unit, at most `largest`. Zero is free; -1 means no fixed price."""
    if value is None or value == "":
        return None
    amount = number(value)
    if amount is None:
        raise BadValueError("not_a_price", f"the price is a JSON {json_type(value)} that is not a finite number")
    if amount < 0:
        if amount == _NO_PRICE:
            return None
        raise BadValueError("negative_price", "the price is negative")
    price = converted(amount, factor)
    if price == 0 and amount != 0:
        raise BadValueError("not_a_price", "the price is so small that it would be stored as zero, which means free")
    if not price <= largest:
        raise BadValueError(
            "implausible_price", f"the price is above {largest:g}, the most that is plausible for its unit"
        )
    return price


def modality_names() -> frozenset[str]:
    """The common names of modalities; a listing may name further ones."""
    return frozenset(_modalities().values())


def read_modalities(value: Any) -> list[str] | None:
    """Modalities by their common names, sorted; a text is split at separators, an object gives its true keys."""
    entries = value if isinstance(value, list) else _modality_texts(value)
    if entries and not any(isinstance(entry, str) for entry in entries):
        raise BadValueError("not_modalities", f"the modalities are JSON {json_type(entries[0])}s; expected texts")
    known = _modalities()
    found = {known.get(entry) or _modality(entry) for entry in entries if isinstance(entry, str)}
    found.discard("")
    return sorted(found) or None


def _modality_texts(value: Any) -> list[Any]:
    if isinstance(value, str):
        return _SEPARATORS.split(value.strip())
    if isinstance(value, Mapping):
        return [key for key, held in value.items() if held is True]
    raise BadValueError("not_modalities", f"the modalities are a JSON {json_type(value)}; expected a list of texts")


@functools.cache
def _modalities() -> Mapping[str, str]:
    """Known spellings, the common names included, with the common name of each."""
    synonyms: dict[str, str] = read_table("modalities.toml")["synonyms"]
    return {name: name for name in synonyms.values()} | synonyms


@functools.cache
def _enum_prefixes() -> tuple[str, ...]:
    """The longest first."""
    return tuple(sorted(read_table("modalities.toml")["enum_prefixes"], key=len, reverse=True))


def enum_word(text: str) -> str:
    """The word in an enum value, such as IMAGE in MODALITY_IMAGE; any other text unchanged."""
    if text.isupper():
        for prefix in _enum_prefixes():
            if text.startswith(prefix):
                return text[len(prefix) :]
    return text


def _modality(text: str) -> str:
    name = enum_word(text.strip()).lower()
    check_storable(name)
    return "" if has_controls(name) else _modalities().get(name, name)


def check_storable(text: str) -> None:
    """Refuse a text that PostgreSQL cannot hold: with a NUL character or a lone surrogate."""
    if text.isascii() and "\x00" not in text:
        return
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise BadValueError("unstorable_text", "a text holds half of a surrogate pair") from error
    if "\x00" in text:
        raise BadValueError("unstorable_text", "a text holds a NUL character")


def json_type(value: Any) -> str:
    """The name of the value's JSON type."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def is_integer(value: Any) -> bool:
    """Whether a value is a whole number; `true` is not."""
    return isinstance(value, int) and not isinstance(value, bool)


def described(document: Any) -> str:
    """Describes a document in a few words, for a message about an unexpected one."""
    kind = json_type(document)
    if isinstance(document, dict):
        return (
            f"an object with the keys {', '.join(shown(str(key)) for key in list(document)[:8])}" if document else "{}"
        )
    return f"a JSON {kind}: {shown(document)}"[:200] if kind != "array" else "a JSON array"
