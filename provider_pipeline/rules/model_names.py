"""Reads the name of a model in an id: who made it, what it is called, and what the host or the date adds to that."""

import functools
import re
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from provider_pipeline.rules.ids import (
    MAX_ID_LENGTH,
    bare_wrapper,
    encodable,
    is_opaque_name,
    named_family,
    without_carrier,
)
from provider_pipeline.rules.labs import Family, find_family, words

_RUNS: Final = re.compile(r"[\s_]+")
_POINT: Final = re.compile(r"p(?<=\dp)(?=\d)")
_DOTTED: Final = re.compile(r"([a-z][a-z0-9-]*)\.(?=[a-z])")
_REVISION: Final = re.compile(r"(?:-v?(\d+):(\d+)(?::\w+)?|:\d+k)$")
"""Bedrock's revision behind a name, `-v1:0`; in `claude-v2:1` it is the version. Or the context, `:200k`."""
_QUANTISED: Final = re.compile(r"[-.](?:ud-)?(?:i1-)?(i?q\d(?:-?(?:[0-9k]|xxs|xs|nl|[sml]){1,2}){0,2})(?=-|$)")
_DAY: Final = r"(?:0[1-9]|[12]\d|3[01])"
_MONTH: Final = r"(?:0[1-9]|1[0-2])"
_FULL_DATES: Final = (rf"20[12]\d-{_MONTH}-{_DAY}", rf"20[12]\d{_MONTH}{_DAY}")
_DATES: Final = (
    *_FULL_DATES,
    rf"{_MONTH}-20[12]\d",  # 08-2024
    rf"20[12]\d-{_MONTH}",
    rf"{_MONTH}-{_DAY}",  # 03-25
    rf"2[2-9]{_MONTH}{_DAY}",  # 250615
    rf"{_MONTH}{_DAY}",  # 0613
    rf"2[2-9]{_MONTH}",  # 2507
)
_NUMBERED: Final = re.compile(r"-(00\d)(?=-|$)")
_DATED: Final = re.compile(rf"[-@]({'|'.join(_DATES)})(?=[-@:]|$)")
_MAY_BE_DATED: Final = re.compile(r"\d\d-?\d\d")
_FULLY_DATED: Final = re.compile(rf"[-@]({'|'.join(_FULL_DATES)})(?=[-@:]|$)")
_COMPACT: Final = re.compile(r"(20\d\d)-?(\d\d)-?(\d\d)")
_SIZED: Final = re.compile(r"-\d+(?:\.\d+)?b(?:-|$)")
_SPLIT_VERSION: Final = re.compile(r"(?<![\d.])(\d{1,2})-(\d{1,2}v?)(?=-|$)")
_SPLIT_SIZE: Final = re.compile(r"(?<=-)0-(?=\db(?:-|$))")
_JOINED: Final = re.compile(r"([a-z]{3,})(\d(?:[.\d]*))$")
_SIZE: Final = re.compile(r"(?:\d+x)?\d+(?:\.\d+)?[bm]$")
_VERSION: Final = re.compile(r"[a-z]?\d+(?:\.\d+)*[a-z]?$")
_WITH_V: Final = re.compile(r"v\d")
_UNPOINTED: Final = re.compile(r"([a-z]?)(\d)(\d)$")


class ModelName(NamedTuple):
    """What an id says about the model.

    Attributes:
        lab: Who made it; None if unknown.
        name: The model's name as its lab writes it, without lab, date and variant.
        owner: For a model of an unknown lab, what stands before its name; models of other owners are other models.
        family: The line it belongs to; None if unknown.
        snapshot: The dated release.
        variants: How it is packed or sold.
        is_known: Whether the shipped knowledge explains the whole name.
        names_family: Whether a known family starts the name, or is the base that a derivative names.
    """

    lab: str | None
    name: str
    owner: str | None
    family: str | None
    snapshot: str | None
    variants: tuple[str, ...]
    is_known: bool
    names_family: bool

    @property
    def id(self) -> str:
        """`lab/name`; for an unknown lab the name, behind its owner if it has one."""
        before = self.lab or self.owner
        return f"{before}/{self.name}" if before else self.name

    @property
    def sizes(self) -> frozenset[str]:
        """The sizes in the name, such as `70b`."""
        return frozenset(each for each in self.name.split("-") if _SIZE.match(each))

    @property
    def version(self) -> str | None:
        """The first version in the name, such as `3.5`."""
        numbers = (re.sub(r"^[a-z]+", "", each) for each in self.name.split("-") if not _SIZE.match(each))
        return next((each for each in numbers if _VERSION.match(each)), None)


@dataclass
class _Reading:
    """A name while it is read."""

    text: str
    owner: str | None = None
    lab: str | None = None
    is_of_weights: bool = False
    snapshot: str | None = None
    variants: list[str] = field(default_factory=list)


@functools.lru_cache(maxsize=65_536)
def read_name(model_id: str) -> ModelName | None:
    """Read an id; None for one that says nothing, such as a UUID."""
    text = _POINT.sub(".", _RUNS.sub("-", encodable(model_id[:MAX_ID_LENGTH]).strip().lower()))
    if text.startswith(("ft:", "ft-")) or ":ft-" in text or ":ft:" in text:
        return ModelName(None, text, None, None, None, (), is_known=False, names_family=False)
    reading = _Reading(text)
    _take_prefixes(reading)
    _take_path(reading)
    _take_prefixes(reading)
    if not reading.text or is_opaque_name(reading.text):
        return None
    _take_suffixes(reading)
    found = _family_behind_prefix(reading)
    name = _known(reading, *found) if found else _unknown(reading)
    return name if name.name else None


def family_of(model_id: str) -> str | None:
    """The family of a model id; None if unknown."""
    name = read_name(model_id)
    return None if name is None else name.family


def _take_path(reading: _Reading) -> None:
    """Keep the last part of a path that names a model; note who owns it and how it is served."""
    text = bare_wrapper(reading.text)
    if "::" in text:
        text = text.rsplit("::", 1)[1]
    parts = [part for part in text.split("/") if part not in ("", ".", "..", "~", "@cf", "@hf")]
    while len(parts) > 1 and _is_variant(parts[-1]) and not _is_gateway(parts[-2]):
        reading.variants.append(parts.pop())
    if not parts:
        return
    start = next((place for place in range(len(parts) - 1, 0, -1) if find_family(parts[place])), None)
    if start is None:
        # `fal-ai/flux/dev`: the name itself has parts, behind the words of those who serve it.
        start = 0
        while start < len(parts) - 1 and (_is_gateway(parts[start]) or words().regions.fullmatch(parts[start])):
            start += 1
        if start == len(parts) - 2 and not find_family(parts[start]):
            start += 1
        elif start == 0 and len(parts) > 1 and not find_family(parts[0]):
            start = 1
    for written in parts[:start]:
        part = written.rpartition(":")[2].lstrip("~")
        if words().regions.fullmatch(part) or part in words().variants:
            reading.variants.append(part)
        elif lab := words().labs.get(part):
            reading.lab, reading.is_of_weights = lab, part in words().hubs
        elif not _is_gateway(part):
            reading.owner = part
    if reading.lab:
        reading.owner = None
    reading.text = "-".join(parts[start:])


def _is_variant(part: str) -> bool:
    return part in words().variants or part in words().silent


def _is_gateway(part: str) -> bool:
    return part in words().gateways


def _take_prefixes(reading: _Reading) -> None:
    """Take what stands before a name and a dot, a colon or two underscores (`us.anthropic.claude-...`, `hf:...`)."""
    while True:
        reading.text = without_carrier(reading.text)
        before, colon, behind = reading.text.partition(":")
        if colon and behind and (before in words().gateways or before in words().labs):
            reading.lab = words().labs.get(before, reading.lab)
            reading.text = behind
            continue
        found = _DOTTED.match(reading.text)
        if found is None:
            return
        word = found[1]
        if words().regions.fullmatch(word):
            reading.variants.append(word)
        elif word in words().labs:
            reading.lab, reading.owner = words().labs[word], None
        elif word not in words().gateways:
            return
        reading.text = reading.text[found.end() :]


def _take_suffixes(reading: _Reading) -> None:
    """Take what stands behind a colon, and how the weights are packed."""
    text = reading.text
    revision = _REVISION.search(text)
    if revision:
        version = f"-{revision[1]}.{revision[2]}" if revision[2] not in (None, "0") else ""
        text = text[: revision.start()] + version
    name, *tags = text.split(":")
    for tag in tags:
        if tag in words().variants or tag in ("thinking", "beta"):
            reading.variants.append(tag)
        elif tag.isdigit():  # how long it may think
            continue
        elif tag and tag not in words().silent:
            name += f"-{tag}"
    for ending in (".gguf", ".safetensors", ".ggml", "-gguf"):
        if name.endswith(ending):
            name = name.removesuffix(ending)
            reading.variants.append(ending[1:])
    quantised = _QUANTISED.search(name)
    if quantised:
        name = name[: quantised.start()] + name[quantised.end() :]
        reading.variants.append(quantised[1])
    reading.text = name


def _family_behind_prefix(reading: _Reading) -> tuple[Family, str] | None:
    """The family, behind words of labs and gateways that stand before a known name (`databricks-claude-...`)."""
    found = find_family(reading.text)
    place = 0 if found else reading.text.find("-")
    while place > 0:
        word, rest = reading.text[:place], reading.text[place:].lstrip("-")
        if word in words().labs or _is_gateway(word) or words().regions.fullmatch(word):
            inner = _Reading(rest, lab=words().labs.get(word, reading.lab))
            found = _family_behind_prefix(inner)
            if found is not None:
                reading.lab, reading.text = inner.lab, inner.text
                return found
        place = reading.text.find("-", place + 1)
    return found


def _unknown(reading: _Reading) -> ModelName:
    """A name of no known family: only a full date and packing words are taken from it."""
    name = reading.text
    dated = _FULLY_DATED.search(name)
    if dated and dated.start() > 0:
        reading.snapshot = _date(dated[1])
        name = name[: dated.start()] + name[dated.end() :]
    kept = []
    for place, word in enumerate(name.split("-")):
        if place and word in words().variants:
            reading.variants.append(word)
        elif not (place and word in words().silent):
            kept.append(word)
    name = _with_points("-".join(kept)) or name
    base = _base_of(name)
    family = base or named_family(reading.text)
    return _named(reading, lab=reading.lab, name=name, family=family, is_known=False, names_family=base is not None)


def _base_of(name: str) -> str | None:
    """The family of the open model that a derivative names behind its own name (`acme-llama-3.1-8b`)."""
    place = name.find("-")
    while place > 0:
        found = find_family(name[place + 1 :])
        if found is not None and found[0].is_open:
            family, rest = found
            kept = _pointed(family, _with_points(rest.strip("-.")).split("-"))
            return _line(family, _joined(family, kept), is_whole=False)
        place = name.find("-", place + 1)
    return None


def _known(reading: _Reading, family: Family, rest: str) -> ModelName:
    """A name of a known family."""
    rest = _without_date(reading, rest.lstrip("-."))
    numbered = _NUMBERED.search(rest) if family.is_numbered else None
    if numbered:
        reading.snapshot = reading.snapshot or numbered[1]
        rest = rest[: numbered.start()] + rest[numbered.end() :]
    kept, is_explained = _sorted_words(reading, family, rest)
    name = _joined(family, kept)
    for rewrite in (*family.rewrites, *(family.pretrained if reading.is_of_weights else family.implied)):
        text = f"{name}@{reading.snapshot}" if rewrite.sees_date and reading.snapshot else name
        found = rewrite.pattern.fullmatch(text)
        if found:
            name = found.expand(rewrite.name)
    # Nobody else makes models of a closed family, so another lab before its name only serves it; but some call models
    # of their own after one.
    is_whole = is_explained or not family.is_open
    is_other = family.is_open and reading.lab not in (None, family.lab, *(words().hosts if is_whole else ()))
    is_foreign = reading.owner is not None and (
        family.is_open or (not is_explained and _SIZED.search(name) is not None)
    )
    is_derived = not is_whole and reading.lab != family.lab
    line = _line(family, name, is_whole)
    if is_other or is_foreign or is_derived:
        lab = reading.lab if reading.lab != family.lab else None
        return _named(reading, lab=lab, name=name, family=line, is_known=False, names_family=True)
    reading.owner = None
    return _named(reading, lab=family.lab, name=name, family=line, is_known=True, names_family=True)


def _named(
    reading: _Reading, *, lab: str | None, name: str, family: str | None, is_known: bool, names_family: bool
) -> ModelName:
    variants = tuple(dict.fromkeys(reading.variants))
    return ModelName(lab, name, reading.owner, family, reading.snapshot, variants, is_known, names_family)


@functools.lru_cache(maxsize=16_384)
def _with_points(name: str) -> str:
    """The name with a point in versions and sizes that were written with a hyphen (`4-5`, `0-6b`)."""
    return _SPLIT_SIZE.sub("0.", _SPLIT_VERSION.sub(r"\1.\2", name))


def _date(text: str) -> str:
    whole = _COMPACT.fullmatch(text)
    return "-".join(whole.groups()) if whole else text


def _without_date(reading: _Reading, rest: str) -> str:
    text = f"-{rest}"
    if _MAY_BE_DATED.search(rest) is None:
        return text.replace("@", "-").strip("-")
    # A full date first: of `minimax-01-2025-02-19`, `01-2025` is none.
    for pattern in (_FULLY_DATED, _DATED):
        dated = pattern.search(text)
        if dated is not None:
            reading.snapshot = reading.snapshot or _date(dated[1])
            text = text[: dated.start()] + text[dated.end() :]
    return text.replace("@", "-").strip("-")


def _sorted_words(reading: _Reading, family: Family, rest: str) -> tuple[list[str], bool]:
    """The words that belong to the name, and whether all of them are known; variants are noted."""
    kept: list[str] = []
    is_sized = False
    for written in _with_points(rest).split("-"):
        has_v = _WITH_V.match(written) is not None and not kept and not family.keeps_v
        word = written[1:] if has_v else written
        if not word or (word in words().silent and word != "latest"):
            continue
        is_grade = word in words().grades and (is_sized or (word not in family.grades and family.is_open))
        if word in words().variants or is_grade:
            reading.variants.append(word)
            continue
        kept += _parts(family, word)
        is_sized = is_sized or _SIZE.match(word) is not None
    if "latest" in kept and (family.is_undated or any(_VERSION.match(each) for each in kept)):
        kept.remove("latest")
    kept = _pointed(family, kept)
    return kept, all(_explains(family, word) for word in kept)


@functools.lru_cache(maxsize=16_384)
def _parts(family: Family, word: str) -> tuple[str, ...]:
    """The word and the number that is written behind it, if the family has such a word (`qwen-max2`)."""
    joined = _JOINED.match(word)
    return joined.groups() if joined and _explains(family, joined[1]) else (word,)


@functools.lru_cache(maxsize=16_384)
def _explains(family: Family, word: str) -> bool:
    return family.words.fullmatch(word) is not None


def _pointed(family: Family, kept: list[str]) -> list[str]:
    """The words with the point in a version that was written without it (`gpt-35-turbo`, `claude-opus-41`)."""
    place = next((place for place, word in enumerate(kept) if _VERSION.match(word)), None)
    if place is None or family.is_integral:
        return kept
    unpointed = _UNPOINTED.match(kept[place])
    if unpointed is None or unpointed[2] == "0":
        return kept
    kept[place] = f"{unpointed[1]}{unpointed[2]}.{unpointed[3]}"
    return _with_points("-".join(kept)).split("-")


def _joined(family: Family, kept: list[str]) -> str:
    rest = "-".join(kept)
    if not rest:
        return family.name
    return family.name + ("" if family.is_glued and rest[0].isdigit() else "-") + rest


@functools.lru_cache(maxsize=16_384)
def _line(family: Family, name: str, is_whole: bool) -> str:
    """The family of a name: without sizes, roles and dates, and without the version if tiers go on.

    That of a derivative is its base's, and only the generation of that is sure.
    """
    start, rest = family.name, name.removeprefix(family.name)
    kept, has_version = [], False
    if family.is_glued and rest[:1].isdigit() and not _SIZE.match(rest.partition("-")[0]):
        version, _, rest = rest.partition("-")
        start, has_version = start + version, True
    for word in rest.strip("-").split("-"):
        if not word or word in words().roles or _SIZE.match(word) or re.fullmatch(r"a\d.*b|\d+[ek]", word):
            continue
        is_version = _VERSION.match(word) is not None
        if not is_whole and (has_version or not is_version):
            break
        if is_version and (family.has_tiers or has_version):
            continue
        if not is_version and not _explains(family, word):
            continue
        has_version = has_version or is_version
        kept.append(word)
    return "-".join([start, *kept])
