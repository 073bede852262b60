"""The words of model names: labs and their families (`data/labs.toml`), and behind those versions, sizes and roles."""

import functools
import re
from collections.abc import Mapping, Sequence
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


class Rewrites:
    """Rewrites names of a family: patterns of a model's names, and its name."""

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        self._pairs = tuple((re.compile(pattern), name, "@" in pattern) for pattern, name in pairs)
        # Most names need none, which one match against all patterns shows.
        anyhow = "|".join(f"(?:{pattern})" if "@" in pattern else f"(?:{pattern})(?:@.*)?" for pattern, _ in pairs)
        self._any = re.compile(anyhow) if pairs else None

    def name_of(self, name: str, date: str | None) -> str:
        """The model's name; patterns with an "@" see the date behind the name."""
        if self._any is None or not self._any.fullmatch(f"{name}@{date}" if date else name):
            return name
        for pattern, written, sees_date in self._pairs:
            found = pattern.fullmatch(f"{name}@{date}" if sees_date and date else name)
            if found:
                name = found.expand(written)
        return name


@dataclass(frozen=True, eq=False)
class Family:
    """Models of one lab whose names start alike.

    Attributes:
        lab: The maker.
        name: Start of their names.
        is_open: Whether others make models from them, so that an unknown word makes another model.
        is_glued: Whether the version follows the name without a hyphen.
        keeps_v: Whether a "v" before the version is part of the name.
        is_integral: Whether versions may have two digits before a point.
        is_numbered: Whether a number behind the name is a release, like a date.
        is_undated: Whether names without a version are models, not moving aliases.
        has_tiers: Whether its lines continue across versions.
        words: The words that the lab uses in names.
        hosts_words: Words among these that hosts use as well: speed grades, and variants.
        rewrites: For names at hosts.
        rewrites_of_weights: The same, for names of weights, as on Hugging Face.
        rewrites_of_others: The same, for names behind an unknown owner.
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
    hosts_words: frozenset[str]
    rewrites: Rewrites
    rewrites_of_weights: Rewrites
    rewrites_of_others: Rewrites


@dataclass(frozen=True)
class Words:
    """Words around and in names.

    Attributes:
        labs: The lab of each spelling.
        hubs: Before a name of weights: an organisation on Hugging Face, or a host that uses its names.
        hosts: Labs that also serve models of others under their own name.
        gateways: Words before a name that do not identify its maker.
        ids: Starts of hosts' ids that say too little, and the names of their models.
        regions: A region, before a name.
        roles: Words that do not distinguish lines.
        nameless: Words that name no model by themselves.
        variants: Words that say how a model is packed or sold.
        silent: Words that say nothing.
        grades: Speed grades: a host's behind a size, else the lab's.
    """

    labs: Mapping[str, str]
    hubs: frozenset[str]
    hosts: frozenset[str]
    gateways: frozenset[str]
    ids: tuple[tuple[re.Pattern[str], str], ...]
    regions: re.Pattern[str]
    roles: frozenset[str]
    nameless: frozenset[str]
    variants: frozenset[str]
    silent: frozenset[str]
    grades: frozenset[str]


@functools.cache
def words() -> Words:
    """The words of `data/labs.toml`."""
    data = read_table(_TABLE)
    variants = data["variants"]
    hubs = [*(lab["hub"] for lab in data["lab"] if "hub" in lab), *data["gateways"]["hubs"]]
    return Words(
        labs={name: lab["id"] for lab in data["lab"] for name in lab["names"]},
        hubs=frozenset(hubs),
        hosts=frozenset(lab["id"] for lab in data["lab"] if lab.get("hosts")),
        gateways=frozenset(data["gateways"]["words"]),
        ids=tuple((re.compile(start), name) for start, name in data["hosts"]["ids"]),
        regions=re.compile(variants["regions"]),
        roles=frozenset(data["words"]["roles"]),
        nameless=frozenset(
            word
            for listed in (*data["words"].values(), *variants.values())
            if isinstance(listed, list)
            for word in listed
        ),
        variants=frozenset((*variants["packing"], *variants["selling"])),
        silent=frozenset(variants["silent"]),
        grades=frozenset(variants["grades"]),
    )


@functools.cache
def _starts() -> tuple[tuple[str, Family], ...]:
    """How names start, in order of precedence, as patterns with their families."""
    data = read_table(_TABLE)
    starts: list[tuple[str, Family]] = []
    for entry in data["family"]:
        family = _family(entry, data["words"])
        own = entry.get("only") or [re.escape(entry["name"]) + "(?![a-z])", *entry.get("match", ())]
        starts += [(start, family) for start in own]
    return tuple(starts)


@functools.lru_cache(maxsize=256)
def _starts_at(letter: str) -> tuple[re.Pattern[str], tuple[Family, ...]]:
    """A pattern of all starts of names that may begin with a letter, and the family of each of its groups.

    The groups are empty and stand behind the starts: `re` skips an alternative by its first letter, unless that is in a
    group.
    """
    own = [
        (start, family) for start, family in _starts() if start[0] == letter or (start[0] == "(" and letter in start)
    ]
    return re.compile("|".join(f"(?:{start})()" for start, _ in own)), tuple(family for _, family in own)


def _family(entry: Mapping[str, Any], common: Mapping[str, list[str]]) -> Family:
    own, rewrites = entry.get("words", []), entry.get("rewrites", [])
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
        hosts_words=(words().grades | words().variants) & {*own, *common["tiers"]},
        rewrites=Rewrites([*rewrites, *entry.get("implied", ())]),
        rewrites_of_weights=Rewrites([*rewrites, *entry.get("pretrained", ())]),
        rewrites_of_others=Rewrites(rewrites),
    )


def find_family(name: str) -> tuple[Family, str] | None:
    """The family of a name in lower case, and the rest of the name behind the family's; None if none is known."""
    pattern, families = _starts_at(name[:1])
    found = pattern.match(name)
    if found is None or found.lastindex is None:
        return None
    return families[found.lastindex - 1], name[found.end() :]


_SPLIT_VERSION: Final = re.compile(r"(?<![\d.])(\d{1,2})-(\d{1,2}v?)(?=-|$)")
_SPLIT_SIZE: Final = re.compile(r"(?<=-)0-(?=\db(?:-|$))")
_MAY_BE_SPLIT: Final = re.compile(r"\d-\d{1,2}[vb]?(?:-|$)")
_JOINED: Final = re.compile(r"([a-z]{3,})(\d(?:[.\d]*))$")
_SIZE: Final = re.compile(r"(?:\d+x)?\d+(?:\.\d+)?[bm]$")
_VERSION: Final = re.compile(r"[a-z]?\d+(?:\.\d+)*[a-z]?$")
_WITH_V: Final = re.compile(r"v\d")
_BESIDE_SIZE: Final = re.compile(r"a\d.*b|\d+[ek]")
_YEAR: Final = re.compile(r"2[3-9]$")
_UNPOINTED: Final = re.compile(r"([a-z]?)(\d)(\d)$")


def is_size(word: str) -> bool:
    """Whether a word is a size, such as `70b`."""
    return _SIZE.match(word) is not None


@functools.lru_cache(maxsize=4_096)
def _is_beside_line(word: str) -> bool:
    return word in words().roles or is_size(word) or _BESIDE_SIZE.fullmatch(word) is not None


@functools.lru_cache(maxsize=4_096)
def is_version(word: str) -> bool:
    """Whether a word is a version, such as `3.5` or `4o`."""
    return _VERSION.match(word) is not None


@functools.lru_cache(maxsize=4_096)
def judged(family: Family, written: str, is_first: bool) -> tuple[str, str, tuple[str, ...], bool]:
    """Classify a word behind a family's name: without its "v", its kind, its parts, and whether those are known."""
    known = words()
    has_v = is_first and not family.keeps_v and _WITH_V.match(written) is not None
    word = written[1:] if has_v else written
    joined = _JOINED.match(word)
    parts = joined.groups() if joined and explains(family, joined[1]) else (word,)
    if not word or (word in known.silent and word != "latest"):
        kind = "silent"
    elif word not in family.hosts_words and (word in known.variants or (word in known.grades and family.is_open)):
        kind = "variant"
    elif word in known.grades:
        kind = "grade"
    else:
        kind = "size" if is_size(word) else "name"
    return word, kind, parts, all(explains(family, part) for part in parts)


def explains(family: Family, word: str) -> bool:
    """Whether a family's names have such a word."""
    return family.words.fullmatch(word) is not None


def with_version_point(family: Family, kept: list[str]) -> list[str]:
    """The words with the point in a version that was written without it (`gpt-35-turbo`, `claude-opus-41`)."""
    if family.is_integral:
        return kept
    for place, word in enumerate(kept):
        if is_version(word):
            unpointed = _UNPOINTED.match(word)
            if unpointed is None or unpointed[2] == "0":
                break
            # Where names have dates rather than versions, two digits that can be a year are one (`mistral-large-26`).
            if family.is_undated and not family.is_glued and _YEAR.match(word):
                break
            kept[place] = f"{unpointed[1]}{unpointed[2]}.{unpointed[3]}"
            return with_points("-".join(kept)).split("-")
    return kept


def name_from(family: Family, kept: list[str]) -> str:
    """The lab's spelling of the name with these words behind the family's."""
    rest = "-".join(kept)
    if not rest:
        return family.name
    return family.name + ("" if family.is_glued and rest[0].isdigit() else "-") + rest


@functools.lru_cache(maxsize=4_096)
def line_of(family: Family, name: str, is_whole: bool) -> str:
    """The family of a name: without sizes, roles and dates, and without the version if tiers go on.

    A derivative has its base's family, of which only the generation is certain.
    """
    start, rest = family.name, name.removeprefix(family.name)
    kept, has_version = [], False
    if family.is_glued and rest[:1].isdigit() and not is_size(rest.partition("-")[0]):
        version, _, rest = rest.partition("-")
        start, has_version = start + version, True
    for word in rest.strip("-").split("-"):
        if not word or _is_beside_line(word):
            continue
        is_number = is_version(word)
        if not is_whole and (has_version or not is_number):
            break
        if is_number and (family.has_tiers or has_version):
            continue
        if not is_number and not explains(family, word):
            continue
        has_version = has_version or is_number
        kept.append(word)
    return "-".join([start, *kept])


def with_points(name: str) -> str:
    """The name with a point in versions and sizes that were written with a hyphen (`4-5`, `0-6b`)."""
    if _MAY_BE_SPLIT.search(name) is None:
        return name
    return _SPLIT_VERSION.sub(r"\1.\2", _SPLIT_SIZE.sub("0.", name))
