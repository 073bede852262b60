"""Writes an export: from one snapshot, aside, and renamed when it is complete; its report first."""

import hashlib
import os
from pathlib import Path
from typing import BinaryIO

import orjson

from provider_pipeline import catalog
from provider_pipeline.atomic_files import written_aside
from provider_pipeline.exports.forms import Form
from provider_pipeline.exports.records import ExportRequest
from provider_pipeline.exports.report import ExportReport
from provider_pipeline.exports.snapshot import Snapshot


def export(database: catalog.database.Database, form: Form, request: ExportRequest, out: BinaryIO) -> ExportReport:
    """Write an export to a stream that can be read back and sought.

    Raises:
        ConfigurationError: The form cannot be written so.
        UnknownProviderError: One of the providers is not registered.
    """
    form.check(request)
    report = ExportReport(form.name)
    with catalog.snapshots.snapshot(database) as session:
        form.write(Snapshot.open(session, request), out, report)
    out.flush()
    report.size = out.seek(0, os.SEEK_END)
    out.seek(0)
    report.sha256 = hashlib.file_digest(out, "sha256").hexdigest()  # type: ignore[arg-type]
    return report


def export_file(database: catalog.database.Database, form: Form, request: ExportRequest, path: Path) -> ExportReport:
    """Write an export to a file, and its report beside it; a file of before stays until the new one is complete.

    Raises:
        ConfigurationError: The form cannot be written so, or the folder cannot be written to.
        UnknownProviderError: One of the providers is not registered.
    """
    with written_aside(path) as out:
        report = export(database, form, request, out)
        with written_aside(path.with_name(f"{path.name}.report.json")) as beside:
            beside.write(orjson.dumps(report.to_json(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    return report
