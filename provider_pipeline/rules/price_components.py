"""Names of what is charged for, and the units in which that is usually billed (`data/prices.toml`)."""

import functools
from typing import Any, Final

import re2

from provider_pipeline.rules.ids import encodable
from provider_pipeline.rules.knowledge import read_table

TOKENS: Final = "million_tokens"


def component_names() -> tuple[str, ...]:
    """The price components that the generator knows; a rule may name further ones."""
    return tuple(read_table("prices.toml")["component"])


def is_size(word: str) -> bool:
    """Whether a word is a size of an image or a video, such as 1024x1024 or 1080p."""
    return _size().fullmatch(encodable(word.lower())) is not None


@functools.cache
def _size() -> Any:
    return re2.compile(read_table("prices.toml")["variant"]["size"])


def is_quality(word: str) -> bool:
    """Whether a word is a quality of an image or a video, such as hd."""
    return word.lower() in read_table("prices.toml")["variant"]["quality"]


def is_of_a_size(component: str) -> bool:
    """Whether a component is a size or quality of a known one, such as `image_hd_1024x1024` of `image`."""
    base = _base_of(component)
    words = component.removeprefix(f"{base}_").split("_")
    return base != "" and all(is_size(each) or is_quality(each) for each in words)


def _base_of(component: str) -> str:
    """The component that sizes tell apart and that a name begins with; empty if there is none."""
    known = read_table("prices.toml")["component"]
    return next((name for name in known if known[name].get("variants") and component.startswith(f"{name}_")), "")


def usual_unit(component: str) -> str:
    """The unit in which a component is usually billed; that of `image` for `image_1024x1024`."""
    known = read_table("prices.toml")["component"]
    return str(known.get(component if component in known else _base_of(component), {}).get("unit", TOKENS))
