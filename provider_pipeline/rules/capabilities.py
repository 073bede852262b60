"""The vocabulary of capabilities.

Here: their names and which of them exclude each other, from `data/capabilities.toml`. Not here: who has them.
"""

import functools

from provider_pipeline.rules.knowledge import read_table


@functools.cache
def capability_names() -> tuple[str, ...]:
    """The documented capabilities, in their documented order."""
    return tuple(read_table("capabilities.toml")["names"])


@functools.cache
def exclusive_pairs() -> tuple[tuple[str, str], ...]:
    """Capabilities no one model has together."""
    return tuple((first, second) for first, second in read_table("capabilities.toml")["exclusive"])
