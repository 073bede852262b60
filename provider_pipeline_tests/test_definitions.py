"""The code location, as Dagster loads it."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import dagster as dg
import yaml

from provider_pipeline.definitions import build_defs, defs
from provider_pipeline.defs.checks import CHECK_SPECS
from provider_pipeline.defs.exports import EXPORT_IS_COMPLETE
from provider_pipeline.defs.jobs import catalog_outputs_job
from provider_pipeline.defs.keys import CANONICAL, EXPORT, EXTRACTION, PROVIDERS, RAW, REPORT, RULE, TABLE
from provider_pipeline.defs.report import report_is_current
from provider_pipeline.defs.resources import CatalogResource
from provider_pipeline.defs.shards import SHARD

ROOT = Path(__file__).parents[1]
STAGE = "provider_pipeline/stage"
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


def test_what_follows_the_table_is_renewed_by_one_job():
    selection = catalog_outputs_job.selection
    assert selection.resolve(GRAPH) == {CANONICAL, EXPORT, REPORT}
    assert {key.name for key in selection.resolve_checks(GRAPH)} == {"export_is_complete", "report_is_current"}


def test_every_asset_has_a_description_an_owner_and_a_page():
    nodes = [GRAPH.get(key) for key in GRAPH.materializable_asset_keys]
    assert len(nodes) == 8
    for node in nodes:
        for shown in (node.description, node.owners, node.kinds, node.code_version, node.tags.get(STAGE)):
            assert shown, node.key
        assert node.group_name == "provider_catalog"
        assert_explained(node.metadata)


def test_every_check_has_a_description_and_a_page():
    checks = list(GRAPH.asset_check_keys)
    specs = [*CHECK_SPECS, EXPORT_IS_COMPLETE, *report_is_current.check_specs]
    assert {key.name for key in checks} == {spec.name for spec in specs}
    for spec in specs:
        assert spec.description, spec.key
        assert_explained(spec.metadata)
    assert {spec.name for spec in CHECK_SPECS if spec.blocking} == {"rule_extracts_models", "listing_is_plausible"}


def test_every_job_schedule_and_sensor_has_a_description_an_owner_and_a_page():
    repository = defs.get_repository_def()
    jobs = [job for job in repository.get_all_jobs() if not job.name.startswith("__")]
    listed = [*jobs, *repository.schedule_defs, *repository.sensor_defs]
    assert len(listed) == 11
    for each in listed:
        assert each.description, each.name
        assert each.metadata["owner"].value == "team:data-platform", each.name
        assert_explained(each.metadata)
    assert {job.run_tags["provider_pipeline/launch"] for job in jobs} == {"fleet", "repair", "digest", "outputs"}


def assert_explained(metadata: Mapping[str, object]) -> None:
    """The page exists in this repository, and the heading on it."""
    name, _, anchor = str(metadata["documentation"].value).partition("#")
    page = (ROOT / name).read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.+)$", page, flags=re.MULTILINE)
    assert not anchor or anchor in {heading.lower().replace(" ", "-") for heading in headings}, anchor


def test_owners_and_times_are_the_adopters():
    resource = CatalogResource(database_url=dg.EnvVar("CATALOG_URL"))
    ours = build_defs(
        owners=["team:gateway", "ann@example.com"],
        hourly_cron="5 */2 * * *",
        daily_cron="0 6 * * *",
        resources={"provider_database": resource},
    )
    specs = [spec for assets_def in ours.assets for spec in assets_def.specs]
    assert {tuple(spec.owners) for spec in specs} == {("team:gateway", "ann@example.com")}
    owned = [*ours.jobs, *ours.schedules, *ours.sensors]
    assert len(owned) == 11
    assert {each.metadata["owner"].value for each in owned} == {"team:gateway"}
    assert {each.name: each.cron_schedule for each in ours.schedules} == {
        "hourly_sync_schedule": "5 */2 * * *",
        "daily_digest_schedule": "0 6 * * *",
    }
    assert ours.resources["provider_database"] is resource


def test_loading_warns_of_nothing():
    code = (
        "import dagster as dg; from provider_pipeline.definitions import defs; dg.Definitions.validate_loadable(defs)"
    )
    environment = {"PATH": os.environ["PATH"], "PYTHONWARNINGS": "error"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=120)


def test_the_table_shows_its_columns_with_their_comments():
    schema = GRAPH.get(TABLE).metadata["dagster/column_schema"]
    columns = {column.name: column.description for column in schema.columns}
    assert "model_id" in columns
    assert all(columns.values())


def test_the_settings_let_one_run_of_a_shard_run_at_a_time_and_keep_room_beside_fleets_and_repairs():
    settings = yaml.safe_load((ROOT / "provider_pipeline" / "deploy" / "dagster.yaml").read_text(encoding="utf-8"))
    runs = settings["concurrency"]["runs"]
    shard, *launches = runs["tag_concurrency_limits"]
    assert shard == {"key": SHARD, "value": {"applyLimitPerUniqueValue": True}, "limit": 1}
    # The whole fleet is a shard too: without shards, one fleet run at a time.
    assert defs.resolve_job_def("sync_all_providers_job").run_tags[SHARD] == "1/1"
    limits = {each["value"]: each["limit"] for each in launches}
    assert limits["fleet"] < runs["max_concurrent_runs"]
    assert limits["repair"] < runs["max_concurrent_runs"]
    assert {each["key"] for each in launches} == {"provider_pipeline/launch"}
    assert "run_queue" not in settings  # Dagster refuses both
