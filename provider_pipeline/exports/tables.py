"""The whole table as CSV, NDJSON, Parquet and Excel: every column and every status, read and written row by row."""

import codecs
import csv
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, BinaryIO, Final

import orjson

from provider_pipeline.errors import ConfigurationError
from provider_pipeline.exports.columns import MODELS, TableColumn
from provider_pipeline.exports.documents import json_text
from provider_pipeline.exports.records import ExportedModels
from provider_pipeline.exports.report import ExportReport

_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")
_SHEET_ROWS: Final = 1_048_576
_CELL: Final = 32_767
"""Characters that a cell of Excel holds."""
_WIDTH: Final = 18


def write_csv(snapshot: ExportedModels, out: BinaryIO, report: ExportReport) -> None:
    """Comma-separated, UTF-8; lists and objects as JSON, unknown as an empty field."""
    writer = csv.writer(codecs.getwriter("utf-8")(out), lineterminator="\n")
    writer.writerow(each.name for each in MODELS)
    for row in _counted(snapshot, report):
        writer.writerow(_harmless(_text(each, row)) for each in MODELS)


def write_ndjson(snapshot: ExportedModels, out: BinaryIO, report: ExportReport) -> None:
    """A JSON object per line; unknown is null."""
    for row in _counted(snapshot, report):
        values = {each.name: each.value(row) for each in MODELS}
        out.write(orjson.dumps(values, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z | orjson.OPT_SORT_KEYS))


def write_parquet(snapshot: ExportedModels, out: BinaryIO, report: ExportReport) -> None:
    """Parquet with a fixed schema, so that files can be combined."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - an optional package

    from provider_pipeline.exports import arrow  # noqa: PLC0415

    with pq.ParquetWriter(out, arrow.schema(MODELS), compression="zstd") as writer:
        for batch in arrow.batches(_counted(snapshot, report), MODELS):
            writer.write_batch(batch, row_group_size=arrow.BATCH_ROWS)


def write_xlsx(snapshot: ExportedModels, out: BinaryIO, report: ExportReport) -> None:
    """A workbook of one sheet: texts are texts, never formulas; times are in UTC.

    Raises:
        ConfigurationError: There are more models than a sheet has rows.
    """
    import xlsxwriter  # noqa: PLC0415 - an optional package

    book = xlsxwriter.Workbook(
        out, {"constant_memory": True, "in_memory": False, "strings_to_formulas": False, "strings_to_urls": False}
    )
    # A workbook has the time of its making, by default: the same rows give the same file.
    book.set_properties({"created": datetime(2000, 1, 1), "title": "provider_model"})  # noqa: DTZ001 - Excel has no zones
    bold, day = book.add_format({"bold": True}), book.add_format({"num_format": "yyyy-mm-dd"})
    moment = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
    sheet = book.add_worksheet("models")
    sheet.freeze_panes(1, 2)
    sheet.set_column(0, len(MODELS) - 1, _WIDTH)
    for place, column in enumerate(MODELS):
        sheet.write_string(0, place, column.name, bold)
    for number, row in enumerate(_counted(snapshot, report), start=1):
        if number >= _SHEET_ROWS:
            raise ConfigurationError(
                f"a sheet holds {_SHEET_ROWS - 1:,} models, and there are more", hint="export as parquet or csv"
            )
        for place, column in enumerate(MODELS):
            value = column.value(row)
            if value is None:
                continue
            if column.kind in ("integer", "decimal"):
                sheet.write_number(number, place, value)
            elif column.kind == "flag":
                sheet.write_boolean(number, place, value)
            elif column.kind == "time":
                sheet.write_datetime(number, place, value.astimezone(UTC).replace(tzinfo=None), moment)
            elif column.kind == "day":
                sheet.write_datetime(number, place, date.fromisoformat(value), day)
            else:
                text = _text(column, row)
                if len(text) > _CELL:
                    report.omitted.append((row["slug"], row["model_id"], f"{column.name}: longer than a cell"))
                    continue
                sheet.write_string(number, place, text)
    book.close()


def _counted(snapshot: ExportedModels, report: ExportReport) -> Iterator[Mapping[str, Any]]:
    for row in snapshot.rows():
        report.models += 1
        report.filled.extend((row["slug"], row["model_id"], name) for name in sorted(row.get("filled") or ()))
        yield row


def _text(column: TableColumn, row: Mapping[str, Any]) -> str:
    value = column.value(row)
    if value is None:
        return ""
    if column.kind == "flag":
        return "true" if value else "false"
    if column.kind == "decimal":
        return f"{Decimal(repr(value)):f}"
    if column.kind == "time":
        return str(value.astimezone(UTC).isoformat().replace("+00:00", "Z"))
    if column.kind in ("json", "texts"):
        return json_text(value)
    return str(value)


def _harmless(text: str) -> str:
    """A text that a spreadsheet does not take for a formula when it opens the file."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
