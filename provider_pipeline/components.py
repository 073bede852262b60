"""The Dagster component for projects of other teams: `build_defs`, with its settings in a `defs.yaml`."""

from collections.abc import Callable
from typing import Annotated, Self, TypeVar

import dagster as dg
from pydantic import BaseModel, Field, ValidationError, WithJsonSchema, field_validator

from provider_pipeline import exports
from provider_pipeline.definitions import build_defs
from provider_pipeline.defs.resources import ExportResource, ListingResource
from provider_pipeline.defs.schedules import hourly_sync_schedule
from provider_pipeline.defs.shards import all_shards
from provider_pipeline.errors import ConfigurationError

_T = TypeVar("_T")

# Bounds of attributes are not fields' constraints: Dagster allows a template, which is a string, for every attribute,
# and pydantic cannot compare that with a number.
FormName = Annotated[str, WithJsonSchema({"type": "string", "enum": list(exports.forms.FORMS)})]


class _Attributes(dg.Resolvable, dg.Model):
    """Settings whose values are validated when their templates are filled in."""

    @classmethod
    def resolve_from_model(cls, context: dg.ResolutionContext, model: BaseModel) -> Self:
        """The settings of a YAML file; a value that cannot be used is an error that shows its place in the file."""
        try:
            found: Self = super().resolve_from_model(context, model)
        except ValidationError as error:
            (first, *_) = error.errors()
            for part in first["loc"]:
                context = context.at_path(part)
            name = ".".join(map(str, first["loc"]))
            raise context.build_resolve_fn_exc([first["msg"]], field_name=name, model=model) from None
        return found


class Exports(_Attributes):
    """The files that `catalog_export` writes."""

    forms: list[FormName] = Field(
        default=ExportResource().forms, min_length=1, description=f"Any of {', '.join(exports.forms.FORMS)}."
    )
    folder: str = Field(default="", description=ExportResource.model_fields["folder"].description)

    @field_validator("forms")
    @classmethod
    def _known(cls, forms: list[str]) -> list[str]:
        return _usable(forms, lambda: [exports.forms.find_form(name) for name in forms])


class ProviderCatalog(dg.Component, _Attributes):
    """A trustworthy table of AI providers' models, kept up to date, with the files and reports that follow from it."""

    schedule: str = Field(default="0 * * * *", description="When providers are synced, as a cron expression.")
    timezone: str = Field(default="UTC", description="The schedule's time zone, such as Europe/Berlin.")
    concurrency: int = Field(
        default=ListingResource().max_concurrency, description="Providers fetched at the same time in one run: 1 to 64."
    )
    shards: int | None = Field(
        default=None, description="Number of runs that share the providers. Left out: PROVIDER_PIPELINE_SHARDS, or 1."
    )
    exports: Exports = Field(default=Exports(), description="The files that catalog_export writes.")
    digest: bool = Field(default=True, description="Whether change_digest sums up each day.")
    owners: list[str] = Field(
        default=["team:data-platform"],
        min_length=1,
        description="Owners of the assets, as team:NAME or an e-mail address; the first one also owns jobs, schedules "
        "and sensors.",
    )

    @field_validator("schedule")
    @classmethod
    def _cron(cls, schedule: str) -> str:
        return _usable(schedule, lambda: hourly_sync_schedule(schedule))

    @field_validator("timezone")
    @classmethod
    def _zone(cls, timezone: str) -> str:
        return _usable(timezone, lambda: hourly_sync_schedule("0 * * * *", timezone))

    @field_validator("concurrency")
    @classmethod
    def _bounded(cls, concurrency: int) -> int:
        return _usable(concurrency, lambda: ListingResource(max_concurrency=concurrency))

    @field_validator("shards")
    @classmethod
    def _countable(cls, shards: int | None) -> int | None:
        return shards if shards is None else _usable(shards, lambda: all_shards(shards))

    @field_validator("owners")
    @classmethod
    def _owners(cls, owners: list[str]) -> list[str]:
        return _usable(owners, lambda: dg.AssetSpec("provider_model", owners=owners))

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002 - Dagster's signature
        """The definitions of `provider_pipeline.definitions`, with these settings."""
        return build_defs(
            owners=self.owners,
            hourly_cron=self.schedule,
            hourly_timezone=self.timezone,
            shards=self.shards,
            digest=self.digest,
            resources={
                "listings": ListingResource(max_concurrency=self.concurrency),
                "export_settings": ExportResource(forms=self.exports.forms, folder=self.exports.folder),
            },
            executor=None,  # a project has one default executor, and chooses it
        )


def _usable(value: _T, use: Callable[[], object]) -> _T:
    """The value, if what it is for accepts it."""
    try:
        use()
    except ValidationError as error:
        raise ValueError(error.errors()[0]["msg"]) from error
    except (ConfigurationError, dg.DagsterInvalidDefinitionError) as error:
        raise ValueError(str(error)) from error
    return value
