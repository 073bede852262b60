"""Providers to register: their files with placeholders filled in, and under another slug or address on request."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

from pydantic import ValidationError

from provider_pipeline.errors import ConfigurationError, MissingCredentialError
from provider_pipeline.listing.auth.credentials import TokenCache
from provider_pipeline.listing.auth.kinds import AuthConfig
from provider_pipeline.presets.library import preset_sample, presets
from provider_pipeline.presets.model import ProviderFile


@dataclass(frozen=True)
class RequestedProvider:
    """A provider to register: its file with placeholders filled in, and the first page of its listing, if known."""

    file: ProviderFile
    sample: Any = field(default=None, repr=False)
    shipped: bool = False


def requested_provider(
    file: ProviderFile, environ: Mapping[str, str], values: Mapping[str, str] | None = None
) -> RequestedProvider:
    """The provider of a file, its placeholders filled in, with the preset's sample if it has a preset's slug.

    Raises:
        ConfigurationError: A placeholder has no value.
    """
    shipped = presets().get(file.slug) == file
    return RequestedProvider(file.filled(values, environ), preset_sample(file.slug), shipped)


def with_slug(requested: RequestedProvider, slug: str) -> RequestedProvider:
    """The same provider under another slug.

    Raises:
        ConfigurationError: The slug is malformed.
    """
    document = requested.file.model_dump(mode="json", exclude_unset=True) | {"slug": slug}
    try:
        return replace(requested, file=ProviderFile.model_validate(document))
    except ValueError as error:
        raise ConfigurationError(
            f"{slug!r} cannot be a slug", hint="expected lower-case letters and digits, joined by '-', '_' or '.'"
        ) from error


def at_base_url(file: ProviderFile, base_url: str, overrides: Mapping[str, Any]) -> ProviderFile:
    """A preset's file for the same kind of API at another address; `overrides` replace its fields.

    Raises:
        ConfigurationError: The result is not a valid provider file.
    """
    document = file.model_dump(mode="json", exclude_unset=True) | {"base_url": base_url, **overrides}
    document.pop("ids", None)  # peers know the preset's own address by them
    kept = json.dumps([document.get(part) for part in ("auth", "endpoints")])
    document["variables"] = {
        name: variable for name, variable in document.get("variables", {}).items() if f"{{{name}}}" in kept
    }
    try:
        return ProviderFile.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ConfigurationError(f"{file.slug}: {where}: {first['msg'].removeprefix('Value error, ')}") from error


def presets_with_keys(environ: Mapping[str, str]) -> tuple[list[RequestedProvider], list[ConfigurationError]]:
    """The presets whose key is in the environment, and an error for each that lacks the value of a placeholder."""
    requested, incomplete = [], []
    for preset in presets().values():
        example = preset.filled({name: variable.example for name, variable in preset.variables.items()})
        if preset.auth["type"] == "none" or missing_key(example, environ) is not None:
            continue
        try:
            requested.append(requested_provider(preset, environ))
        except ConfigurationError as error:
            incomplete.append(error)
    return requested, incomplete


def missing_key(file: ProviderFile, environ: Mapping[str, str]) -> MissingCredentialError | None:
    """The error that names the key a provider lacks, or None; sends no request."""
    try:
        AuthConfig.parse(file.auth, slug=file.slug).authorizer(file.slug, environ, TokenCache(), _request_no_token)
    except MissingCredentialError as error:
        return error
    return None


def _request_no_token(*_: object) -> NoReturn:
    raise AssertionError("looking up a key must not request a token")
