"""Model ids: their normal form, the family of a name, and compact storage for long listings."""

import functools
import json
import re
import zlib
from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import re2

from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.patterns import RegexSet

MAX_ID_LENGTH: Final = 512
_MAX_IN_FULL: Final = 10_000
_MAX_SHARED: Final = 10_000
"""Limit of shared values: models of a long listing usually have few different limits and prices."""
_BUCKETS: Final = 4_096
_RUNS = re.compile(r"[\s_]+")
_POINT = re.compile(r"(?<=\d)p(?=\d)")
_ROUTED = re.compile(r"/(?=[^/]+$)|(?:^|(?<=[/.]))[a-z][a-z0-9_-]{0,30}\.(?=[a-z])")
"""The ends of prefixes: the last slash, and dots after words."""
_LOCAL = re.compile(r"(?:file:/+|[a-z]:/|~?/(?!/)|\.{1,2}/)")
"""The start of a file's path."""


@functools.cache
def _tables() -> dict[str, Any]:
    data = read_table("ids.toml")
    regions, vendors = "|".join(data["regions"]), "|".join(re.escape(vendor) for vendor in data["vendors"])
    return {
        # Python's `re` reads these several times as fast as RE2, and none makes it backtrack.
        "prefix": re.compile("|".join(f"(?:{prefix})" for prefix in data["prefixes"])),
        "dotted": re2.compile(rf"(?:(?:{regions})\.)?(?:{vendors})(?:\.|::|__|-?bedrock\.)"),
        "carrier": re2.compile("(?:" + "|".join(data["carriers"]) + f"|{vendors}" + "):"),
        "variant": re2.compile("(?:" + "|".join(data["variants"]) + ")"),
        "suffix": re2.compile(".*?((?:" + "|".join(data["suffixes"]) + ")+)"),
        "opaque": re.compile("(?:" + "|".join(data["opaque"]) + ")"),
    }


@functools.cache
def _steps() -> RegexSet:
    """The patterns of all steps of `normalise_id` in one set: most names match none, and need no step."""
    tables = _tables()
    starts = [f"(?:{tables[step].pattern})(?s:.*)" for step in ("dotted", "carrier")]
    return RegexSet([*starts, tables["opaque"].pattern, tables["suffix"].pattern])


@functools.lru_cache(maxsize=16_384)
def normalise_id(model_id: str) -> str:
    """The id as a bare model name: lower case, without vendor, packing, date and price suffixes.

    An opaque id (UUID, number, placeholder) gives the empty string, which no pattern matches.

    Example:
        >>> normalise_id("us.anthropic.claude-3-5-sonnet-20241022-v2:0")
        'claude-3-5-sonnet'
        >>> normalise_id("meta-llama/Llama-3.1-8B-Instruct:free")
        'llama-3.1-8b-instruct'
    """
    tables = _tables()
    name = _POINT.sub(".", _RUNS.sub("-", encodable(model_id[:MAX_ID_LENGTH]).strip().lower()))
    if "/" in name or "::" in name or "\\" in name:
        name = _without_path(name, tables)
    return _behind_prefix(_bare(name, tables))


def _behind_prefix(name: str) -> str:
    """The known name behind a router's prefix (`google/gemini-3`, `ll.gpt-4o`); else the whole name."""
    starts = [found.end() for found in _ROUTED.finditer(name)]
    if not starts or _is_named(name):
        return name
    # A slash may belong to the name, so the last part stands alone only if it is a known name.
    rests = [_bare(name[start:], _tables()) for start in starts if "/" not in name[start:]]
    named = next(filter(_is_named, rests), None)
    if named is None and rests and not _shipped().matches(name):
        named = next((rest for rest in rests if rest and _shipped().matches(rest)), None)
    return named or name


def _is_named(name: str) -> bool:
    return bool(name and _named()[0].matches(name))


def is_known_name(model_id: str) -> bool:
    """Whether a shipped family or kind of name covers a model id."""
    name = normalise_id(model_id)
    return bool(name and _shipped().matches(name))


@functools.cache
def _shipped() -> RegexSet:
    return RegexSet([pattern for family in families() for pattern in family.match])


def _bare(name: str, tables: Mapping[str, Any]) -> str:
    """The last part of an id, without the prefixes and suffixes around a model's name."""
    if not _steps().matches(name):
        return name.replace(":", "-")
    for step in ("dotted", "carrier"):
        found = tables[step].match(name)
        if found:
            name = name[found.end() :]
    if tables["opaque"].fullmatch(name):
        return ""
    suffix = tables["suffix"].fullmatch(name)
    if suffix and suffix.start(1) > 0:
        name = name[: suffix.start(1)]
    return name.replace(":", "-")


class _NotModels(NamedTuple):
    mark: re.Pattern[str]
    specimens: frozenset[str]
    keys: frozenset[str]
    objects: frozenset[str]


@functools.cache
def _not_models() -> _NotModels:
    table = read_table("ids.toml")["not_models"]
    mark = re.compile("|".join(map(re.escape, table["marks"])))
    return _NotModels(mark, *(frozenset(table[name]) for name in _NotModels._fields[1:]))


def is_no_model(model_id: str, *, is_key: bool = False) -> bool:
    """Whether the id is a routing pattern such as `openai/*`, or names the specimen that explains a listing.

    Args:
        model_id: The id.
        is_key: Whether it is a key in a map of models, where `default` names other things.
    """
    known = _not_models()
    if known.mark.search(model_id):
        return True
    name = model_id.rsplit("/", 1)[-1].lower()
    return name in known.specimens or (is_key and name in known.keys)


def is_other_object(item: Mapping[str, Any]) -> bool:
    """Whether an item declares itself to be something other than a model, such as an agent (`"object": "agent"`)."""
    kind = item.get("object")
    return isinstance(kind, str) and kind in _not_models().objects


def encodable(text: str) -> str:
    """The text with lone surrogates replaced, as RE2 reads UTF-8."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def is_opaque_name(name: str) -> bool:
    """Whether the last part of an id, in lower case, says nothing about the model."""
    return _tables()["opaque"].fullmatch(name) is not None


def bare_wrapper(name: str) -> str:
    """A lower-case id without its wrapping: a file's folders, `projects/.../models/`, an ARN."""
    name = name.replace("\\", "/")
    if _LOCAL.match(name):
        name = name.rstrip("/").rpartition("/")[2]
    prefix = _tables()["prefix"].match(name) if "/" in name else None
    return name[prefix.end() :] if prefix else name


def without_carrier(name: str) -> str:
    """A name in lower case without the server or account before its first colon (`srv_1a2b:gpt-4o`)."""
    found = _tables()["carrier"].match(name) if ":" in name else None
    return name[found.end() :] if found else name


def is_opaque(model_id: str) -> bool:
    """Whether the id says nothing about the model, like a UUID."""
    return not normalise_id(model_id)


def _without_path(name: str, tables: Mapping[str, Any]) -> str:
    name = bare_wrapper(name)
    if "::" in name:
        return _without_path(name.rsplit("::", 1)[1], tables)
    return _without_owner(name, tables["variant"]) if "/" in name else name


def _without_owner(name: str, variant: Any) -> str:
    parts = [part for part in name.split("/") if part not in ("", ".", "..", "~")]
    while len(parts) > 1 and variant.fullmatch(parts[-1]):
        parts.pop()
    if not parts:
        return name
    if parts[-1].endswith((".gguf", ".safetensors")):
        return parts[-1]
    return "/".join(parts[1:]) if len(parts) > 1 else parts[0]


@dataclass(frozen=True)
class PatternFamily:
    r"""Models with one kind of name, and their capabilities.

    Attributes:
        name: None for patterns across families, such as `.*embed.*`; `\1` stands for a pattern's first group.
        match: RE2 patterns on the normalised id.
        says: Whether the models have a capability; None keeps it unknown, regardless of later families. Capabilities
            not named are left to later families.
    """

    name: str | None
    match: tuple[str, ...]
    says: Mapping[str, bool | None]


@functools.cache
def families() -> tuple[PatternFamily, ...]:
    """All families, in order of precedence."""
    data = read_table("families.toml")
    kinds: Mapping[str, Mapping[str, list[str]]] = data["kind"]
    found = []
    for entry in data["family"]:
        says: dict[str, bool | None] = {}
        for source in (kinds.get(entry.get("kind", ""), {}), entry):
            says.update(dict.fromkeys(source.get("lacks", ()), False))
            says.update(dict.fromkeys(source.get("has", ()), True))
            says.update(dict.fromkeys(source.get("unsure", ()), None))
        found.append(PatternFamily(entry.get("name"), tuple(entry["match"]), says))
    return tuple(found)


@functools.cache
def capability_patterns() -> Mapping[str, Sequence[str]]:
    """All shipped knowledge of names as a rule's ordered patterns: the families, then the learnt patterns."""
    patterns = family_patterns()
    for entry in read_table("learnt.toml").get("pattern", ()):
        patterns.setdefault(entry["capability"], []).append(("" if entry["has"] else "!") + entry["match"])
    return patterns


def family_patterns() -> dict[str, list[str]]:
    """The families as a rule's ordered patterns, by capability."""
    prefixes = {True: "", False: "!", None: "?"}
    patterns: dict[str, list[str]] = {}
    for family in families():
        for capability, has in family.says.items():
            patterns.setdefault(capability, []).extend(prefixes[has] + pattern for pattern in family.match)
    return patterns


@functools.cache
def _named() -> tuple[RegexSet, tuple[tuple[str, str], ...]]:
    pairs = tuple((pattern, family.name) for family in families() if family.name for pattern in family.match)
    return RegexSet([pattern for pattern, _ in pairs]), pairs


@functools.lru_cache(maxsize=16_384)
def named_family(model_id: str) -> str | None:
    """The family in `families.toml` that a model id names; None if it names none, or one without a name."""
    name: Final = normalise_id(model_id)
    patterns, pairs = _named()
    found = patterns.matches(name) if name else []
    if not found:
        return None
    pattern, family = pairs[min(found)]
    return str(re2.fullmatch(pattern, name).expand(family)) if "\\" in family else family


Numbers = tuple[Any, ...]


class CompactIds:
    """A map from 64-bit hashes to small numbers, in about 13 bytes each; a `dict` takes several times that.

    Two of a million ids have the same hash with a probability of 3 in 100,000,000.
    """

    def __init__(self) -> None:
        self._buckets: defaultdict[int, tuple[array[int], array[int]]] = defaultdict(lambda: (array("q"), array("I")))

    def get(self, key: int) -> int | None:
        """The number of a hash; None if it is not in the map."""
        hashes, numbers = self._buckets[key % _BUCKETS]
        place = bisect_left(hashes, key)
        return numbers[place] if place < len(hashes) and hashes[place] == key else None

    def add(self, key: int, number: int = 0) -> None:
        """Add a hash that is not in the map yet."""
        hashes, numbers = self._buckets[key % _BUCKETS]
        place = bisect_left(hashes, key)
        hashes.insert(place, key)
        numbers.insert(place, number)


class SeenModels(Collection[str]):
    """The ids of the models seen so far, each with the model's numbers.

    The last ones are kept in full. The earlier ones of a long listing are kept as hashes, to look them up, and as
    compressed text, to iterate over them.
    """

    def __init__(self) -> None:
        self._last: dict[str, Numbers] = {}
        self._earlier = CompactIds()
        self._texts: list[bytes] = []
        self._numbers: list[Numbers] = []
        self._places: dict[Numbers, int] = {}
        self._count = 0

    def __contains__(self, model_id: object) -> bool:
        return model_id in self._last or (bool(self._texts) and self._earlier.get(hash(model_id)) is not None)

    def __iter__(self) -> Iterator[str]:
        for text in self._texts:
            yield from json.loads(zlib.decompress(text))
        yield from self._last

    def __len__(self) -> int:
        return self._count

    def add(self, model_id: str, numbers: Numbers) -> None:
        """Add a model that was not seen yet."""
        self._count += 1
        self._last[model_id] = numbers
        if len(self._last) > _MAX_IN_FULL:
            self._texts.append(zlib.compress(json.dumps([*self._last]).encode("ascii"), 1))
            for each, held in self._last.items():
                self._earlier.add(hash(each), self._place(held))
            self._last.clear()

    def numbers(self, model_id: str) -> Numbers:
        """The numbers of a model that was seen."""
        held = self._last.get(model_id)
        return self._numbers[self._earlier.get(hash(model_id)) or 0] if held is None else held

    def _place(self, numbers: Numbers) -> int:
        place = self._places.get(numbers)
        if place is None:
            place = len(self._numbers)
            self._numbers.append(numbers)
            if place < _MAX_SHARED:
                self._places[numbers] = place
        return place
