"""YAML as a provider file may use it: plain data of bounded size, and nothing of the language's surprises.

Here: text in, plain data out, and where in the text a field stands. Not here: what the fields mean (`model`). The
concept: a file comes from a person's editor or from somebody else's repository, so it is refused with one line that
names the place, and can neither build objects nor grow when it is read.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import yaml

from provider_pipeline.errors import ConfigurationError

MAX_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 20


@dataclass(frozen=True)
class Document:
    """A file's data, and the tree it was read from."""

    data: Any
    node: yaml.Node | None

    def line_of(self, path: Sequence[str | int]) -> int:
        """The line, from 1, on which the field at a path stands, or the deepest part of the path that exists."""
        node, line = self.node, 1
        for step in path:
            entry = _entry(node, step)
            if entry is None:
                break
            line, node = entry
        return line


def read_yaml(content: bytes, name: str) -> Document:
    """Read one document.

    Args:
        content: The file's bytes.
        name: The file, as errors name it.

    Raises:
        ConfigurationError: It is too large, is not YAML in UTF-8, holds anything but plain data, or says something
            twice; one line with the line number.
    """
    if len(content) > MAX_BYTES:
        raise ConfigurationError(
            f"{name}: {len(content):,} bytes, and a provider file may have {MAX_BYTES:,}",
            hint="one file describes one provider",
        )
    try:
        text = content.decode("utf-8-sig")
        _check_events(text)
        loader = _PlainLoader(text)
        node = loader.get_single_node()
        return Document(None if node is None else loader.construct_document(node), node)
    except UnicodeDecodeError:
        raise ConfigurationError(f"{name}: it is not text in UTF-8") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f":{mark.line + 1}" if mark is not None else ""
        raise ConfigurationError(f"{name}{where}: {error.problem or 'not YAML'}", hint="expected YAML") from error
    except (yaml.YAMLError, ValueError) as error:
        # ValueError: a number or a date that has the form of one and is none.
        raise ConfigurationError(f"{name}: {str(error).splitlines()[0]}", hint="expected YAML") from error


class _PlainLoader(yaml.SafeLoader):
    """Safe, and narrower: no key twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key, _ in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else None
            if name is None:
                raise yaml.constructor.ConstructorError(None, None, "a key that is no text", key.start_mark)
            if name in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{name!r} stands there twice", key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep=deep)


def _check_events(text: str) -> None:
    """Refuse what could grow or overflow before a tree is built of it."""
    depth = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "aliases (*name) are not read", _mark(event))
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise yaml.composer.ComposerError(None, None, f"more than {MAX_DEPTH} levels deep", _mark(event))


def _mark(event: yaml.Event) -> yaml.Mark | None:
    return event.start_mark if isinstance(event.start_mark, yaml.Mark) else None


def _entry(node: yaml.Node | None, step: str | int) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(step):
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        value = node.value[step]
        return value.start_mark.line + 1, value
    return None
