"""Fixtures: a session of a catalogue."""

from collections.abc import Iterator

import pytest
from sqlalchemy.orm import Session

from provider_pipeline.catalog.database import Database


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    with database.session() as opened:
        yield opened
