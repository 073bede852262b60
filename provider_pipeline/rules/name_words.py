"""Words behind a family's name: versions, sizes and roles, and the line that a name belongs to."""

import functools
import re
from typing import Final

from provider_pipeline.rules.labs import Family, words

_SPLIT_VERSION: Final = re.compile(r"(?<![\d.])(\d{1,2})-(\d{1,2}v?)(?=-|$)")
_SPLIT_SIZE: Final = re.compile(r"(?<=-)0-(?=\db(?:-|$))")
_MAY_BE_SPLIT: Final = re.compile(r"\d-\d{1,2}[vb]?(?:-|$)")
_JOINED: Final = re.compile(r"([a-z]{3,})(\d(?:[.\d]*))$")
_SIZE: Final = re.compile(r"(?:\d+x)?\d+(?:\.\d+)?[bm]$")
_VERSION: Final = re.compile(r"[a-z]?\d+(?:\.\d+)*[a-z]?$")
_WITH_V: Final = re.compile(r"v\d")
_BESIDE_SIZE: Final = re.compile(r"a\d.*b|\d+[ek]")
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
    """A word behind a family's name: without its "v", what kind it is of, its parts, and whether those are known."""
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
            kept[place] = f"{unpointed[1]}{unpointed[2]}.{unpointed[3]}"
            return with_points("-".join(kept)).split("-")
    return kept


def name_from(family: Family, kept: list[str]) -> str:
    """The name of the words behind a family's, as its lab writes it."""
    rest = "-".join(kept)
    if not rest:
        return family.name
    return family.name + ("" if family.is_glued and rest[0].isdigit() else "-") + rest


@functools.lru_cache(maxsize=4_096)
def line_of(family: Family, name: str, is_whole: bool) -> str:
    """The family of a name: without sizes, roles and dates, and without the version if tiers go on.

    That of a derivative is its base's, and only the generation of that is sure.
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
    return _SPLIT_SIZE.sub("0.", _SPLIT_VERSION.sub(r"\1.\2", name))
