"""The vocabulary of capabilities.

Here: their names and which of them exclude each other, from `data/capabilities.toml`. Not here: who has them.
"""

import functools
from collections.abc import Mapping

from provider_pipeline.rules.knowledge import read_table


@functools.cache
def capability_names() -> tuple[str, ...]:
    """The documented capabilities, in their documented order."""
    return tuple(read_table("capabilities.toml")["names"])


@functools.cache
def exclusive_capabilities() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Capabilities, each with those that no model has beside it."""
    found: dict[str, list[str]] = {}
    for first, second in read_table("capabilities.toml")["exclusive"]:
        found.setdefault(first, []).append(second)
    return tuple((first, tuple(others)) for first, others in found.items())


def contradicts(capabilities: Mapping[str, bool]) -> bool:
    """Whether the capabilities that are true exclude each other."""
    for first, others in exclusive_capabilities():
        if capabilities.get(first):
            for other in others:
                if capabilities.get(other):
                    return True
    return False
