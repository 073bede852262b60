"""The asset that writes the table into files that other tools read, and the check on what they lack."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from provider_pipeline import catalog, exports
from provider_pipeline.defs.keys import CANONICAL, CODE_VERSION, EXPORT, GROUP, documented, stage
from provider_pipeline.defs.metadata import bounded_json, markdown
from provider_pipeline.defs.resources import CatalogResource, ExportResource
from provider_pipeline.errors import ConfigurationError

if TYPE_CHECKING:
    from provider_pipeline.exports.report import ExportReport

_PAGE = "docs/exports.md"

EXPORT_IS_COMPLETE = dg.AssetCheckSpec(
    "export_is_complete",
    asset=EXPORT,
    description="No model was left out of a file because it lacks what the file's form requires.",
    metadata=documented(_PAGE),
)


class CatalogExportConfig(dg.Config):
    """What one launch exports, and where to."""

    forms: list[str] = Field(
        default_factory=list,
        description=f"Any of {', '.join(exports.forms.FORMS)}. Empty: those of the resource `export_settings`.",
    )
    folder: str = Field(default="", description="Where to. Empty: the folder of the resource `export_settings`.")
    fill_canonical: bool = Field(
        default=False, description="Fill unknown limits, modalities and capabilities from the canonical model."
    )


@dg.asset(
    key=EXPORT,
    deps=[CANONICAL],
    check_specs=[EXPORT_IS_COMPLETE],
    group_name=GROUP,
    kinds={"file"},
    code_version=CODE_VERSION,
    tags=stage("report"),
    metadata=documented(_PAGE),
    description="The table in the forms that gateways, applications and analyses read.",
)
def catalog_export(
    config: CatalogExportConfig, provider_database: CatalogResource, export_settings: ExportResource
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """Writes each form into a file of its folder; the one of before stays until the new one is complete."""
    asked = config.folder or export_settings.folder
    folder = Path(asked).expanduser() if asked else catalog.database.home() / "exports"
    request = exports.records.ExportRequest(fill=config.fill_canonical)
    reports: dict[str, ExportReport] = {}
    paths: dict[str, Path] = {}
    try:
        forms = [exports.forms.find_form(name) for name in config.forms or export_settings.forms]
        with provider_database.open() as database:
            for form in forms:
                paths[form.name] = folder / form.name / form.file_name
                paths[form.name].parent.mkdir(parents=True, exist_ok=True)
                reports[form.name] = exports.files.export_file(database, form, request, paths[form.name])
    except ConfigurationError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    yield dg.MaterializeResult(
        metadata={
            "files": markdown(_table(reports, paths)),
            "folder": dg.MetadataValue.path(folder),
            **{f"models/{name}": report.models for name, report in reports.items()},
            **{f"left_out/{name}": len(report.left_out) for name, report in reports.items()},
        }
    )
    yield _is_complete(reports, folder)


def _table(reports: Mapping[str, "ExportReport"], paths: Mapping[str, Path]) -> list[str]:
    lines = ["| form | models | left out | file | sha256 |", "|---|---:|---:|---|---|"]
    for name, report in reports.items():
        lines.append(f"| {name} | {report.models:,} | {len(report.left_out):,} | {paths[name]} | {report.sha256} |")
    return lines


def _is_complete(reports: Mapping[str, "ExportReport"], folder: Path) -> dg.AssetCheckResult:
    left_out = {name: report.counts()["left_out_by_reason"] for name, report in reports.items() if report.left_out}
    return dg.AssetCheckResult(
        check_name=EXPORT_IS_COMPLETE.name,
        passed=not left_out,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "expected": "every model in every file",
            "actual": bounded_json(left_out),
            "recovery": f"each model and its reason: *.report.json in {folder}; set what is known with an override, or "
            "fill limits, modalities and capabilities from canonical models (fill_canonical)",
        },
    )
