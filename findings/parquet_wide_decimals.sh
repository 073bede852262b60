#!/usr/bin/env bash
# pyarrow 26.0.1 writes decimals of up to 76 digits to Parquet, and of a column of 60 digits each reader makes something
# else: pyarrow the same decimals, duckdb 2.0.1 a DOUBLE without a word, polars 2.1.0 an error. fastparquet 2026.9.0 makes
# floats of any decimals, and not the nearest ones: 0.1 becomes 0.09999999999999999, at 38 digits as well.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    pyarrow==26.0.1 duckdb==2.0.1 polars==2.1.0 fastparquet==2026.9.0
cd "$folder"
venv/bin/python - <<'PYTHON'
from decimal import Decimal
from importlib.metadata import version

import duckdb
import fastparquet
import polars
import pyarrow
import pyarrow.parquet

print(*(f"{package} {version(package)}" for package in ("pyarrow", "duckdb", "polars", "fastparquet")), sep=", ")
PRICE = Decimal("0.1")


def readers(name, kind):
    pyarrow.parquet.write_table(pyarrow.table({"price": pyarrow.array([PRICE], kind)}), name)
    yield "pyarrow", pyarrow.parquet.read_table(name)["price"][0].as_py()
    yield "duckdb", duckdb.sql(f"SELECT price FROM '{name}'").fetchall()[0][0]
    try:
        yield "polars", polars.read_parquet(name)["price"][0]
    except polars.exceptions.InvalidOperationError as error:
        yield "polars", type(error)
    yield "fastparquet", float(fastparquet.ParquetFile(name).to_pandas()["price"][0])


narrow = dict(readers("narrow.parquet", pyarrow.decimal128(38, 12)))
wide = dict(readers("wide.parquet", pyarrow.decimal256(60, 20)))
print("38 digits:", narrow)
print("60 digits:", wide)
assert narrow == {"pyarrow": PRICE, "duckdb": PRICE, "polars": PRICE, "fastparquet": 0.09999999999999999}
assert isinstance(wide["pyarrow"], Decimal) and wide["pyarrow"] == PRICE
assert isinstance(wide["duckdb"], float) and wide["duckdb"] == 0.1
assert wide["polars"] is polars.exceptions.InvalidOperationError
assert wide["fastparquet"] == 0.09999999999999999
PYTHON
