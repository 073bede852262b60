"""Frames: the same columns and types whatever the catalogue holds."""

import re
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest

from provider_pipeline import catalog, frames
from provider_pipeline.catalog.database import Database
from provider_pipeline.errors import UnknownProviderError
from provider_pipeline_tests.exports.conftest import ACME, fill_catalogue

ALL = (frames.models, frames.offers, frames.prices, frames.price_history, frames.changes)
PAGE = (Path(__file__).parents[1] / "docs" / "exports.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("frame", ALL)
def test_an_empty_catalogue_has_the_same_columns_and_types(database: Database, frame):
    empty = frame(database_url=database.url)
    assert len(empty) == 0
    fill_catalogue(database)
    filled = frame(database_url=database.url)
    assert len(filled) >= 4
    assert empty.dtypes.to_dict() == filled.dtypes.to_dict()


def test_types_are_nullable_and_times_are_in_utc(database: Database):
    fill_catalogue(database)
    models = frames.models("acme", database_url=database.url).set_index("model_id")
    assert models.dtypes["context_length"] == pd.Int64Dtype()
    assert models.dtypes["can_vision"] == pd.BooleanDtype()
    assert models.loc["claude-big", "input_modalities"] == ["image", "text"]
    assert models.loc["painter", "input_modalities"] is None
    assert str(models.first_seen_at.dt.tz) == "UTC"
    assert models.loc["claude-big", "input_price"] == 0.8
    assert models.context_length.sum() == 2_008_191
    assert models.can_vision.sum() == 2
    assert pd.isna(models.loc["painter", "context_length"])


def test_frames_are_written_as_parquet_and_read_back(database: Database, tmp_path: Path):
    fill_catalogue(database)
    for frame in ALL:
        found = frame(database_url=database.url)
        found.to_parquet(tmp_path / "frame.parquet")
        assert list(pd.read_parquet(tmp_path / "frame.parquet").columns) == list(found.columns)


def test_a_frame_of_the_past_and_of_named_providers(database: Database):
    fill_catalogue(database)
    past = datetime(2020, 1, 1)  # noqa: DTZ001 - taken as UTC
    assert len(frames.models(as_of=past, database_url=database.url)) == 0
    assert len(frames.prices(as_of=past, database_url=database.url)) == 0
    assert set(frames.prices("acme", database_url=database.url).component) == {"cache_read", "image", "input", "output"}
    for frame in ALL:
        with pytest.raises(UnknownProviderError):
            frame("nobody", database_url=database.url)


def test_offers_name_their_canonical_model(database: Database):
    fill_catalogue(database)
    with database.session() as session:
        catalog.canonical.refresh(session)
        session.commit()
    offers = frames.offers(database_url=database.url).set_index("model_id")
    assert len(offers) == len(ACME)
    assert pd.notna(offers.loc["claude-big", "canonical_id"])


def test_the_example_of_the_page_works(database: Database, monkeypatch: pytest.MonkeyPatch):
    fill_catalogue(database)
    monkeypatch.setenv("PROVIDER_PIPELINE_DATABASE_URL", database.url)
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    found: dict = {}
    exec(compile(example, "docs/exports.md", "exec"), found)
    assert list(found["cheapest"].model_id) == ["text-embedding-3", "claude-big"]
    assert len(found["vision"]) == 2
