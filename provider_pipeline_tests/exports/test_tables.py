"""The table as CSV, NDJSON, Parquet and Excel: types, harmless texts, and bounded memory."""

import csv
import io
import json
from decimal import Decimal
from pathlib import Path

import duckdb
import openpyxl
import pyarrow.parquet as pq
import pytest

from provider_pipeline.catalog.database import Database
from provider_pipeline.exports import arrow
from provider_pipeline.exports.columns import MODELS
from provider_pipeline_tests.catalog.builders import NOON, model, register, write_models
from provider_pipeline_tests.exports.conftest import ACME, Exporter

EVIL = "=HYPERLINK(1)"


def test_csv_has_every_column_and_no_formula(exported: Exporter):
    found = exported("csv")
    rows = {row["model_id"]: row for row in csv.DictReader(io.StringIO(found.content.decode()))}
    assert set(rows) == {f"'{EVIL}" if each["model_id"] == EVIL else each["model_id"] for each in ACME}
    big = rows["claude-big"]
    assert list(big) == [each.name for each in MODELS]
    assert (big["input_price"], big["context_length"], big["can_vision"]) == ("0.8", "1000000", "true")
    assert json.loads(big["input_modalities"]) == ["image", "text"]
    assert json.loads(big["prices"])["input"]["tiers"] == [{"above": 200_000, "amount": 1.6}]
    assert (big["first_seen_at"], big["removed_at"]) == ("2026-11-01T12:00:00Z", "")
    cells = [cell for row in csv.reader(io.StringIO(found.content.decode())) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


def test_ndjson_has_the_catalogues_own_values(exported: Exporter):
    rows = [json.loads(line) for line in exported("ndjson").content.splitlines()]
    big = next(row for row in rows if row["model_id"] == "claude-big")
    assert big["prices"]["input"]["amount"] == 0.8
    assert (big["input_modalities"], big["can_tools"], big["can_chat"]) == (["image", "text"], True, True)
    assert big["removed_at"] is None
    assert big["canonical_id"] is None


def test_excel_sees_texts_and_numbers(exported: Exporter):
    sheet = openpyxl.load_workbook(io.BytesIO(exported("xlsx").content))["models"]
    header, *rows = sheet.iter_rows()
    names = [cell.value for cell in header]
    by_id = {row[names.index("model_id")].value: row for row in rows}
    assert {by_id[EVIL][names.index(name)].data_type for name in ("model_id", "display_name")} == {"s"}
    assert by_id["claude-big"][names.index("input_price")].value == 0.8
    assert by_id["claude-big"][names.index("first_seen_at")].is_date


def test_parquet_keeps_decimals_lists_and_comments(exported: Exporter):
    table = pq.read_table(io.BytesIO(exported("parquet").content))
    assert table.schema.equals(arrow.schema(MODELS))
    assert b"Context window" in table.schema.field("context_length").metadata[b"comment"]
    big = next(row for row in table.to_pylist() if row["model_id"] == "claude-big")
    assert big["input_price"] == Decimal("0.8")
    assert big["output_modalities"] == ["text"]
    assert big["can_reasoning"] is False
    assert big["can_rerank"] is None


def test_duckdb_unites_files_whose_nulls_differ(database: Database, exported: Exporter, tmp_path: Path):
    with database.session() as session:
        write_models(session, register(session, "bare").id, [model("bare")], now=NOON, rule_version=1)
        session.commit()
    for slug in ("acme", "bare"):
        (tmp_path / f"{slug}.parquet").write_bytes(exported("parquet", slugs=(slug,)).content)
    query = f"SELECT count(*), sum(input_price), count(input_modalities) FROM '{tmp_path}/*.parquet'"
    assert duckdb.sql(query).fetchall() == [(len(ACME) + 1, Decimal("0.82"), 2)]


@pytest.mark.parametrize("count", [arrow.BATCH_ROWS + 1])
def test_rows_are_read_batch_by_batch(count: int):
    asked = []

    def rows():
        for number in range(count):
            asked.append(number)
            yield {"slug": "acme", "model_id": str(number), "capabilities": {}}

    first = next(arrow.batches(rows(), MODELS))
    assert first.num_rows == len(asked) == arrow.BATCH_ROWS
