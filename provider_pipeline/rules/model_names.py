"""Parses model ids: the lab, the model's name, and additions such as dates and hosts' variants."""

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
from provider_pipeline.rules.name_words import (
    Family,
    explains,
    find_family,
    is_size,
    is_version,
    judged,
    line_of,
    name_from,
    with_points,
    with_version_point,
    words,
)

_NO_PARTS: Final = frozenset({"", ".", "..", "~", "@cf", "@hf"})
_RUNS: Final = re.compile(r"[\s_()\[\]]+")
_POINT: Final = re.compile(r"p(?<=\dp)(?=\d)")
_DOTTED: Final = re.compile(r"([a-z][a-z0-9-]*+)\.(?=[a-z])")
_REVISION: Final = re.compile(r"(?:-(v?\d+):(\d+)(?::\w+)?|:\d+k)$")
"""Bedrock's revision behind a name, `-v1:0`; any other is a version (`claude-v2:1`). Or the context, `:200k`."""
_FIRST_REVISIONS: Final = ("v1", "v0", "1", "0")
_FILES: Final = (".gguf", ".safetensors", ".ggml", "-gguf")
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


class ParsedName(NamedTuple):
    """The parts of a model's id.

    Attributes:
        lab: The maker; None if unknown.
        name: The model's name as its lab writes it, without lab, date and variant.
        owner: For an unknown lab, the prefix of the name; the same name under another owner is another model.
        family: The model line; None if unknown.
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
        """`lab/name`; for an unknown lab `owner/name`, or the name alone."""
        before = self.lab or self.owner
        return f"{before}/{self.name}" if before else self.name

    @property
    def sizes(self) -> frozenset[str]:
        """The sizes in the name, such as `70b`."""
        return frozenset(each for each in self.name.split("-") if is_size(each))

    @property
    def version(self) -> str | None:
        """The first version in the name, such as `3.5`."""
        numbers = (re.sub(r"^[a-z]+", "", each) for each in self.name.split("-") if not is_size(each))
        return next((each for each in numbers if is_version(each)), None)


@dataclass(slots=True)
class _Reading:
    """A name while it is read."""

    text: str
    owner: str | None = None
    lab: str | None = None
    is_of_weights: bool = False
    snapshot: str | None = None
    variants: list[str] = field(default_factory=list)

    def all_variants(self) -> tuple[str, ...]:
        """The variants, each once."""
        return tuple(dict.fromkeys(self.variants)) if self.variants else ()


@functools.lru_cache(maxsize=16_384)
def read_name(model_id: str) -> ParsedName | None:
    """Parse an id; None for an opaque one, such as a UUID."""
    text = _POINT.sub(".", _RUNS.sub("-", encodable(model_id[:MAX_ID_LENGTH]).lower()).strip("-"))
    if text.startswith(("ft:", "ft-")) or ":ft-" in text or ":ft:" in text:
        return ParsedName(None, text, None, None, None, (), is_known=False, names_family=False)
    reading = _Reading(text)
    _take_prefixes(reading)
    _take_path(reading)
    _take_prefixes(reading)
    if not reading.text or is_opaque_name(reading.text):
        return None
    _take_suffixes(reading)
    found = _family_behind_prefix(reading)
    name = _known(reading, *found) if found else _unknown(reading, model_id)
    return name if name.name else None


def _take_path(reading: _Reading) -> None:
    """Keep the last part of a path that names a model; note its owner and how it is served."""
    if "/" not in reading.text and "\\" not in reading.text and "::" not in reading.text:
        return
    reading.is_of_weights = not words().hubs.isdisjoint(reading.text.replace(":", "/").split("/"))
    text = bare_wrapper(reading.text)
    if "::" in text:
        text = text.rsplit("::", 1)[1]
    parts = [part for part in text.split("/") if part not in _NO_PARTS]
    while len(parts) > 1 and _is_variant(parts[-1]) and not _is_gateway(parts[-2]):
        reading.variants.append(parts.pop())
    if not parts:
        return
    start = _start_of_name(parts)
    for written in parts[:start]:
        part, kind = _part(written)
        if kind == "variant":
            reading.variants.append(part)
        elif kind == "lab":
            reading.lab = words().labs[part]
        elif kind == "owner":
            reading.owner = part
    if reading.lab:
        reading.owner = None
    reading.text = "-".join(parts[start:])


def _start_of_name(parts: list[str]) -> int:
    for place in range(len(parts) - 1, 0, -1):
        if find_family(parts[place]) is not None:
            if place == len(parts) - 1:
                return place
            # Inside a name, it may be a version: `kling-video/o3/pro` is not o3.
            earlier = (each for each in range(1, place) if find_family(parts[each]) and parts[each] not in words().labs)
            return next(earlier, place)
    # `fal-ai/flux/dev`: the name itself has several parts, after the host's words.
    start = 0
    while start < len(parts) - 1 and (_is_gateway(parts[start]) or words().regions.fullmatch(parts[start])):
        start += 1
    names_last = start == len(parts) - 2 or (start == 0 and len(parts) > 1)
    return start + (names_last and find_family(parts[start]) is None)


@functools.lru_cache(maxsize=4096)
def _part(written: str) -> tuple[str, str]:
    """A part of a path before the name: its last word, and that word's kind."""
    part, known = written.rpartition(":")[2].lstrip("~"), words()
    if part in known.variants or known.regions.fullmatch(part):
        return part, "variant"
    if part in known.labs:
        return part, "lab"
    return part, "gateway" if part in known.gateways else "owner"


def _is_variant(part: str) -> bool:
    return part in words().variants or part in words().silent


def _is_gateway(part: str) -> bool:
    return part in words().gateways


def _take_prefixes(reading: _Reading) -> None:
    """Take prefixes that end in a dot, a colon or two underscores (`us.anthropic.claude-...`, `hf:...`)."""
    while True:
        if ":" in reading.text and not _is_tagged(reading.text):
            reading.text = without_carrier(reading.text)
            before, _, behind = reading.text.partition(":")
            if behind and (before in words().gateways or before in words().labs):
                reading.lab = words().labs.get(before, reading.lab)
                reading.text = behind
                continue
        found = _DOTTED.match(reading.text) if "." in reading.text else None
        if found is None:
            return
        spelled = _spelled_out(reading.text)
        if spelled is not None:
            reading.text = spelled
            return
        word = found[1]
        if words().regions.fullmatch(word):
            reading.variants.append(word)
        elif word in words().labs:
            reading.lab, reading.owner = words().labs[word], None
        elif word not in words().gateways:
            return
        reading.text = reading.text[found.end() :]


def _spelled_out(text: str) -> str | None:
    """An id with the name of its model, if the host's id says too little."""
    for start, name in words().ids:
        found = start.match(text)
        if found is not None:
            return found.expand(name) + text[found.end() :]
    return None


def _is_tagged(text: str) -> bool:
    """Whether a name stands before the first colon, and none behind it, as in Ollama's `mistral:7b`."""
    before, _, behind = text.partition(":")
    return find_family(before) is not None and find_family(behind) is None


def _take_suffixes(reading: _Reading) -> None:
    """Take suffixes behind a colon, and words for the packing of weights."""
    name = _without_tags(reading) if ":" in reading.text else reading.text
    if name.endswith(_FILES):
        for ending in _FILES:
            if name.endswith(ending):
                name = name.removesuffix(ending)
                reading.variants.append(ending[1:])
    quantised = _QUANTISED.search(name) if "q" in name else None
    if quantised:
        name = name[: quantised.start()] + name[quantised.end() :]
        reading.variants.append(quantised[1])
    reading.text = name


def _without_tags(reading: _Reading) -> str:
    """The name without suffixes behind colons, whose information about the offer is noted."""
    text = reading.text
    revision = _REVISION.search(text)
    if revision:
        text = text[: revision.start()] + _version_of(*revision.groups())
    name, *tags = text.split(":")
    for tag in tags:
        if tag in words().variants or tag in ("thinking", "beta"):
            reading.variants.append(tag)
        elif tag.isdigit() or "thinking" in reading.variants:  # length of its reasoning
            continue
        elif tag and tag not in words().silent:
            name += f"-{tag}"
    return name


def _version_of(major: str | None, minor: str | None) -> str:
    """The version in Bedrock's revision of a name; empty for a first revision, or none."""
    if major is None or (minor == "0" and major in _FIRST_REVISIONS):
        return ""
    return f"-{major}" if minor == "0" else f"-{major}.{minor}"


def _family_behind_prefix(reading: _Reading) -> tuple[Family, str] | None:
    """The family of a known name behind words of labs and gateways (`databricks-claude-...`)."""
    found, known = find_family(reading.text), words()
    place = 0 if found else reading.text.find("-")
    while place > 0:
        word = reading.text[:place]
        if word in known.labs or word in known.gateways or known.regions.fullmatch(word):
            inner = _Reading(reading.text[place:].lstrip("-"), lab=known.labs.get(word, reading.lab))
            found = _family_behind_prefix(inner)
            if found is not None:
                reading.lab, reading.text = inner.lab, inner.text
                return found
        place = reading.text.find("-", place + 1)
    return found


def _unknown(reading: _Reading, model_id: str) -> ParsedName:
    """A name of no known family: only a full date and packing words are taken from it."""
    name = reading.text
    dated = _FULLY_DATED.search(name)
    if dated and dated.start() > 0:
        reading.snapshot = _date(dated[1])
        name = name[: dated.start()] + name[dated.end() :]
    kept = []
    known = words()
    for place, word in enumerate(name.split("-")):
        if place and word in known.variants:
            reading.variants.append(word)
        elif not (place and word in known.silent):
            kept.append(word)
    name = with_points("-".join(kept)) or name
    if (name in known.nameless or is_size(name)) and reading.lab is None and reading.owner is None:
        name = ""
    base = _base_of(name)
    family = base or named_family(model_id)  # of the whole id, which the patterns of capabilities normalise as well
    names_family, variants = base is not None, reading.all_variants()
    return ParsedName(reading.lab, name, reading.owner, family, reading.snapshot, variants, False, names_family)


def _base_of(name: str) -> str | None:
    """The family of the open model that a derivative names behind its own name (`acme-llama-3.1-8b`)."""
    place = name.find("-")
    while place > 0:
        found = find_family(name[place + 1 :])
        if found is not None and found[0].is_open:
            family, rest = found
            kept = with_version_point(family, with_points(rest.strip("-.")).split("-"))
            return line_of(family, name_from(family, kept), is_whole=False)
        place = name.find("-", place + 1)
    return None


def _known(reading: _Reading, family: Family, rest: str) -> ParsedName:
    """A name of a known family."""
    rest = _without_date(reading, rest.lstrip("-."))
    numbered = _NUMBERED.search(rest) if family.is_numbered else None
    if numbered:
        reading.snapshot = reading.snapshot or numbered[1]
        rest = rest[: numbered.start()] + rest[numbered.end() :]
    kept, is_explained = _sorted_words(reading, family, rest)
    name = name_from(family, kept)
    if reading.is_of_weights:
        rewrites = family.rewrites_of_weights
    elif reading.owner is None and (reading.lab in (None, family.lab) or reading.lab in words().hosts):
        rewrites = family.rewrites
    else:
        rewrites = family.rewrites_of_others
    name = rewrites.name_of(name, reading.snapshot)
    # Only its lab makes models of a closed family, so another lab before its name only serves it; but some name models
    # of their own after one.
    is_whole = is_explained or not family.is_open
    is_other = family.is_open and reading.lab not in (None, family.lab, *(words().hosts if is_whole else ()))
    is_foreign = reading.owner is not None and (
        family.is_open or (not is_explained and _SIZED.search(name) is not None)
    )
    is_derived = not is_whole and reading.lab != family.lab
    line = line_of(family, name, is_whole)
    if is_other or is_foreign or is_derived:
        lab = reading.lab if reading.lab != family.lab else None
        return ParsedName(lab, name, reading.owner, line, reading.snapshot, reading.all_variants(), False, True)
    return ParsedName(family.lab, name, None, line, reading.snapshot, reading.all_variants(), True, True)


def _date(text: str) -> str:
    whole = _COMPACT.fullmatch(text)
    return "-".join(whole.groups()) if whole else text


def _without_date(reading: _Reading, rest: str) -> str:
    text = f"-{rest}"
    if _MAY_BE_DATED.search(rest) is None:
        return text.replace("@", "-").strip("-")
    # A full date first: in `minimax-01-2025-02-19`, `01-2025` is not a date.
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
    is_explained = True
    for written in with_points(rest).split("-"):
        word, kind, parts, is_explained_word = judged(family, written, not kept)
        if kind == "silent":
            continue
        if kind == "variant" or (kind == "grade" and is_sized):
            reading.variants.append(word)
            continue
        kept += parts
        is_sized = is_sized or kind == "size"
        is_explained = is_explained and is_explained_word
    if "latest" in kept and (family.is_undated or any(map(is_version, kept))):
        kept.remove("latest")
    pointed = with_version_point(family, kept)
    return pointed, is_explained if pointed is kept else all(explains(family, word) for word in pointed)
