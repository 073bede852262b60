"""The asset that writes the catalogue as a page to look at, and the check that the page is current."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from provider_pipeline import report
from provider_pipeline.defs.keys import CANONICAL, CODE_VERSION, GROUP, REPORT, documented, stage
from provider_pipeline.defs.metadata import markdown, one_line
from provider_pipeline.defs.resources import CatalogResource
from provider_pipeline.errors import ConfigurationError

if TYPE_CHECKING:
    from provider_pipeline.report.contents import Contents

_PAGE = "docs/report.md"
_MAX_LISTED = 20


class CatalogReportConfig(dg.Config):
    """Where the page is, as a folder and for browsers."""

    folder: str = Field(default="", description="Where to. Empty: report, under PROVIDER_PIPELINE_HOME.")
    url: str = Field(default="http://127.0.0.1:8400/", description="Where the HTTP API serves the page, for the link.")

    def path(self) -> Path:
        """The folder."""
        return Path(self.folder).expanduser() if self.folder else report.files.default_folder()


@dg.asset(
    key=REPORT,
    deps=[CANONICAL],
    group_name=GROUP,
    kinds={"html"},
    code_version=CODE_VERSION,
    tags=stage("report"),
    metadata=documented(_PAGE),
    description="The catalogue as one HTML page: models, prices, offers, changes, and what is blocked.",
)
def catalog_report(config: CatalogReportConfig, provider_database: CatalogResource) -> dg.MaterializeResult[None]:
    """Writes the page; the one before stays until the new one is complete."""
    try:
        with provider_database.open() as database:
            path, contents = report.files.write(database, config.path(), now=datetime.now(UTC))
    except ConfigurationError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    return dg.MaterializeResult(
        metadata={
            "page": dg.MetadataValue.url(config.url),
            "file": dg.MetadataValue.path(path),
            "summary": markdown(_summary(contents)),
            "bytes": path.stat().st_size,
            "models": contents.counts["models"],
            "models_in_page": len(contents.models),
            "models_new_in_7_days": contents.counts["new"],
            "models_with_price": contents.counts["priced"],
            "models_at_several_providers": contents.total_canonical,
            "price_changes": len(contents.price_changes),
            "retiring": len(contents.retirements),
            "providers": len(contents.providers),
            "providers_in_trouble": len(contents.troubled),
        }
    )


@dg.asset_check(
    asset=REPORT,
    description="The page shows what the catalogue has now.",
    metadata=documented(_PAGE),
)
def report_is_current(config: CatalogReportConfig, provider_database: CatalogResource) -> dg.AssetCheckResult:
    """Compares the digest in the page with that of the catalogue."""
    path = config.path() / report.files.FILE_NAME
    written = report.files.stored_state(path)
    with provider_database.open() as database, database.session() as session:
        now = report.contents.state(session)
    return dg.AssetCheckResult(
        passed=written == now,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "expected": f"a page of the catalogue's state {now}",
            "actual": "no page" if written is None else f"a page of the state {written}",
            "file": dg.MetadataValue.path(path),
            "recovery": "materialize catalog_report; it follows by itself when models change",
        },
    )


def _summary(contents: "Contents") -> list[str]:
    counts = contents.counts
    lines = [
        f"**{counts['models']:,} models** of {len(contents.providers)} providers: {counts['priced']:,} with a price, "
        f"{counts['new']:,} new in 7 days, {contents.total_canonical:,} at several providers.",
        "",
    ]
    if contents.troubled:
        lines += ["| blocked or down | why |", "|---|---|"]
        lines += [
            f"| {one_line(each['slug'])} | {one_line(each['last_error'] or '')} |"
            for each in contents.troubled[:_MAX_LISTED]
        ]
        lines.append("")
    if contents.retirements:
        lines += ["| ends | provider | model |", "|---|---|---|"]
        lines += [
            f"| {end.retires_on} | {one_line(end.slug)} | {one_line(end.model_id)} |"
            for end in contents.retirements[:_MAX_LISTED]
        ]
    return lines
