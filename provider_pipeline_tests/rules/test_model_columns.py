from pathlib import Path

import provider_pipeline
from provider_pipeline.rules.model_columns import (
    HEADINGS,
    LIMIT_COLUMNS,
    PRICE_COLUMNS,
    PROVIDER_MODEL_COLUMNS,
    ROW_COLUMNS,
)
from provider_pipeline.rules.overrides import OVERRIDABLE
from provider_pipeline.rules.rows import MEANINGFUL_COLUMNS


def test_only_columns_of_a_listing_are_hashed_or_overridden():
    assert {*MEANINGFUL_COLUMNS, *OVERRIDABLE} < set(ROW_COLUMNS)


def test_a_rows_own_id_and_provenance_are_not_for_people_to_set():
    assert set(ROW_COLUMNS) - set(OVERRIDABLE) == {"model_id", "capability_sources", "meta_hash"}


def test_the_hash_covers_everything_listed_but_provenance_knowledge_and_itself():
    assert set(ROW_COLUMNS) - set(MEANINGFUL_COLUMNS) == {"capability_sources", "family", "meta_hash"}


def test_a_number_with_a_unit_can_be_unknown_and_only_such_numbers_have_a_heading():
    numbers = [column for column in PROVIDER_MODEL_COLUMNS if column.unit is not None]
    assert tuple(column.name for column in numbers) == (*LIMIT_COLUMNS, *PRICE_COLUMNS)
    assert set(HEADINGS) <= {column.name for column in numbers}
    assert all(column.nullable for column in numbers)


def test_no_statement_names_a_column_of_a_listing_that_could_be_composed():
    statements = Path(provider_pipeline.__file__).with_name("catalog") / "statements"
    texts = {path.name: path.read_text() for path in statements.glob("*.sql")}
    assert texts
    composed = [*LIMIT_COLUMNS, *PRICE_COLUMNS, "input_modalities", "output_modalities"]
    assert [(name, column) for name, text in texts.items() for column in composed if column in text] == []
