"""JSON and YAML as exports write them: the same content is always the same bytes."""

from decimal import Decimal
from typing import Any, BinaryIO, Final

import orjson
import yaml

_Base: Final = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # libyaml, where it is installed, is ten times as fast


class _Dumper(_Base):  # type: ignore[misc, valid-type]
    """Writes equal lists in full: not every reader knows YAML's aliases."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True


def write_json(document: Any, out: BinaryIO) -> None:
    """Writes an indented document."""
    out.write(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def write_yaml(document: Any, out: BinaryIO, *, heading: str) -> None:
    """Writes a document below a comment."""
    out.write("".join(f"# {line}\n" for line in heading.splitlines()).encode())
    yaml.dump(document, out, _Dumper, sort_keys=False, allow_unicode=True, encoding="utf-8", width=1_000_000)


def json_text(value: Any) -> str:
    """A value as JSON text in one line; the same for the same value."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def number(amount: Decimal) -> int | float:
    """An amount as a JSON number, whole where it is."""
    value = float(amount)
    return int(value) if value.is_integer() else value
