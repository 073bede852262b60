"""Labs and their families of models, and the words of their names, from `data/labs.toml`."""

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from provider_pipeline.rules.knowledge import read_table

_TABLE: Final = "labs.toml"
_NUMBERS: Final = (
    r"v?\d+(?:\.\d+)*",  # a version
    r"\d+(?:\.\d+)?[a-z]?",  # 4o, 4v
    r"(?:a|e)?\d+(?:\.\d+)?[bm]",  # a size, or its active part
    r"\d+x\d+(?:\.\d+)?b",
)


@dataclass(frozen=True)
class Rewrite:
    """A pattern of names of one model, and the name; `sees_date` if the pattern is of `name@date`."""

    pattern: re.Pattern[str]
    name: str
    sees_date: bool


@dataclass(frozen=True, eq=False)
class Family:
    """Models of one lab whose names start alike.

    Attributes:
        lab: Who makes them.
        name: How their names start.
        is_open: Whether others make models from them, so that an unknown word makes another model.
        is_glued: Whether the version follows the name without a hyphen.
        keeps_v: Whether a "v" before the version is part of the name.
        is_integral: Whether versions may have two digits before a point.
        is_numbered: Whether a number behind the name is a release, like a date.
        is_undated: Whether names without a version are models, and no moving aliases.
        has_tiers: Whether its lines go on from version to version.
        words: The words that the lab uses in names.
        grades: The speed grades among them.
        rewrites: What names stand for.
        pretrained: The same, for names of the lab's weights on Hugging Face.
        implied: The same, for all other names.
    """

    lab: str
    name: str
    is_open: bool
    is_glued: bool
    keeps_v: bool
    is_integral: bool
    is_numbered: bool
    is_undated: bool
    has_tiers: bool
    words: re.Pattern[str]
    grades: frozenset[str]
    rewrites: tuple[Rewrite, ...]
    pretrained: tuple[Rewrite, ...]
    implied: tuple[Rewrite, ...]


@dataclass(frozen=True)
class Words:
    """Words around and in names.

    Attributes:
        labs: The lab of each spelling.
        hubs: Labs' organisations on Hugging Face.
        hosts: Labs that also serve models of others under their own name.
        gateways: Words before a name that tell nothing about its maker.
        regions: A region, before a name.
        roles: Words that tell no lines apart.
        variants: Words that say how a model is packed or sold.
        silent: Words that say nothing.
        grades: Speed grades: a host's behind a size, else the lab's.
    """

    labs: Mapping[str, str]
    hubs: frozenset[str]
    hosts: frozenset[str]
    gateways: frozenset[str]
    regions: re.Pattern[str]
    roles: frozenset[str]
    variants: frozenset[str]
    silent: frozenset[str]
    grades: frozenset[str]


@functools.cache
def words() -> Words:
    """The words of `data/labs.toml`."""
    data = read_table(_TABLE)
    variants = data["variants"]
    return Words(
        labs={name: lab["id"] for lab in data["lab"] for name in lab["names"]},
        hubs=frozenset(lab["hub"] for lab in data["lab"] if "hub" in lab),
        hosts=frozenset(lab["id"] for lab in data["lab"] if lab.get("hosts")),
        gateways=frozenset(data["gateways"]["words"]),
        regions=re.compile(variants["regions"]),
        roles=frozenset(data["words"]["roles"]),
        variants=frozenset((*variants["packing"], *variants["selling"])),
        silent=frozenset(variants["silent"]),
        grades=frozenset(variants["grades"]),
    )


@functools.cache
def _families() -> tuple[re.Pattern[str], re.Pattern[str], tuple[Family, ...]]:
    """A pattern of all starts of names; the same with a group for each family; the families.

    Most texts start no name, and `re` rejects them several times as fast without groups.
    """
    data = read_table(_TABLE)
    starts = [
        "|".join(entry.get("only") or [re.escape(entry["name"]) + "(?![a-z])", *entry.get("match", ())])
        for entry in data["family"]
    ]
    families = tuple(_family(entry, data["words"]) for entry in data["family"])
    return re.compile("|".join(starts)), re.compile("|".join(f"({start})" for start in starts)), families


def _family(entry: Mapping[str, Any], common: Mapping[str, list[str]]) -> Family:
    own = entry.get("words", [])
    return Family(
        lab=entry["lab"],
        name=entry["name"],
        is_open=entry.get("open", False),
        is_glued=entry.get("glued", False),
        keeps_v=entry.get("keeps_v", False),
        is_integral=entry.get("integral", False),
        is_numbered=entry.get("numbered", False),
        is_undated=entry.get("undated", False),
        has_tiers=entry.get("line") == "tier",
        words=re.compile("|".join((*_NUMBERS, *map(re.escape, (*common["roles"], *common["tiers"])), *own))),
        grades=words().grades & {*own, *common["tiers"]},
        rewrites=_rewrites(entry.get("rewrites", ())),
        pretrained=_rewrites(entry.get("pretrained", ())),
        implied=_rewrites(entry.get("implied", ())),
    )


def _rewrites(pairs: Iterable[tuple[str, str]]) -> tuple[Rewrite, ...]:
    return tuple(Rewrite(re.compile(pattern), name, "@" in pattern) for pattern, name in pairs)


def find_family(name: str) -> tuple[Family, str] | None:
    """The family of a name in lower case, and the rest of the name behind the family's; None if none is known."""
    any_start, start, families = _families()
    if any_start.match(name) is None:
        return None
    found = start.match(name)
    if found is None or found.lastindex is None:
        return None
    return families[found.lastindex - 1], name[found.end() :]
