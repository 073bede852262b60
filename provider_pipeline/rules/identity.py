"""Which model an offer is: canonical id, lab, snapshot and variant, from what the listing states and the name."""

import functools
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import orjson
import re2

from provider_pipeline.rules.ids import MAX_ID_LENGTH, encodable, family_of, normalise_id
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.patterns import RegexSet

STATED_FIELDS: Final = ("canonical_slug", "hugging_face_id", "base_model")
"""Keys of `metadata_json` that state an identity, the best first."""
_CODE_VERSION: Final = 1
"""Part of `identity_digest`: raised when this module reads names in another way."""
_VERSION = re.compile(r"(?<![\d.])(\d)[-_p](\d)(?![\d.]*[bkm\d])")
"""A version written with another sign than a point; `3-70b` and `3-8b` are a version and a size."""
_DATE = re.compile(
    r"[-@:](?:(20\d\d)-?(0[1-9]|1[0-2])-?(0[1-9]|[12]\d|3[01])|(0[1-9]|1[0-2])-(20\d\d)"
    r"|(2[3-9](?:0[1-9]|1[0-2])|(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))|(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01]))(?=$|[-@:/])"
)
"""A release's date: 2024-08-06, 20240806, 08-2024, 2507 (year and month) or 0613 and 05-06 (month and day)."""
_SIZE = re.compile(r"(?<![a-z0-9.])(\d+(?:\.\d+)?)b(?![a-z0-9])")
_PARTS = re.compile(r"[/:.@_\s-]+")
_OWNERS = re.compile(r"[/.:]+")
_CONTEXT_FACTOR: Final = 4

Certainty = Literal["stated", "known", "unverified"]


@dataclass(frozen=True, slots=True)
class Canonical:
    """The model that an offer serves.

    Attributes:
        id: `lab/name`; the bare name if the lab is unknown.
        lab: Who made the model; None if unknown.
        family: The family that the shipped knowledge puts it in; None if unknown.
        snapshot: The dated release, as YYYY-MM-DD or as the id writes it; None if undated.
        variant: How the offer packs or sells the model (`fp8`, `free`), joined by `+`; None for the model as released.
        source: What the identity was read from.
        certainty: `stated` by a person or the listing, `known` to the shipped knowledge, else `unverified`.
    """

    id: str
    lab: str | None
    family: str | None
    snapshot: str | None
    variant: str | None
    source: Literal["override", "listing", "name"]
    certainty: Certainty


def canonical_of(
    model_id: str, identity: Mapping[str, Any] | None = None, row: Mapping[str, Any] | None = None
) -> Canonical | None:
    """The model behind an id; None for an id that says nothing, such as a UUID.

    A person's word counts first, then what the listing states, then the id. A stated name that gives another size than
    the id, or that is less known than the id, is an alias or a base model of something else and does not count.

    Args:
        model_id: The id, as requests to the provider name it.
        identity: What the listing or a person states: keys of `STATED_FIELDS`, and `canonical_id` of an override.
        row: The model's columns; its display name stands in for an opaque id.

    Example:
        >>> canonical_of("us.anthropic.claude-3-5-sonnet-20241022-v2:0").id
        'anthropic/claude-3.5-sonnet'
        >>> canonical_of("meta-llama/Llama-3.3-70B-Instruct-Turbo").variant
        'turbo'
    """
    stated = identity or {}
    named = _of_name(model_id)
    if isinstance(override := stated.get("canonical_id"), str):
        return _overridden(override, named)
    for field in STATED_FIELDS:
        text = stated.get(field)
        if not isinstance(text, str) or not 0 < len(text) <= MAX_ID_LENGTH or (found := _of_name(text)) is None:
            continue
        if named is None:
            return replace(found, source="listing", certainty="stated")
        if found.id == named.id:
            return replace(named, snapshot=named.snapshot or found.snapshot, source="listing", certainty="stated")
        if found.lab and not named.lab and _sizes_agree(found.id, named.id):
            snapshot = found.snapshot or named.snapshot
            return replace(found, snapshot=snapshot, variant=named.variant, source="listing", certainty="stated")
    name = (row or {}).get("display_name")
    if named is None and isinstance(name, str):
        found = _of_name(name)
        return found if found is not None and found.certainty == "known" else None
    return named


def _overridden(canonical_id: str, named: Canonical | None) -> Canonical:
    lab, slash, _ = canonical_id.partition("/")
    own = (named.snapshot, named.variant) if named else (None, None)
    return Canonical(canonical_id, lab if slash else None, family_of(canonical_id), *own, "override", "stated")


def _sizes_agree(one: str, other: str) -> bool:
    """Whether two names state no different numbers of parameters."""
    first, second = set(_SIZE.findall(one)), set(_SIZE.findall(other))
    return not first or not second or first == second


@functools.lru_cache(maxsize=65_536)
def _of_name(model_id: str) -> Canonical | None:
    name = normalise_id(model_id)
    if not name:
        return None
    raw = encodable(model_id[:MAX_ID_LENGTH]).strip().lower()
    snapshot = _snapshot(raw)
    *owner, name = name.split("/")
    name = _undated(name)
    name, lab, is_known = _respelt(name)
    name, sold = _without_offer_words(name, lab)
    if sold:
        name, lab, is_known = _respelt(name)
    labs = _labs()
    prefixes = [labs.spellings[part] for part in _OWNERS.split(raw)[:-1] if part in labs.spellings]
    # Gateways put their own or a lab's name before another's model: only a maker of derivatives outdoes the name.
    if prefixes and (lab is None or prefixes[-1] in labs.of_derivatives):
        lab = prefixes[-1]
    if lab is None and owner:
        name = "/".join((*owner, name))
    return Canonical(
        f"{lab}/{name}" if lab else name,
        lab,
        family_of(model_id),
        snapshot,
        "+".join(dict.fromkeys((*_variant_words(raw), *sold))) or None,
        "name",
        "known" if is_known else "unverified",
    )


def _snapshot(raw: str) -> str | None:
    found = list(_DATE.finditer(raw))
    if not found:
        return None
    year, month, day, late_month, late_year, short, *month_day = found[-1].groups()
    if year:
        return f"{year}-{month}-{day}"
    if late_year:
        return f"{late_year}-{late_month}"
    return short or "-".join(month_day)


def _undated(name: str) -> str:
    bare = _DATE.sub("", name)
    return bare or name


def _variant_words(raw: str) -> list[str]:
    known = _variants()
    return [part for part in _PARTS.split(raw)[1:] if part in known]


def _respelt(name: str) -> tuple[str, str | None, bool]:
    """The name in its lab's spelling, the lab, and whether the name told it."""
    name = _VERSION.sub(r"\1.\2", name)
    for respelt in _spellings():
        name = respelt(name)
    labs = _labs()
    found = labs.names.matches(name)
    return (name, labs.owners[min(found)], True) if found else (name, None, False)


def _without_offer_words(name: str, lab: str | None) -> tuple[str, tuple[str, ...]]:
    for labs, words, unless in _offer_words():
        head, hyphen, last = name.rpartition("-")
        if lab in labs and hyphen and last in words and not unless.fullmatch(name):
            return normalise_id(head), (last,)
    return name, ()


@dataclass(frozen=True)
class _Labs:
    names: RegexSet
    owners: tuple[str, ...]
    spellings: Mapping[str, str]
    of_derivatives: frozenset[str]


@functools.cache
def _labs() -> _Labs:
    labs = read_table("labs.toml")["lab"]
    pairs = [(pattern, lab) for lab, entry in labs.items() for pattern in entry["names"]]
    of_derivatives = frozenset(lab for lab, entry in labs.items() if entry.get("makes_derivatives"))
    # Derivatives carry the name of their base: their makers are asked first.
    pairs.sort(key=lambda pair: pair[1] not in of_derivatives)
    return _Labs(
        RegexSet([pattern for pattern, _ in pairs]),
        tuple(lab for _, lab in pairs),
        {spelling: lab for lab, entry in labs.items() for spelling in entry["spellings"]},
        of_derivatives,
    )


@functools.cache
def _spellings() -> tuple[Callable[[str], str], ...]:
    def respelling(pattern: Any, replacement: str) -> Callable[[str], str]:
        def respelt(name: str) -> str:
            found = pattern.fullmatch(name)
            return found.expand(replacement) if found else name

        return respelt

    return tuple(
        respelling(re2.compile(entry["match"]), entry["name"]) for entry in read_table("labs.toml")["spelling"]
    )


@functools.cache
def _offer_words() -> tuple[tuple[frozenset[str], frozenset[str], Any], ...]:
    entries = read_table("labs.toml")["offer"]
    return tuple(
        (frozenset(entry["labs"]), frozenset(entry["words"]), re2.compile(entry["unless"])) for entry in entries
    )


@functools.cache
def _variants() -> frozenset[str]:
    return frozenset(read_table("labs.toml")["variants"]["words"])


def contradicting(rows: Sequence[Mapping[str, Any]]) -> frozenset[int]:
    """Positions of offers of one canonical id that cannot be the same model as the others.

    Output modalities with nothing in common, or context windows more than four times apart. The offers that most agree
    with stay; without a majority, all that are in dispute are contradicting.
    """
    odd = set[int]()
    outputs = {
        position: frozenset(row["output_modalities"])
        for position, row in enumerate(rows)
        if row.get("output_modalities")
    }
    contexts = {position: row["context_length"] for position, row in enumerate(rows) if row.get("context_length")}
    odd |= _minority(outputs, lambda one, other: bool(one & other))
    odd |= _minority(contexts, lambda one, other: max(one, other) <= _CONTEXT_FACTOR * min(one, other))
    return frozenset(odd)


def _minority(values: Mapping[int, Any], agree: Callable[[Any, Any], bool]) -> set[int]:
    """Positions whose values at most half of all values agree with."""
    if all(agree(one, other) for one in set(values.values()) for other in set(values.values())):
        return set()
    return {
        position
        for position, value in values.items()
        if 2 * sum(agree(value, other) for other in values.values()) <= len(values)
    }


@functools.cache
def identity_digest() -> str:
    """Digest of the code and data that decide identities; offers are assigned anew when it changes."""
    tables = [read_table(name) for name in ("labs.toml", "ids.toml", "families.toml")]
    return hashlib.sha256(orjson.dumps([_CODE_VERSION, tables], option=orjson.OPT_SORT_KEYS)).hexdigest()
