"""The code location as Dagster loads it."""

import os
import subprocess
import sys
from datetime import UTC, datetime

import dagster as dg

from provider_pipeline.asset_checks import CHECK_SPECS, EXTRACTION, PROVIDERS, RAW, TABLE
from provider_pipeline.assets import RULE
from provider_pipeline.definitions import defs
from provider_pipeline.schedules import hourly_sync_schedule

GRAPH = defs.resolve_asset_graph()


def test_the_definitions_load_and_every_reference_resolves():
    dg.Definitions.validate_loadable(defs)


def test_importing_the_definitions_needs_no_environment():
    code = "import provider_pipeline.definitions"
    environment = {"PATH": os.environ["PATH"], "PYTHONWARNINGS": "error::ResourceWarning"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=120)


def test_the_lineage_leads_from_the_raw_response_to_the_table():
    assert GRAPH.get(EXTRACTION).parent_keys == {RAW, RULE}
    assert GRAPH.get(TABLE).parent_keys == {EXTRACTION}
    assert {GRAPH.get(key).partitions_def for key in (RAW, RULE, EXTRACTION, TABLE)} == {PROVIDERS}


def test_every_definition_says_what_it_is():
    for key in (RAW, RULE, EXTRACTION, TABLE):
        node = GRAPH.get(key)
        assert node.description
        assert node.group_name == "provider_catalog"
        assert node.owners
        assert node.kinds
        assert node.code_version
    assert all(spec.description for spec in CHECK_SPECS)
    assert {spec.name for spec in CHECK_SPECS if spec.blocking} == {"rule_extracts_models", "listing_is_plausible"}


def test_the_table_shows_its_columns_with_their_comments():
    schema = GRAPH.get(TABLE).metadata["dagster/column_schema"]
    columns = {column.name: column.description for column in schema.columns}
    assert "model_id" in columns
    assert all(columns.values())


def test_the_hourly_schedule_requests_the_fleet_run_without_a_partition():
    context = dg.build_schedule_context(scheduled_execution_time=datetime(2026, 1, 1, 5, tzinfo=UTC))
    (request,) = hourly_sync_schedule.evaluate_tick(context).run_requests
    assert request.partition_key is None
    assert request.run_key == "2026-01-01T05:00:00+00:00"
    assert hourly_sync_schedule.cron_schedule == "0 * * * *"
