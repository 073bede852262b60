"""Model families: what a bare model name says about the model.

Here: reading `data/families.toml`, which holds the families in order, the particular before the general, and
`data/learnt.toml`, which speaks after them. Not here: the matching of a rule's own patterns (`matching.py`), and how
patterns are learnt (`mining.py`, `shipped.py`).
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from provider_pipeline.rules.ids import normalise_id
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.patterns import PatternSet


@dataclass(frozen=True)
class Family:
    """Models of one name pattern, and what they can and cannot do.

    Args:
        name: The family's name; None for a pattern that cuts across families, such as `.*embed.*`.
        match: RE2 patterns on the normalised id.
        says: Capability to whether the models have it, None for what stays unknown whatever a later family says;
            capabilities not named are left to later families.
    """

    name: str | None
    match: tuple[str, ...]
    says: Mapping[str, bool | None]


@functools.cache
def families() -> tuple[Family, ...]:
    """All families, in the order in which they decide."""
    data = read_table("families.toml")
    kinds: Mapping[str, Mapping[str, list[str]]] = data["kind"]
    found = []
    for entry in data["family"]:
        says: dict[str, bool | None] = {}
        for source in (kinds.get(entry.get("kind", ""), {}), entry):
            says.update(dict.fromkeys(source.get("lacks", ()), False))
            says.update(dict.fromkeys(source.get("has", ()), True))
            says.update(dict.fromkeys(source.get("unsure", ()), None))
        found.append(Family(entry.get("name"), tuple(entry["match"]), says))
    return tuple(found)


def capability_patterns() -> dict[str, list[str]]:
    """What is known of names, as a rule's ordered patterns: the families, then what was learnt."""
    patterns = family_patterns()
    for entry in read_table("learnt.toml").get("pattern", ()):
        patterns.setdefault(entry["capability"], []).append(("" if entry["has"] else "!") + entry["match"])
    return patterns


def family_patterns() -> dict[str, list[str]]:
    """The families as a rule's ordered patterns: `!` before those that deny the capability, `?` before the unsure."""
    prefixes = {True: "", False: "!", None: "?"}
    patterns: dict[str, list[str]] = {}
    for family in families():
        for capability, has in family.says.items():
            patterns.setdefault(capability, []).extend(prefixes[has] + pattern for pattern in family.match)
    return patterns


@functools.cache
def _named() -> tuple[PatternSet, tuple[str, ...]]:
    pairs = [(pattern, family.name) for family in families() if family.name for pattern in family.match]
    return PatternSet([pattern for pattern, _ in pairs]), tuple(name for _, name in pairs)


@functools.lru_cache(maxsize=65_536)
def family_of(model_id: str) -> str | None:
    """The family of a model id; None where no family is known."""
    name: Final = normalise_id(model_id)
    patterns, names = _named()
    found = patterns.matches(name) if name else []
    return names[min(found)] if found else None
