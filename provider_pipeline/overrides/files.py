"""Reads files of overrides: YAML and CSV, alone or a folder of them, which is one set."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from provider_pipeline.errors import ConfigurationError
from provider_pipeline.overrides.entries import OverrideEntry, PlacedEntry, raise_first
from provider_pipeline.presets.yaml_documents import read_yaml

MAX_BYTES: Final = 16 * 1024 * 1024
_YAML: Final = (".yaml", ".yml")
_SUFFIXES: Final = (*_YAML, ".csv")
_FIELDS: Final = tuple(OverrideEntry.model_fields)
_SHARED: Final = frozenset(_FIELDS) - {"model", "pattern", "field", "value"}
"""What a YAML file may state once for all its overrides."""
_Placed = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True)
class OverrideFiles:
    """A set of overrides as read.

    Attributes:
        name: The set's name; what it stated before is known by it.
        entries: Its overrides, with their places.
    """

    name: str
    entries: tuple[PlacedEntry, ...]


def read_files(path: Path, *, name: str | None = None) -> OverrideFiles:
    """Read a file, or a folder's files (not those in its subfolders), as one set.

    Args:
        path: A file (`*.yaml`, `*.yml`, `*.csv`) or a folder of such.
        name: The set's name; by default the file's or the folder's.

    Raises:
        ConfigurationError: There is no such file, or it is wrong: the message names file and line of the first
            problem, and how many others there are.
    """
    files = sorted(each for each in path.iterdir() if each.suffix in _SUFFIXES) if path.is_dir() else [path]
    if not files:
        raise ConfigurationError(f"{path}: no file of overrides in it", hint="such a file is named *.yaml or *.csv")
    entries: list[PlacedEntry] = []
    problems: list[tuple[str, str | None]] = []
    for file in files:
        for place, document in _documents(file):
            try:
                entries.append((place, OverrideEntry.model_validate(document)))
            except ValidationError as error:
                problems.append(_described(place, error))
    raise_first(problems)
    return OverrideFiles(name or path.resolve().name, tuple(entries))


def _described(place: str, error: ValidationError) -> tuple[str, str | None]:
    first = error.errors(include_input=False, include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"][:1])
    message = first["msg"].removeprefix("Value error, ")
    hint = f"the fields are {', '.join(_FIELDS)}" if first["type"] in ("extra_forbidden", "missing") else None
    return f"{place}: {field}: {message}" if field else f"{place}: {message}", hint


def _documents(file: Path) -> Iterator[_Placed]:
    if file.suffix not in _SUFFIXES:
        raise ConfigurationError(f"{file}: not a file of overrides", hint=f"expected {', '.join(_SUFFIXES)}")
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(f"{file}: {error.strerror or error}", hint="expected a file of overrides") from error
    return _yaml_documents(content, str(file)) if file.suffix in _YAML else _csv_documents(content, str(file))


def _yaml_documents(content: bytes, name: str) -> Iterator[_Placed]:
    document = read_yaml(content, name, max_bytes=MAX_BYTES)
    data = document.data
    if not isinstance(data, dict) or not isinstance(data.get("overrides"), list):
        raise ConfigurationError(
            f"{name}: expected a list named `overrides`",
            hint="and beside it, fields that all of its entries share: provider, reason, source ...",
        )
    shared = {key: value for key, value in data.items() if key != "overrides"}
    if unknown := sorted(set(shared) - _SHARED):
        raise ConfigurationError(
            f"{name}:{document.line_of(unknown[:1])}: {unknown[0]}: not a field of a file of overrides",
            hint=f"the fields are overrides, {', '.join(sorted(_SHARED))}",
        )
    for entry, line in zip(data["overrides"], document.lines_of("overrides"), strict=True):
        place = f"{name}:{line}"
        if not isinstance(entry, dict):
            raise ConfigurationError(f"{place}: expected the fields of an override, got {type(entry).__name__}")
        values = {key: value for key, value in entry.items() if key != "set"}
        if "set" not in entry:
            yield place, {**shared, **values}
        elif not isinstance(entry["set"], dict) or {"field", "value"} & set(values):
            raise ConfigurationError(f"{place}: expected `set` to map fields to values, in place of field and value")
        else:
            for field, value in entry["set"].items():
                yield place, {**shared, **values, "field": field, "value": value}


def _csv_documents(content: bytes, name: str) -> Iterator[_Placed]:
    if len(content) > MAX_BYTES:
        raise ConfigurationError(f"{name}: a file may have {MAX_BYTES:,} bytes", hint="split it into several files")
    try:
        reader = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        header = [each.strip() for each in next(reader, [])]
        if unknown := [each for each in header if each not in _FIELDS]:
            raise ConfigurationError(
                f"{name}:1: {unknown[0]!r} is not a column", hint=f"the columns are {', '.join(_FIELDS)}"
            )
        for row in reader:
            place = f"{name}:{reader.line_num}"
            if not row:
                continue
            if len(row) != len(header):
                raise ConfigurationError(f"{place}: expected {len(header)} cells, got {len(row)}")
            # An empty cell says nothing; unknown is written null.
            cells = {column: cell for column, cell in zip(header, row, strict=True) if cell.strip()}
            yield place, {**cells, "value": _cell_value(cells["value"])} if "value" in cells else cells
    except UnicodeDecodeError:
        raise ConfigurationError(f"{name}: it is not UTF-8 text", hint="save it as UTF-8") from None
    except csv.Error as error:
        raise ConfigurationError(f"{name}:{reader.line_num}: {error}", hint="expected CSV") from error


def _cell_value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
