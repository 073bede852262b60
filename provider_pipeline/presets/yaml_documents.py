"""Reads YAML files that people write, with the line of each field for error messages."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import yaml

from provider_pipeline.errors import ConfigurationError

MAX_DEPTH: Final = 20


@dataclass(frozen=True)
class YamlDocument:
    """A file's data, and the tree it was read from."""

    data: Any
    node: yaml.Node | None

    def line_of(self, path: Sequence[str | int]) -> int:
        """The line, from 1, of the field at a path, or of the deepest part of the path that exists."""
        node, line = self.node, 1
        for step in path:
            entry = _entry(node, step)
            if entry is None:
                break
            line, node = entry
        return line

    def lines_of(self, key: str) -> list[int]:
        """The lines, from 1, of the elements of a list at the top."""
        found = _entry(self.node, key)
        return [each.start_mark.line + 1 for each in found[1].value] if found is not None else []


def read_yaml(content: bytes, name: str, *, max_bytes: int) -> YamlDocument:
    """Read one YAML document of plain data and bounded size.

    A file may come from another repository: it must neither build objects nor grow when it is read.

    Raises:
        ConfigurationError: It is too large, not UTF-8, or not such a document.
    """
    if len(content) > max_bytes:
        raise ConfigurationError(
            f"{name}: {len(content):,} bytes, and a file may have {max_bytes:,}", hint="split it into several files"
        )
    try:
        text = content.decode("utf-8-sig")
        _check_events(text)
        loader = _PlainLoader(text)
        node = loader.get_single_node()
        return YamlDocument(None if node is None else loader.construct_document(node), node)
    except UnicodeDecodeError:
        raise ConfigurationError(f"{name}: it is not UTF-8 text", hint="save it as UTF-8") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f":{mark.line + 1}" if mark is not None else ""
        raise ConfigurationError(f"{name}{where}: {error.problem or 'not YAML'}", hint="expected YAML") from error
    except (yaml.YAMLError, ValueError) as error:
        # ValueError: a well-formed but invalid number or date, such as 2026-02-30.
        raise ConfigurationError(f"{name}: {str(error).splitlines()[0]}", hint="expected YAML") from error


class _PlainLoader(yaml.CSafeLoader):
    """A safe loader that also refuses duplicate keys; in C, as a file may hold 10,000 overrides."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key, _ in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else None
            if name is None:
                raise yaml.constructor.ConstructorError(None, None, "a key that is not text", key.start_mark)
            if name in seen:
                raise yaml.constructor.ConstructorError(None, None, f"duplicate key {name!r}", key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep=deep)


def yaml_text(document: Any) -> str:
    """A document as YAML, with its keys in their order."""
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)


def _check_events(text: str) -> None:
    """Refuse aliases (they multiply) and deep nesting before a tree is built."""
    depth = 0
    for event in yaml.parse(text, yaml.CSafeLoader):
        problem = ""
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if isinstance(event, yaml.AliasEvent):
            problem = "aliases (*name) are not supported"
        elif depth > MAX_DEPTH:
            problem = f"more than {MAX_DEPTH} levels deep"
        if problem:
            mark: Any = event.start_mark  # libyaml has a class of its own for it
            raise yaml.composer.ComposerError(None, None, problem, mark)


def _entry(node: yaml.Node | None, step: str | int) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(step):
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        value = node.value[step]
        return value.start_mark.line + 1, value
    return None
