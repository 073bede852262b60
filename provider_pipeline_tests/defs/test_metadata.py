"""The metadata beside an event: what it says, and how large it may get."""

import json

import dagster as dg

from provider_pipeline.catalog.model_writes import ModelChange
from provider_pipeline.catalog.models import Preview
from provider_pipeline.defs.metadata import (
    MAX_TEXT,
    bounded_json,
    changes_markdown,
    column_lineage,
    extraction_metadata,
    item_schema,
    rule_markdown,
    table_metadata,
)
from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline.sync.outcome import SyncOutcome
from provider_pipeline.sync.plan import AcceptedGuards
from provider_pipeline_tests.rules import samples

RULE = ExtractionRule.parse(RuleGenerator().analyze_sample(samples.RICH))


def synced(*changes: ModelChange, **counts) -> SyncOutcome:
    total = counts.pop("total_changes", len(changes))
    return SyncOutcome("acme", "synced", changes=changes, total_changes=total, rule=RULE, **counts)


def shown(*changes: ModelChange, **counts) -> str:
    return changes_markdown(synced(*changes, **counts)).value


def test_a_changed_price_is_shown_before_and_after_with_the_difference_in_percent():
    change = ModelChange("gpt-4o", "updated", {"input_price": [2.5, 3.0]})
    text = shown(change, updated=1)
    assert "**1 updated**" in text
    assert "USD per million tokens" in text
    assert "| `gpt-4o` | input_price | 2.5 | 3 | +20.0% |" in text


def test_a_price_that_was_unknown_or_free_has_no_percentage():
    change = ModelChange("gpt-4o", "updated", {"input_price": [None, 3.0], "output_price": [0, 1]})
    rows = shown(change, updated=1).splitlines()
    assert "| `gpt-4o` | input_price | unknown | 3 |  |" in rows
    assert "| `gpt-4o` | output_price | 0 | 1 |  |" in rows


def test_each_price_that_changed_is_a_row_with_its_unit():
    image = {"amount": 0.05, "unit": "image", "currency": "EUR"}
    read = {"amount": 1.25e-8, "unit": "million_tokens", "currency": "USD"}
    change = {"prices.cache_read": [read, {**read, "amount": 2.5e-8}], "prices.image": [None, image]}
    rows = shown(ModelChange("gpt-4o", "updated", change), updated=1).splitlines()
    assert "| `gpt-4o` | prices.cache_read | 0.0000000125 | 0.000000025 | +100.0% |" in rows
    assert "| `gpt-4o` | prices.image | unknown | 0.05 EUR per image |  |" in rows


def test_models_that_were_added_renamed_or_went_missing_are_named():
    text = shown(
        ModelChange("gpt-5", "added", {}),
        ModelChange("openai/gpt-4o", "renamed", {"model_id": ["gpt-4o", "openai/gpt-4o"], "status": ["missing", "x"]}),
        ModelChange("gpt-4", "missing", {"status": ["active", "missing"]}),
        ModelChange("gpt-4o", "missing", {"status": ["active", "missing"], "renamed_to": [None, "openai/gpt-4o"]}),
        created=1,
        renamed=1,
        missing=2,
    )
    assert "**1 added**: `gpt-5`" in text
    assert "**1 renamed**: `openai/gpt-4o` (was `gpt-4o`)" in text
    assert "**2 missing**: `gpt-4`, `gpt-4o` (now `openai/gpt-4o`)" in text
    assert "| model |" not in text


def test_only_the_changed_members_of_an_object_are_shown():
    before, after = {"chat": True, "vision": False}, {"chat": True, "vision": True}
    change = ModelChange("gpt-4o", "updated", {"capabilities": [before, after], "capability_sources": [{}, {}]})
    text = shown(change, updated=1)
    assert "| `gpt-4o` | capabilities.vision | no | yes |  |" in text
    assert "chat" not in text


def test_changes_caused_by_a_rule_or_a_person_are_marked():
    text = shown(
        ModelChange("a", "updated", {"family": ["x", "y"]}, cause="rule"),
        ModelChange("b", "updated", {"family": ["x", "y"]}, cause="override"),
        updated=2,
    )
    assert "| `a` (another rule) |" in text
    assert "| `b` (set by people) |" in text


def test_a_sync_without_changes_says_so():
    assert shown(unchanged=12) == "Nothing changed: 12 models are as they were."


def test_thousands_of_changes_are_counted_and_the_first_are_shown():
    added = [ModelChange(f"model-{number}", "added", {}) for number in range(50)]
    text = shown(*added, created=5_000, total_changes=5_000)
    assert "**5,000 added**" in text
    assert "and 4,975 more" in text
    assert "provider-pipeline changes --provider acme" in text


def test_what_a_provider_sends_stays_in_its_cell_and_within_bounds():
    hostile = "a|b`c\n## d<script>" + "x" * 10_000
    changes = [ModelChange(f"{n}{hostile}", "updated", {"display_name": [hostile, f"{n}"]}) for n in range(50)]
    text = shown(*changes, updated=50)
    assert len(text) < 2 * MAX_TEXT
    assert "\n## d" not in text
    table = [line for line in text.splitlines() if line.startswith("| ")]
    assert {line.replace("\\|", "").count("|") for line in table} == {6}


def test_accepted_guards_are_shown_with_their_author_and_reason():
    accepted = AcceptedGuards(frozenset({"turnover", "shrink"}), "they *announced* it", author="Dagster run 1")
    metadata = table_metadata(synced(), accepted)
    assert metadata["accepted"].value == r"**shrink, turnover**, by Dagster run 1: they \*announced\* it"
    assert "accepted" not in table_metadata(synced(), None)


def test_a_write_has_numbers_to_plot():
    metadata = table_metadata(synced(models=5, renamed=2, seconds=0.12345, byte_count=10), None)
    plotted = ("models", "created", "updated", "renamed", "missing", "removed", "restored", "unchanged", "bytes")
    assert all(type(metadata[name]) is int for name in plotted)
    assert (metadata["renamed"], metadata["seconds"]) == (2, 0.123)


def test_an_unknown_coverage_is_left_out_and_not_plotted_as_none():
    for metadata in (extraction_metadata, lambda outcome: table_metadata(outcome, None)):
        assert "capability_coverage" not in metadata(SyncOutcome("acme", "synced", models=1))
        known = SyncOutcome("acme", "synced", models=1, capability_coverage=0.0)
        assert metadata(known)["capability_coverage"] == 0.0


def test_the_table_is_previewed_with_what_is_known_of_it():
    row = {"model_id": "a|b", "context_length": 128_000, "input_price": 2.5, "output_price": None}
    unknown = {"model_id": "c", "context_length": None, "input_price": 0, "output_price": None, "capabilities": {}}
    rows = [{**row, "capabilities": {"tools": True, "chat": True, "vision": False}}, unknown]
    metadata = table_metadata(synced(), None, Preview(rows, models=40, priced=30, with_context=35))
    assert metadata["preview"].value.splitlines()[2:] == [
        "| `a\\|b` | 128,000 | 2.5 |  | chat, tools |",
        "| `c` |  | 0 |  |  |",
        "",
        "The newest 2 of 40 models.",
    ]
    assert (metadata["models_with_price"], metadata["models_with_context"]) == (30, 35)
    assert "preview" not in table_metadata(synced(), None)


def test_a_rule_is_shown_as_a_table_of_its_fields_and_units():
    text = rule_markdown(RULE).value
    assert "| input_price | `pricing.prompt` | usd_per_token |" in text
    assert "`data[*]`" in text
    assert "vision" in text


def test_every_source_of_a_column_is_a_field_of_the_response():
    lineage = column_lineage(RULE).deps_by_column
    assert lineage["input_price"] == [dg.TableColumnDep(dg.AssetKey("raw_models_response"), "pricing.prompt")]
    fields = {column.name for column in item_schema(RULE).columns}
    assert {dep.column_name for deps in lineage.values() for dep in deps} == fields


def test_json_keeps_what_fits():
    assert bounded_json([{"a": 1}]).value == [{"a": 1}]
    many = bounded_json([{"text": "x" * 1_000}] * 1_000).value
    assert 0 < len(many) < 1_000
    assert len(json.dumps(many)) <= 2 * MAX_TEXT
    parts = bounded_json({"large": "x" * 10 * MAX_TEXT, "small": 1}).value
    assert parts == {"small": 1, "left_out": ["large"]}
