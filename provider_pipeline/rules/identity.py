"""Identifies an offer's model (canonical id, lab, snapshot and variant) from its listing's statements and its name."""

import functools
import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final, Literal

from provider_pipeline.rules.ids import MAX_ID_LENGTH
from provider_pipeline.rules.model_names import ParsedName, read_name

STATED_FIELDS: Final = ("canonical_slug", "hugging_face_id", "base_model")
"""Keys of `metadata_json` that state an identity, the best first."""

_OVERRIDE: Final = "canonical_id"
_MAX_CONTEXT_RATIO: Final = 4
_READ_FROM: Final = (
    *("data/labs.toml", "data/ids.toml", "data/families.toml"),
    *("identity.py", "model_names.py", "name_words.py", "ids.py"),
)


@dataclass(frozen=True, slots=True)
class Canonical:
    """The model that an offer serves.

    Attributes:
        id: `lab/name`; the bare name if the lab is unknown.
        lab: Who made the model; None if unknown.
        family: The model's line, such as `gpt-4o-mini`; None if unknown.
        snapshot: The dated release, as YYYY-MM-DD or as the lab writes it; None if undated.
        variant: How the offer packs or sells the model (`fp8`, `free`), joined by `+`; None for the model as released.
        source: The origin of the identity.
        certainty: `stated` by a person or the listing, `known` to the shipped knowledge, else `unverified`.
    """

    id: str
    lab: str | None
    family: str | None
    snapshot: str | None
    variant: str | None
    source: Literal["override", "listing", "name"]
    certainty: Literal["stated", "known", "unverified"]


def canonical_of(
    model_id: str, identity: Mapping[str, Any] | None = None, row: Mapping[str, Any] | None = None
) -> Canonical | None:
    """The model behind an id; None for an id that says nothing, such as a UUID.

    Args:
        model_id: The id, as requests to the provider name it.
        identity: Statements of the listing or a person: keys of `STATED_FIELDS`, and `canonical_id` of an override.
        row: The model's columns: the display name of an id that says nothing; None if unknown.
    """
    if identity:
        values = (identity.get(key) for key in STATED_FIELDS)
        stated = _overridden(model_id, identity) or _stated(
            model_id, tuple(value if isinstance(value, str) else None for value in values)
        )
        if stated is not None:
            return stated
    named = _named(model_id)
    if named is None and row and isinstance(row.get("display_name"), str):
        shown = _named(row["display_name"])
        return shown if shown is not None and shown.certainty == "known" else None
    return named


@functools.lru_cache(maxsize=65_536)
def _named(model_id: str) -> Canonical | None:
    name = read_name(model_id)
    if name is None:
        return None
    return _canonical(name, name, "name", "known" if name.is_known else "unverified")


def _canonical(
    name: ParsedName,
    offer: ParsedName | None,
    source: Literal["override", "listing", "name"],
    certainty: Literal["stated", "known", "unverified"],
) -> Canonical:
    """The model of a name, with the date and the variant of the offer's own name."""
    snapshot = (offer.snapshot if offer else None) or name.snapshot
    variants = (offer or name).variants
    return Canonical(name.id, name.lab, name.family, snapshot, "+".join(variants) or None, source, certainty)


def _overridden(model_id: str, identity: Mapping[str, Any]) -> Canonical | None:
    stated = identity.get(_OVERRIDE)
    if not isinstance(stated, str) or not stated.strip():
        return None
    name, offer = read_name(stated), read_name(model_id)
    if name is not None and name.is_known:
        return _canonical(name, offer, "override", "stated")
    # A person may name a model unknown to the shipped knowledge: it is taken as written.
    written = stated.strip().lower()
    lab = written.rpartition("/")[0] or None
    variant = "+".join(offer.variants) if offer else ""
    snapshot, family = (offer.snapshot, offer.family) if offer else (None, None)
    return Canonical(written, lab, family, snapshot, variant or None, "override", "stated")


@functools.lru_cache(maxsize=65_536)
def _stated(model_id: str, values: tuple[str | None, ...]) -> Canonical | None:
    """The model that the listing states in `STATED_FIELDS`, if that helps and does not contradict the id."""
    offer = read_name(model_id)
    helpful = [
        name
        for key, value in zip(STATED_FIELDS, values, strict=True)
        if value is not None
        and 0 < len(value) <= MAX_ID_LENGTH
        and value != model_id
        and (name := read_name(value)) is not None
        and _agrees(key, name, offer)
    ]
    if not helpful:
        return None
    name = next((each for each in helpful if each.is_known), helpful[0])
    if not name.is_known and (name.lab or name.owner) is None:
        return None
    return _canonical(name, offer, "listing", "stated")


def _agrees(key: str, name: ParsedName, offer: ParsedName | None) -> bool:
    """Whether a stated name may be the offer's.

    A stated base model may be the base of a derivative, so it counts only if the id names no other model.
    """
    if offer is None or name.id == offer.id:
        return True
    if key == "base_model" and not offer.is_known and (offer.names_family or offer.sizes or offer.owner):
        return False
    if name.sizes and offer.sizes and name.sizes.isdisjoint(offer.sizes):
        return False
    if offer.is_known and name.is_known and name.lab == offer.lab:
        versions = {name.version, offer.version} - {None}
        return len(versions) < 2  # one has none, or both have the same
    return not offer.is_known


def contradicting(rows: Sequence[Mapping[str, Any]]) -> frozenset[int]:
    """Positions of offers of one canonical id that cannot be the same model as the others.

    Modalities that exclude each other, or context windows more than four times apart; all of the offers if there is no
    majority. An offer without either contradicts no other.
    """
    return frozenset(
        {
            *_outside_majority(rows, "input_modalities", _largest_shared),
            *_outside_majority(rows, "output_modalities", _largest_shared),
            *_outside_majority(rows, "context_length", _largest_close),
        }
    )


def _outside_majority(
    rows: Sequence[Mapping[str, Any]], column: str, largest: Callable[[Mapping[int, Any]], Collection[int]]
) -> set[int]:
    """Positions of the rows outside the majority value of a column; all of them without a majority."""
    values = {place: value for place, row in enumerate(rows) if (value := row.get(column))}
    stated = list(values.values())
    if stated.count(stated[0] if stated else None) == len(stated):
        return set()
    together = set(largest(values))
    return values.keys() - (together if len(together) * 2 > len(values) else set())


def _largest_shared(values: Mapping[int, Any]) -> Collection[int]:
    """The positions with the most frequent modality; of equally frequent ones, the first by name."""
    counted = Counter(modality for modalities in values.values() for modality in set(modalities))
    shared = min(counted, key=lambda modality: (-counted[modality], modality))
    return [place for place, modalities in values.items() if shared in modalities]


def _largest_close(values: Mapping[int, Any]) -> Collection[int]:
    """The most positions whose numbers are at most four times apart."""
    ordered = sorted(values, key=lambda place: values[place])
    best: Sequence[int] = ()
    start = 0
    for end, place in enumerate(ordered):
        while values[place] > values[ordered[start]] * _MAX_CONTEXT_RATIO:
            start += 1
        if end - start + 1 > len(best):
            best = ordered[start : end + 1]
    return best


@functools.cache
def identity_digest() -> str:
    """Digest of the code and data that decide identities; offers are assigned anew when it changes."""
    digest = hashlib.sha256()
    folder = resources.files("provider_pipeline.rules")
    for name in _READ_FROM:
        digest.update(folder.joinpath(*name.split("/")).read_bytes())
    return digest.hexdigest()
