"""The columns that tables have in common, and the metadata that all tables are part of."""

from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, Identity, MetaData, Text, text
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData()

EMPTY_OBJECT = text("'{}'::jsonb")


def id_column() -> Column[int]:
    """The key `id`, which the database counts."""
    return Column("id", BigInteger, Identity(always=True), primary_key=True)


def text_column(name: str, *, nullable: bool = False, **options: Any) -> Column[str]:
    """Text; there unless it is said otherwise."""
    return Column(name, Text, nullable=nullable, **options)


def json_column(name: str, *, nullable: bool = False, **options: Any) -> Column[dict[str, Any]]:
    """A JSON object, in which None is no value; there unless it is said otherwise."""
    return Column(name, JSONB(none_as_null=True), nullable=nullable, **options)


def time_column(name: str, *, nullable: bool = False, **options: Any) -> Column[Any]:
    """A moment; there unless it is said otherwise."""
    return Column(name, DateTime(timezone=True), nullable=nullable, **options)


def stamped_column(name: str) -> Column[Any]:
    """The moment at which the row was added."""
    return time_column(name, server_default=text("now()"))
