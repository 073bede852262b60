"""Providers that somebody wants registered, and whether their keys are there.

Here: filling files in, and looking keys up. Not here: what registering them changes (`registration`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

from provider_pipeline.errors import ConfigurationError, MissingCredentialError
from provider_pipeline.listing.auth.credentials import TokenCache
from provider_pipeline.listing.auth.kinds import AuthConfig
from provider_pipeline.presets.library import preset_sample, presets
from provider_pipeline.presets.model import ProviderFile


@dataclass(frozen=True)
class Wanted:
    """A provider to register.

    Attributes:
        file: What is known of it, without placeholders.
        sample: The first page of its listing, parsed, if one is at hand.
        shipped: Whether the file ships with the package.
    """

    file: ProviderFile
    sample: Any = field(default=None, repr=False)
    shipped: bool = False


def wanted_provider(file: ProviderFile, environ: Mapping[str, str], values: Mapping[str, str] | None = None) -> Wanted:
    """A provider to register from a file that is a preset or like one, its placeholders filled in.

    Raises:
        ConfigurationError: A placeholder has no value.
    """
    return Wanted(file.filled(values, environ), preset_sample(file.slug), shipped=presets().get(file.slug) == file)


def named(wanted: Wanted, slug: str) -> Wanted:
    """The same provider under another slug.

    Raises:
        ConfigurationError: It cannot be one.
    """
    document = wanted.file.model_dump(mode="json", exclude_unset=True) | {"slug": slug}
    try:
        return replace(wanted, file=ProviderFile.model_validate(document))
    except ValueError as error:
        raise ConfigurationError(
            f"{slug!r} cannot be a slug", hint="expected lower-case letters and digits, joined by '-', '_' or '.'"
        ) from error


def wanted_by_keys(environ: Mapping[str, str]) -> tuple[list[Wanted], list[ConfigurationError]]:
    """The presets whose key the environment has; and of those, why some cannot be registered: a value is missing."""
    wanted, incomplete = [], []
    for preset in presets().values():
        example = preset.filled({name: variable.example for name, variable in preset.variables.items()})
        if preset.auth["type"] == "none" or missing_key(example, environ) is not None:
            continue
        try:
            wanted.append(wanted_provider(preset, environ))
        except ConfigurationError as error:
            incomplete.append(error)
    return wanted, incomplete


def missing_key(file: ProviderFile, environ: Mapping[str, str]) -> MissingCredentialError | None:
    """What is missing for a provider's key; None if nothing is. Asks nobody."""
    try:
        AuthConfig.parse(file.auth, slug=file.slug).authorizer(file.slug, environ, TokenCache(), _ask_nobody)
    except MissingCredentialError as error:
        return error
    return None


def _ask_nobody(*_: object) -> NoReturn:
    raise AssertionError("a key is looked up without asking for a token")
