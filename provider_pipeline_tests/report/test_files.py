"""The report as a file: complete or the one before, and whether it is current."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from provider_pipeline import catalog
from provider_pipeline.catalog.database import Database
from provider_pipeline.errors import ConfigurationError
from provider_pipeline.report import contents, files
from provider_pipeline_tests.catalog.builders import model, record_success, write_models
from provider_pipeline_tests.showcase import fill

NOW = datetime.now(UTC)


def state(database: Database) -> str:
    with database.session() as session:
        return contents.state(session)


def add_a_model(database: Database) -> None:
    with database.session() as session:
        provider = catalog.providers.get(session, "bolt")
        write_models(session, provider.id, [model("new")], now=NOW, rule_version=1)
        session.commit()


def test_a_page_that_cannot_be_written_leaves_the_one_before(database: Database, tmp_path: Path):
    path, _ = files.write(database, tmp_path, now=NOW)
    before = path.read_bytes()
    assert [each.name for each in tmp_path.iterdir()] == [files.FILE_NAME]
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        files.write(database, blocked, now=NOW)
    assert path.read_bytes() == before


def test_the_state_changes_with_what_is_shown_and_not_with_time(database: Database, tmp_path: Path):
    fill(database)
    path, _ = files.write(database, tmp_path, now=NOW)
    assert files.stored_state(path) == state(database)
    with database.session() as session:
        bolt = catalog.providers.get(session, "bolt")
        record_success(session, bolt.id, now=NOW, rule_version=1, result={"status": "synced", "seconds": 9})
        session.commit()
    assert files.stored_state(path) == state(database)
    add_a_model(database)
    assert files.stored_state(path) != state(database)


def test_a_page_is_rendered_if_there_is_none_or_it_was_long_not_current(database: Database, tmp_path: Path):
    fill(database)
    path = files.current(database, tmp_path)
    first = path.read_bytes()
    add_a_model(database)
    assert files.current(database, tmp_path).read_bytes() == first
    long_ago = (datetime.now(UTC) - files.PATIENCE - timedelta(seconds=1)).timestamp()
    os.utime(path, (long_ago, long_ago))
    assert files.current(database, tmp_path).read_bytes() != first
    os.utime(path, (long_ago, long_ago))
    modified = path.stat().st_mtime
    assert files.current(database, tmp_path).stat().st_mtime == modified


def test_a_page_of_something_else_has_no_state(tmp_path: Path):
    assert files.stored_state(tmp_path / "missing.html") is None
    (tmp_path / "other.html").write_bytes(b"\xff<html>")
    assert files.stored_state(tmp_path / "other.html") is None
