"""Fixtures: a provider with an active rule, and a function that writes its listings."""

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy.orm import Session

from provider_pipeline.catalog.database import Database
from provider_pipeline.catalog.dry_writes import dry_write
from provider_pipeline.catalog.model_writes import ListedModels, WriteResult
from provider_pipeline.catalog.providers import Provider
from provider_pipeline.errors import CatalogError
from provider_pipeline_tests.catalog.builders import hours_later, register, removes_after, write_models
from provider_pipeline_tests.catalog.offers import refreshed


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    with database.session() as opened:
        yield opened


@pytest.fixture
def provider(session: Session) -> Provider:
    """A registered provider with rule version 1, committed."""
    return register(session)


@pytest.fixture
def row_versions(database: Database) -> Callable[[str], dict]:
    """Reads the version (ctid and xmin) of each row of a table; equal before and after means untouched."""

    def read(table: str) -> dict:
        with database.engine.connect() as connection:
            rows = connection.exec_driver_sql(f"SELECT ctid::text, xmin::text FROM {table}")
            return {row.ctid: row.xmin for row in rows}

    return read


@pytest.fixture
def write(session: Session, provider: Provider) -> Callable[..., WriteResult]:
    """Writes a listing of that provider and commits; models are removed after this many misses and hours.

    Each write of a list is preceded by a dry one, which must say the same.
    """

    def run(rows, *, hour=0, removal_after=3, removal_hours=0, **options):
        removes_after(session, provider, misses=removal_after, hours=removal_hours)
        session.commit()
        options = {"rule_version": 1, "now": hours_later(hour), **options}
        expected = None if isinstance(rows, Iterator) else dry(rows, **options)
        try:
            result = write_models(session, provider.id, rows, **options)
        except CatalogError:
            assert expected is None or isinstance(expected, CatalogError)
            raise
        session.commit()
        assert expected in (result, None)
        return result

    def dry(rows, *, now, **options) -> WriteResult | CatalogError:
        try:
            return dry_write(session, [ListedModels(provider.id, rows, **options)], now=now)[0]
        except CatalogError as error:
            return error
        finally:
            session.rollback()

    return run


@pytest.fixture
def offered(session):
    """Writes a provider's listing, commits, refreshes and commits; returns the report."""
    known = {}

    def run(slug, *rows, hour=0, removal_after=1):
        if slug not in known:
            known[slug] = register(session, slug)
            removes_after(session, known[slug], misses=removal_after, hours=0)
        write_models(session, known[slug].id, rows, now=hours_later(hour), rule_version=1)
        session.commit()
        return refreshed(session, hour=hour)

    return run
