"""The words of object keys and texts, so that `maxInputTokens` and `max_input_tokens` are one name.

Here: splitting and joining. Not here: what the words mean (the data files).
"""

import functools
import re

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_OTHER = re.compile(r"[^A-Za-z0-9]+")

Path = tuple[str, ...]


@functools.lru_cache(maxsize=16_384)
def words_of(key: str) -> tuple[str, ...]:
    """The words of an object key, in lower case: `maxInputTokens` and `max_input_tokens` have the same."""
    return tuple(word.lower() for word in _OTHER.split(_CAMEL.sub(" ", key)) if word)


def snake(key: str) -> str:
    """An object key in snake_case, for comparison with the aliases in the data files."""
    return "_".join(words_of(key))


def squashed(text: str) -> str:
    """A text as lower-case letters and digits only, for comparison with the tokens in the data files."""
    return "".join(character for character in text.lower() if character.isalnum())
