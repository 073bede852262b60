"""Model ids as names: normalised for comparison, told apart from opaque keys, and grouped into families.

Here: pure functions over one id. Not here: which field is the id (`generation/identifiers.py`). How ids are written is
data (`data/ids.toml`); families are data too (`data/families.toml`).
"""

import functools
import re
from collections.abc import Mapping
from typing import Any, Final

import re2

from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.patterns import PatternSet

MAX_ID_LENGTH: Final = 512
_RUNS = re.compile(r"[\s_]+")
_POINT = re.compile(r"(?<=\d)p(?=\d)")


@functools.cache
def _tables() -> dict[str, Any]:
    data = read_table("ids.toml")
    regions, vendors = "|".join(data["regions"]), "|".join(re.escape(vendor) for vendor in data["vendors"])
    return {
        "prefix": re2.compile("|".join(f"(?:{prefix})" for prefix in data["prefixes"])),
        "dotted": re2.compile(rf"(?:(?:{regions})\.)?(?:{vendors})(?:\.|::|__|-?bedrock\.)"),
        "carrier": re2.compile("(?:" + "|".join(data["carriers"]) + f"|{vendors}" + "):"),
        "variant": re2.compile("(?:" + "|".join(data["variants"]) + ")"),
        "suffix": re2.compile(".*?((?:" + "|".join(data["suffixes"]) + ")+)"),
        "opaque": re2.compile("(?:" + "|".join(data["opaque"]) + ")"),
    }


@functools.cache
def _steps() -> PatternSet:
    """What each step of `normalise_id` looks for, in one set: most names are such that no step changes them."""
    tables = _tables()
    starts = [f"(?:{tables[step].pattern})(?s:.*)" for step in ("dotted", "carrier")]
    return PatternSet([*starts, tables["opaque"].pattern, tables["suffix"].pattern])


@functools.lru_cache(maxsize=65_536)
def normalise_id(model_id: str) -> str:
    """The id as a bare model name: lower case, without vendor, packing, date and price suffixes.

    An opaque id (a UUID, a number, a placeholder) gives the empty string, which no pattern matches.

    Example:
        >>> normalise_id("us.anthropic.claude-3-5-sonnet-20241022-v2:0")
        'claude-3-5-sonnet'
        >>> normalise_id("meta-llama/Llama-3.1-8B-Instruct:free")
        'llama-3.1-8b-instruct'
    """
    tables = _tables()
    name = _POINT.sub(".", _RUNS.sub("-", encodable(model_id[:MAX_ID_LENGTH]).strip().lower()))
    if "/" in name or "::" in name:
        name = _without_path(name, tables)
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


def encodable(text: str) -> str:
    """The text with halves of surrogate pairs replaced, for RE2, which reads UTF-8."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def is_opaque(model_id: str) -> bool:
    """Whether the id says nothing about the model it stands for."""
    return not normalise_id(model_id)


def _without_path(name: str, tables: Mapping[str, Any]) -> str:
    prefix = tables["prefix"].match(name)
    if prefix:
        name = name[prefix.end() :]
    if "::" in name:
        name = name.rsplit("::", 1)[1]
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
