"""Reads the names of prices: component, prompt size, currency and scale.

The words are data (`data/prices.toml`).
"""

import functools
import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.language import Path, squashed, words_of
from provider_pipeline.rules.money import currency_code
from provider_pipeline.rules.prices import USD

_SIZE = re.compile(r"(\d+)([km]?)")
_SIZES: Final = {"": 1, "k": 1_000, "m": 1_000_000}
_SIZES_IN_SIGNS: Final = re.compile(
    r"(?P<from>0|\d+[km])\s*(?:-|\u2013|~|to)\s*(?P<upto>\d+[km]?)|(?P<least>\d+[km]?)\s*\+"
    r"|(?:>=?|\u2265)\s*(?P<over>\d+[km]?)|(?:<=?|\u2264)\s*(?P<under>\d+[km]?)",
    re.IGNORECASE,
)
_SMALLEST_SIZE: Final = 1_000
_TIER_WORDS: Final = ("above", "over", "exceeding", "beyond")
_BASE_WORDS: Final = ("below", "under", "upto")
_MAX_PHRASE_WORDS: Final = 2
_CURRENCY_LETTERS: Final = 3
_UNKNOWN: Final = "?"
_NEUTRAL: Final = "neutral"
_CONDITION: Final = "condition"
_OTHER_SIZE: Final = re.compile(r"[1-9]\d*[km]")
_SCALE_SIZES: Final = ("1k", "1m", "10k")
_MONEY: Final = {
    **dict.fromkeys(("pennies", "cents", "cent"), "cents"),
    **dict.fromkeys(("micro", "microusd", "microdollars"), "micro_usd"),
    **dict.fromkeys(("nano", "nanousd", "nanodollars"), "nano_usd"),
    **dict.fromkeys(("milli", "mills"), "milli_usd"),
}
_SCALES: Final = (
    ("ten_thousand", ("10ktok", "per10k")),
    ("hundred_thousand", ("100ktok", "per100k")),
    ("million", ("million", "millions", "1m", "per1m", "mtok", "mtokens", "1000000", "per m", "m tokens")),
    ("thousand", ("thousand", "1k", "per1k", "ktok", "ktokens", "1000", "per k", "k tokens")),
    ("billion", ("billion", "btok")),
    ("token", ("per token", "token 1")),
)
_COUNT: Final = re.compile(r"([1-9]\d*)([km]?)")
_SCALE_OF_COUNT: Final = {10_000: "ten_thousand", 100_000: "hundred_thousand"}
_UNKNOWN_SCALE: Final = "other"
_NAMED_SCALES: Final = (1, 1_000, 1_000_000)
"""The numbers among `_SCALES`."""
_TOKEN_WORDS: Final = frozenset(("token", "tokens", "mtok", "ktok"))
_COUNTED: Final = ("image", "time", "character", "request", "page")


class PriceName(NamedTuple):
    """The meaning of a price's path.

    Attributes:
        meaning: The concepts, without those of scale and money.
        components: Possible components, the likeliest first.
        own: Position in the path where the price's own name begins; the part before is common to the model's prices.
        above: The prompt size, in tokens, above which it applies.
        currency: The ISO 4217 code in the name.
        unknown: Number of unknown words in the own name.
        around: Number of unknown words before it.
        words: The words of the own name.
    """

    meaning: frozenset[str]
    components: tuple[str, ...]
    own: int
    above: int | None
    currency: str | None
    unknown: int
    around: int
    words: tuple[str, ...]

    @property
    def money(self) -> str | None:
        """The amounts' unit of money, such as `cents`, if the name states it."""
        return money_of(self.words)


@functools.cache
def _concepts() -> Mapping[str, str]:
    table: Mapping[str, Sequence[str]] = read_table("prices.toml")["concept"]
    return {phrase: name for name, phrases in table.items() for phrase in phrases}


@functools.cache
def _components() -> Mapping[frozenset[str], tuple[str, ...]]:
    """Components by meaning; those that list the meaning earlier come first."""
    found: dict[frozenset[str], list[tuple[int, str]]] = {}
    for component, entry in read_table("prices.toml")["component"].items():
        for place, meaning in enumerate(entry["means"]):
            found.setdefault(frozenset(meaning.split()), []).append((place, component))
    return {meaning: tuple(name for _, name in sorted(each, key=lambda one: one[0])) for meaning, each in found.items()}


def components_of(meaning: frozenset[str]) -> tuple[str, ...]:
    """The components that concepts can mean, the likeliest first."""
    return _components().get(meaning, ())


def means_of(component: str) -> list[frozenset[str]]:
    """The meanings of a component, the best first."""
    return [frozenset(text.split()) for text in read_table("prices.toml")["component"][component]["means"]]


@functools.lru_cache(maxsize=4096)
def price_name(path: Path) -> PriceName:
    """Interpret the path of a price."""
    meaning: set[str] = set()
    above: int | None = None
    currency: str | None = None
    own, unknown, around, words = len(path) - 1, 0, 0, list[str]()
    for place, key in enumerate(path):
        rest, size = _without_size(words_of(_spelt(key)))
        above = size or above
        found = _found(rest)
        telling = [concept for concept in found if concept not in (_NEUTRAL, _UNKNOWN)]
        if (telling or size is not None) and own == len(path) - 1:
            own = place
        named = _currency_in(rest) if place >= own or len(rest) == 1 or _has_money(rest) else None
        currency = named or currency
        if place >= own:
            unknown += found.count(_UNKNOWN) - (named not in (None, "USD"))
            words += rest
        else:
            around += found.count(_UNKNOWN)
        meaning.update(telling)
    return PriceName(
        frozenset(meaning),
        components_of(frozenset(meaning)),
        own,
        above,
        currency,
        unknown,
        around,
        tuple(words),
    )


def _currency_in(words: Sequence[str]) -> str | None:
    codes = (currency_code(word) for word in words if len(word) == _CURRENCY_LETTERS or not word.isascii())
    return next((code for code in codes if code), None)


@functools.cache
def _currency_sign() -> re.Pattern[str]:
    table = read_table("prices.toml")
    signs = [*(text for text in table["currency"] if not text.isascii()), *table["currency_signs"]["of_several"]]
    return re.compile("|".join(map(re.escape, signs)))


def currency_in_unit(text: str) -> str:
    """The currency in a unit's text, USD by default; a sign shared by several currencies is returned unchanged."""
    if sign := _currency_sign().search(text):
        return currency_code(sign[0]) or sign[0]
    return _currency_in(words_of(text)) or USD


def _has_money(words: Sequence[str]) -> bool:
    return not set(read_table("fields.toml")["price"]["money"]).isdisjoint(words)


def is_about_money(path: Path) -> bool:
    """Whether a path contains a word for money."""
    return any(_has_money(words_of(key)) for key in path)


def _spelt(key: str) -> str:
    """A key with prompt sizes in words: `128k+` is `above_128k`, and `0-128k` is `below_128k`."""
    written = _SIZES_IN_SIGNS.fullmatch(key.strip())
    if written is None:
        return key
    low, high = written["from"] or written["over"] or written["least"], written["upto"] or written["under"]
    return f"above_{low}" if low and low != "0" else f"below_{high}"


def _without_size(words: tuple[str, ...]) -> tuple[list[str], int | None]:
    """The words without a prompt size (`above_200k_tokens`), and the size; 0 for prices below it."""
    for place, word in enumerate(words[:-1]):
        size = _SIZE.fullmatch(words[place + 1]) if word in (*_TIER_WORDS, *_BASE_WORDS) else None
        if size is not None and (tokens := int(size[1]) * _SIZES[size[2]]) >= _SMALLEST_SIZE:
            rest = [*words[:place], *words[place + 2 :]]
            if place < len(rest) and rest[place] == "tokens":
                del rest[place]
            return rest, tokens if word in _TIER_WORDS else 0
    return [*words], None


def _found(words: Sequence[str]) -> list[str]:
    """The concepts of a key's words; `?` for an unknown word."""
    concepts, found, place = _concepts(), list[str](), 0
    while place < len(words):
        for size in range(_MAX_PHRASE_WORDS, 0, -1):
            phrase = " ".join(words[place : place + size])
            if len(words) >= place + size and phrase in concepts:
                found.append(concepts[phrase])
                place += size
                break
        else:
            found.append(_UNKNOWN)
            place += 1
    return found


def meaning_with(name: PriceName, unit: str, counted: str) -> frozenset[str] | None:
    """Meaning of a name with its unit, which counts images, seconds ...; None if the name has an unknown word.

    Units' own texts (`data/units.toml`) may use words that mean nothing elsewhere, such as `generation`.
    """
    found = {*_found(words_of(unit))} - {_NEUTRAL}
    if _UNKNOWN in found or _UNKNOWN in _found(name.words):
        is_text = any(squashed(unit) in entry["text"] for entry in read_table("units.toml")["unit"].values())
        if not is_text or name.unknown:
            return None
    return (name.meaning | found | {counted}) - {_UNKNOWN}


def is_unit(text: str) -> bool:
    """Whether a text names a unit, of tokens or of anything else countable."""
    words = ("per", *words_of(unit_text(text)))
    return is_per_token(words) or counted_of(words) is not None


def money_of(words: Sequence[str]) -> str | None:
    """The unit of money named by words, such as `cents`."""
    return next((_MONEY[word] for word in words if word in _MONEY), None)


def without_sizes(words: Sequence[str]) -> tuple[str, ...] | None:
    """A name's words without sizes; None if it has none, or only sizes that may be scales."""
    sizes = {word for word in words if _OTHER_SIZE.fullmatch(word)}
    return tuple(word for word in words if word not in sizes) if sizes - {*_SCALE_SIZES} else None


def scale_of(words: Sequence[str], *, is_unit: bool = False) -> str | None:
    """The number of tokens that a price is for, by its words; `other` if no unit has that number.

    Args:
        words: The words of a name or a text.
        is_unit: The words are a unit's, in which any number is a number of tokens.
    """
    held = set(words)
    found = next((name for name, rows in _SCALES if any(held.issuperset(row.split()) for row in rows)), None)
    for place, word in enumerate(words):
        written = _COUNT.fullmatch(word)
        if written is None or not (is_unit or "per" in words[max(place - 1, 0) : place]):
            continue
        count = int(written[1]) * _SIZES[written[2]]
        if count not in _NAMED_SCALES:
            return _SCALE_OF_COUNT.get(count, _UNKNOWN_SCALE)
    return found


def counted_of(words: Sequence[str]) -> str | None:
    """The thing counted instead of tokens, if words name it: `per_image`, `price_per_audio_second`."""
    if "per" in words:
        words = words[words.index("per") + 1 :]
    elif "1" not in words and "each" not in words:
        return None
    concepts = _concepts()
    found = (concepts.get(word) for word in words)
    return None if is_per_token(words) else next((concept for concept in found if concept in _COUNTED), None)


def time_of(words: Sequence[str]) -> str:
    """The duration that a price is for."""
    found = [word.removesuffix("s").removesuffix("ly") for word in words]
    return next((name for name in ("minute", "hour") if name in found), "second")


def is_per_token(words: Sequence[str]) -> bool:
    """Whether words state a price per token."""
    return not _TOKEN_WORDS.isdisjoint(words)


def counts_no_tokens(text: str) -> bool:
    """Whether a unit's text counts images, seconds, requests ..., not tokens."""
    plain = squashed(unit_text(text))
    return any(word in plain for word in read_table("fields.toml")["price"]["not_tokens"])


def is_other_unit(text: str) -> bool:
    """Whether a unit's text means anything but money for a known number of tokens."""
    words = words_of(unit_text(text))
    is_known = scale_of(words, is_unit=True) != _UNKNOWN_SCALE and _CONDITION not in _found(words)
    return counts_no_tokens(text) or not is_known


@functools.lru_cache(maxsize=1024)
def unit_text(text: str) -> str:
    """A unit's text with words in other scripts translated to English: `千tokens` is ` thousand tokens`."""
    for word, english in read_table("units.toml")["written"].items():
        text = text.replace(word, f" {english} ")
    return text
