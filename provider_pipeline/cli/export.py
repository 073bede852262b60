"""`provider-pipeline export`: the table in the form that another tool reads."""

from __future__ import annotations

import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated, Any

import typer

from provider_pipeline import catalog, exports, sync
from provider_pipeline.cli.console import emit_json, note, say
from provider_pipeline.cli.parameters import TIME_HELP, JsonOption, SlugsArgument, optional_moment, read_json
from provider_pipeline.errors import ConfigurationError

_FORMS = ", ".join(exports.forms.FORMS)


def complete_form(incomplete: str) -> list[tuple[str, str]]:
    """The forms that begin so."""
    return [(name, form.about) for name, form in exports.forms.FORMS.items() if name.startswith(incomplete)]


def export_models(
    form: Annotated[str, typer.Argument(help=f"One of {_FORMS}.", autocompletion=complete_form)],
    slugs: SlugsArgument = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The file; a report is written beside it. `-` (default): standard output."),
    ] = None,
    as_of: Annotated[str | None, typer.Option(help=f"As the models were then: {TIME_HELP}.")] = None,
    fill: Annotated[
        str | None,
        typer.Option(
            metavar="canonical",
            help="Fill unknown limits, modalities and capabilities from the canonical model; never prices.",
        ),
    ] = None,
    merge: Annotated[
        Path | None, typer.Option(metavar="BASE.json", help="Merge into this file of the tool's own (litellm).")
    ] = None,
    require_complete: Annotated[
        bool, typer.Option("--require-complete", help="Exit with 1 if a model had to be left out.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write the models in the form that a gateway, an application or an analysis reads."""
    if fill not in (None, "canonical"):
        raise typer.BadParameter(f"expected canonical, got {fill!r}", param_hint="--fill")
    if output == Path("-"):
        output = None
    if as_json and output is None:
        raise typer.BadParameter("the report needs a file beside it: add -o FILE", param_hint="--json")
    found = exports.forms.find_form(form)
    request = exports.records.ExportRequest(
        slugs=tuple(dict.fromkeys(slugs or ())),
        as_of=optional_moment(as_of),
        fill=fill is not None,
        base=None if merge is None else _base(merge),
    )
    with catalog.database.open_catalog() as database:
        if request.fill and request.as_of is None:
            with database.session() as session:
                sync.events.refresh_canonical_models(session, now=datetime.now(UTC))
                session.commit()
        if output is not None:
            report = exports.files.export_file(database, found, request, output)
        else:
            # Complete before its first byte is printed.
            with TemporaryFile() as aside:
                report = exports.files.export(database, found, request, aside)
                aside.seek(0)
                shutil.copyfileobj(aside, sys.stdout.buffer)
    _tell(report, output, as_json=as_json)
    if require_complete and report.left_out:
        raise typer.Exit(1)


def _base(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ConfigurationError(f"{path}: expected a file to merge into, found none")
    document = read_json(path)
    if not isinstance(document, dict):
        raise ConfigurationError(f"{path}: expected a JSON object of models, got a {type(document).__name__}")
    return document


def _tell(report: exports.report.ExportReport, output: Path | None, *, as_json: bool) -> None:
    counts = report.counts()
    if as_json:
        emit_json(counts)
        return
    speak = note if output is None else say
    speak(f"{report.form}: {report.models} models, {counts['left_out']} left out")
    for title, what in (
        ("left out", "left_out_by_reason"),
        ("without", "omitted_by_fact"),
        ("filled", "filled_by_column"),
        ("taken", "derived_by_source"),
    ):
        for reason, count in counts[what].items():
            note(f"  {title}: {reason} ({count})")
    if output is not None:
        note(f"  each model by name: {output}.report.json")
