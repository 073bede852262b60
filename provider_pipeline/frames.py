"""The catalogue as pandas DataFrames, for notebooks and analyses; needs the extra `frames`.

Each frame has the same columns and types whatever the catalogue holds: nullable integers, booleans and texts, times in
UTC, lists of texts, and JSON as text. Amounts are floats; the export to Parquet keeps them as decimals.

Example:
    >>> from provider_pipeline.frames import models
    >>> frame = models("openai")  # doctest: +SKIP
    >>> frame[frame.can_vision.fillna(False)].sort_values("input_price")  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from provider_pipeline import catalog
from provider_pipeline.exports import columns
from provider_pipeline.exports.records import ExportRequest
from provider_pipeline.exports.snapshot import Snapshot
from provider_pipeline.extras import require_extras

if TYPE_CHECKING:
    import pandas as pd
    from sqlalchemy.orm import Session


def models(
    *slugs: str, as_of: datetime | None = None, fill: bool = False, database_url: str | None = None
) -> pd.DataFrame:
    """A row per provider and model, of any status.

    Args:
        slugs: Only these providers; all if none is named.
        as_of: As they were at this moment; without a time zone, in UTC.
        fill: Fill unknown limits, modalities and capabilities from the canonical model; `filled` says which.
        database_url: The catalogue's URL; by default as for the command line.

    Raises:
        UnknownProviderError: One of the providers is not registered.
    """
    return _models(columns.MODELS, slugs, as_of, fill, database_url)


def offers(*slugs: str, database_url: str | None = None) -> pd.DataFrame:
    """A row per provider and model, with its canonical model, from which gaps are filled; see `models`."""
    return _models(columns.OFFERS, slugs, None, True, database_url)


def prices(*slugs: str, as_of: datetime | None = None, database_url: str | None = None) -> pd.DataFrame:
    """A row per model, price component and tier; see `models`."""
    with _snapshot(database_url) as session:
        found = catalog.prices.list_prices(session, as_of=_zoned(as_of))
        return _frame(map(asdict, _narrowed(session, found, slugs)), columns.PRICES)


def price_history(*slugs: str, database_url: str | None = None) -> pd.DataFrame:
    """A row per model, price component, tier, and span of time in which the price stayed the same; see `models`."""
    with _snapshot(database_url) as session:
        found = catalog.prices.price_history(session)
        return _frame(map(asdict, _narrowed(session, found, slugs)), columns.PRICE_HISTORY)


def changes(
    *slugs: str, since: datetime | None = None, until: datetime | None = None, database_url: str | None = None
) -> pd.DataFrame:
    """A row per recorded change, newest first.

    Args:
        slugs: Only these providers; all if none is named.
        since: Inclusive.
        until: Exclusive.
        database_url: As for `models`.
    """
    with _snapshot(database_url) as session:
        found = catalog.history.list_changes(session, since=_zoned(since), until=_zoned(until))
        return _frame(map(asdict, _narrowed(session, found, slugs)), columns.CHANGES)


@contextmanager
def _snapshot(database_url: str | None) -> Iterator[Session]:
    require_extras("frames", purpose="a DataFrame")
    with catalog.database.open_catalog(database_url) as database, catalog.snapshots.snapshot(database) as session:
        yield session


def _models(
    declared: Sequence[columns.TableColumn],
    slugs: tuple[str, ...],
    as_of: datetime | None,
    fill: bool,
    database_url: str | None,
) -> pd.DataFrame:
    request = ExportRequest(slugs, _zoned(as_of), fill)
    with _snapshot(database_url) as session:
        return _frame(Snapshot.open(session, request).rows(), declared)


def _narrowed(session: Session, found: Iterable[Any], slugs: tuple[str, ...]) -> Iterable[Any]:
    for slug in slugs:
        catalog.providers.get(session, slug)
    return (each for each in found if each.slug in slugs) if slugs else found


def _zoned(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def _frame(rows: Iterable[Mapping[str, Any]], declared: Sequence[columns.TableColumn]) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415 - seconds to load, and optional
    import pyarrow as pa  # noqa: PLC0415

    from provider_pipeline.exports import arrow  # noqa: PLC0415

    table = pa.Table.from_batches(arrow.batches(rows, declared), arrow.schema(declared))
    for place, column in enumerate(declared):
        if column.kind == "decimal":
            table = table.set_column(place, column.name, table.column(place).cast(pa.float64()))
    types = {
        pa.int64(): pd.Int64Dtype(),
        pa.float64(): pd.Float64Dtype(),
        pa.bool_(): pd.BooleanDtype(),
        pa.string(): pd.StringDtype("pyarrow"),
    }
    frame: pd.DataFrame = table.to_pandas(types_mapper=types.get, date_as_object=False)
    for column in declared:
        if column.kind == "texts":  # pandas cannot read its own list type back from Parquet
            lists = table.column(column.name).to_pylist()
            frame[column.name] = pd.Series(lists, index=frame.index, dtype=object)
    return frame
