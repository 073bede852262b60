"""The metadata of all tables, and column types they share."""

from datetime import date
from typing import Any

from sqlalchemy import BigInteger, Column, Date, DateTime, Dialect, Identity, MetaData, Text, TypeDecorator, text
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData()

EMPTY_OBJECT = text("'{}'::jsonb")


class IsoDate(TypeDecorator[str]):
    """A date that rows hold as `YYYY-MM-DD`, the form in which listings are read and JSON is written."""

    impl = Date
    cache_ok = True

    def process_bind_param(self, value: str | None, _dialect: Dialect) -> date | None:
        """To the driver's date."""
        return None if value is None else date.fromisoformat(value)

    def process_result_value(self, value: date | None, _dialect: Dialect) -> str | None:
        """From the driver's date."""
        return None if value is None else value.isoformat()


def id_column() -> Column[int]:
    """The generated key `id`."""
    return Column("id", BigInteger, Identity(always=True), primary_key=True)


def text_column(name: str, *, nullable: bool = False, **options: Any) -> Column[str]:
    """Text, NOT NULL by default."""
    return Column(name, Text, nullable=nullable, **options)


def json_column(name: str, *, nullable: bool = False, **options: Any) -> Column[dict[str, Any]]:
    """A JSON object, NOT NULL by default; None is SQL NULL, not JSON null."""
    return Column(name, JSONB(none_as_null=True), nullable=nullable, **options)


def time_column(name: str, *, nullable: bool = False, **options: Any) -> Column[Any]:
    """A timestamp with time zone, NOT NULL by default."""
    return Column(name, DateTime(timezone=True), nullable=nullable, **options)


def stamped_column(name: str) -> Column[Any]:
    """When the row was inserted."""
    return time_column(name, server_default=text("now()"))
