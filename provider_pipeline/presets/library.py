"""Read and write provider files: the shipped ones (presets), and a user's file or folder."""

import difflib
import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from provider_pipeline.errors import ConfigurationError, UnknownValueError
from provider_pipeline.presets.model import ProviderFile
from provider_pipeline.presets.yaml_documents import read_yaml, yaml_text
from provider_pipeline.rules.stated_rule import PARTS

MAX_BYTES: Final = 256 * 1024

_DATA: Final = resources.files(__package__) / "data"
_SAMPLES: Final = resources.files(__package__) / "samples"
_MIN_PART: Final = 3
"""Shortest text that is looked for inside names: fewer letters are in names that have nothing to do with them."""
_SUFFIXES: Final = (".yaml", ".yml")


class _Presets(Mapping[str, ProviderFile]):
    """The shipped files by slug, in order; each is read on first access."""

    def __getitem__(self, slug: str) -> ProviderFile:
        if slug not in _slugs():
            raise KeyError(slug)
        return _shipped(slug)

    def __iter__(self) -> Iterator[str]:
        return iter(_slugs())

    def __len__(self) -> int:
        return len(_slugs())


def presets() -> Mapping[str, ProviderFile]:
    """The providers that ship with the package, by slug and in order; listing their names reads no file."""
    return _Presets()


def find_preset(name: str) -> ProviderFile:
    """The shipped provider with that slug or display name.

    Raises:
        UnknownValueError: No such preset; the hint names similar ones.
    """
    known = presets()
    wanted = name.strip().lower()
    if wanted in known:
        return known[wanted]
    titles = {preset.name.lower(): preset for preset in known.values()}
    if wanted in titles:
        return titles[wanted]
    close = [
        preset.slug
        for title, preset in titles.items()
        if len(wanted) >= _MIN_PART and wanted in f"{preset.slug} {title}"
    ]
    close += [slug for slug in difflib.get_close_matches(wanted, known, n=3) if slug not in close]
    listed = f"there are {len(known)}: provider-pipeline providers presets"
    raise UnknownValueError(f"no preset {name!r}", hint=f"did you mean {', '.join(close[:5])}?" if close else listed)


def preset_sample(slug: str) -> Any:
    """The shipped sample of a preset's first page, parsed; None if it has none."""
    file = _SAMPLES / f"{slug}.json"
    return json.loads(file.read_bytes()) if slug in _slugs() and file.is_file() else None


def load_provider_file(path: Path | str) -> ProviderFile:
    """Read a provider file.

    Raises:
        ConfigurationError: It cannot be read or is invalid: one line with file, line and field.
    """
    file = Path(path)
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(f"{file}: {error.strerror or error}", hint="expected a provider file") from error
    return _parsed(content, str(file))


def load_provider_folder(directory: Path | str) -> tuple[ProviderFile, ...]:
    """Read a folder's provider files (`*.yaml`, `*.yml`; not those in its subfolders), by slug.

    Raises:
        ConfigurationError: There is no such folder, it has no provider file, one of them is invalid, or two describe
            the same provider.
    """
    folder = Path(directory)
    if not folder.is_dir():
        raise ConfigurationError(f"{folder}: no such folder", hint="expected a folder of provider files")
    files = sorted(file for file in folder.iterdir() if file.suffix in _SUFFIXES and file.is_file())
    if not files:
        raise ConfigurationError(f"{folder}: no provider file in it", hint="a provider file is named *.yaml")
    found: dict[str, tuple[Path, ProviderFile]] = {}
    for file in files:
        provider = load_provider_file(file)
        if provider.slug in found:
            raise ConfigurationError(
                f"{file}: slug: {provider.slug!r} is described by {found[provider.slug][0].name} too",
                hint="each provider has one file",
            )
        found[provider.slug] = (file, provider)
    return tuple(found[slug][1] for slug in sorted(found))


def provider_file_text(file: ProviderFile) -> str:
    """The provider file as YAML that reads back as the same file; unset fields are left out."""
    return yaml_text(file.model_dump(mode="json", exclude_unset=True))


@cache
def _slugs() -> tuple[str, ...]:
    return tuple(sorted(file.name.removesuffix(".yaml") for file in _DATA.iterdir() if file.name.endswith(".yaml")))


@cache
def _shipped(slug: str) -> ProviderFile:
    name = f"{slug}.yaml"
    preset = _parsed((_DATA / name).read_bytes(), name)
    if preset.slug != slug:
        raise ConfigurationError(f"{name}: slug: expected {slug!r}, got {preset.slug!r}")
    if preset.without_source:
        raise ConfigurationError(f"{name}: sources: no page states {', '.join(preset.without_source)}")
    return preset


def _parsed(content: bytes, name: str) -> ProviderFile:
    document = read_yaml(content, name, max_bytes=MAX_BYTES)
    if not isinstance(document.data, dict):
        raise ConfigurationError(
            f"{name}: expected the fields of a provider file, got {type(document.data).__name__}",
            hint="a provider file begins with slug, name and base_url",
        )
    try:
        return ProviderFile.model_validate(document.data)
    except ValidationError as error:
        first, *others = error.errors(include_input=False, include_url=False)
        field = ".".join(str(part) for part in first["loc"])
        more = f" (and {len(others)} more)" if others else ""
        place = f"{name}:{document.line_of(first['loc'])}"
        message = first["msg"].removeprefix("Value error, ")
        raise ConfigurationError(
            f"{place}: {field}: {message}{more}" if field else f"{place}: {message}{more}",
            hint=_hint(first["type"], first["loc"]),
        ) from error


def _hint(kind: str, place: tuple[int | str, ...]) -> str | None:
    if kind == "extra_forbidden" and place[0] == "rule":
        return f"the parts of a rule are {', '.join(PARTS)}; of several endpoints, by path under 'endpoints'"
    return _HINTS.get(kind)


_HINTS: Final = {
    "extra_forbidden": f"the fields are {', '.join(ProviderFile.model_fields)}",
    "missing": "a provider file needs slug, name, base_url and endpoints",
}
