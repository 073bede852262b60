"""Where provider files are: the shipped ones, and a user's file or folder.

Here: finding and reading files, and errors that name file, line and field. Not here: what a file says (`model`) and how
YAML is read (`reading`). The concept: a shipped file is read when it is asked for, once.
"""

import difflib
import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from provider_pipeline.errors import ConfigurationError
from provider_pipeline.presets.model import ProviderFile
from provider_pipeline.presets.reading import MAX_BYTES, read_yaml

_DATA: Final = resources.files(__package__) / "data"
_SAMPLES: Final = resources.files(__package__) / "samples"
_SUFFIXES: Final = (".yaml", ".yml")


class _Presets(Mapping[str, ProviderFile]):
    """The shipped files by slug, in order; each is read when it is asked for."""

    def __getitem__(self, slug: str) -> ProviderFile:
        if slug not in _slugs():
            raise KeyError(slug)
        return _shipped(slug)

    def __iter__(self) -> Iterator[str]:
        return iter(_slugs())

    def __len__(self) -> int:
        return len(_slugs())


def presets() -> Mapping[str, ProviderFile]:
    """The providers that ship with the package, by slug and in order; names alone cost no reading."""
    return _Presets()


def find_preset(name: str) -> ProviderFile:
    """The shipped provider of that slug, or of that display name.

    Raises:
        ConfigurationError: There is none; names similar ones.
    """
    known = presets()
    wanted = name.strip().lower()
    if wanted in known:
        return known[wanted]
    titles = {preset.name.lower(): preset for preset in known.values()}
    if wanted in titles:
        return titles[wanted]
    close = [preset.slug for title, preset in titles.items() if wanted and wanted in f"{preset.slug} {title}"]
    close += [slug for slug in difflib.get_close_matches(wanted, known, n=3) if slug not in close]
    raise ConfigurationError(
        f"no preset {name!r}",
        hint=f"did you mean {', '.join(close[:5])}?" if close else f"there are {len(known)} presets",
    )


def preset_sample(slug: str) -> Any:
    """The shipped sample of a preset's first page, parsed; None if it has none."""
    file = _SAMPLES / f"{slug}.json"
    return json.loads(file.read_bytes()) if slug in _slugs() and file.is_file() else None


def load_provider_file(path: Path | str) -> ProviderFile:
    """Read a provider file.

    Raises:
        ConfigurationError: It cannot be read, or says what a provider file cannot say: one line with file, line and
            field.
    """
    file = Path(path)
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(f"{file}: {error.strerror or error}", hint="expected a provider file") from error
    return parse_provider_file(content, str(file))


def load_provider_folder(directory: Path | str) -> tuple[ProviderFile, ...]:
    """Read a folder's provider files (`*.yaml`, `*.yml`; not those of folders in it), by slug.

    Raises:
        ConfigurationError: There is no such folder, it holds no provider file, one of them cannot be read, or two
            describe the same provider.
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


def parse_provider_file(content: bytes, name: str) -> ProviderFile:
    """A provider file from its bytes.

    Args:
        content: The YAML.
        name: The file, as errors name it.

    Raises:
        ConfigurationError: As `load_provider_file`.
    """
    document = read_yaml(content, name)
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
            hint=_expectation(first["type"]),
        ) from error


@cache
def _slugs() -> tuple[str, ...]:
    return tuple(sorted(file.name.removesuffix(".yaml") for file in _DATA.iterdir() if file.name.endswith(".yaml")))


@cache
def _shipped(slug: str) -> ProviderFile:
    name = f"{slug}.yaml"
    preset = parse_provider_file((_DATA / name).read_bytes(), name)
    if preset.slug != slug:
        raise ConfigurationError(f"{name}: slug: it says {preset.slug!r}")
    if preset.without_source:
        raise ConfigurationError(f"{name}: sources: no page is named for {', '.join(preset.without_source)}")
    return preset


def _expectation(kind: str) -> str | None:
    if kind == "extra_forbidden":
        return f"the fields are {', '.join(ProviderFile.model_fields)}"
    return "a provider file needs slug, name, base_url and endpoints" if kind == "missing" else None
