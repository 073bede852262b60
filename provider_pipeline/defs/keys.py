"""The names that the Dagster definitions share: asset keys, partitions, and the labels that people sort them by.

Here: names only. Not here: the definitions that bear them (`defs/assets.py`, `defs/checks.py` and their neighbours).
"""

from collections.abc import Mapping

import dagster as dg

PROVIDERS = dg.DynamicPartitionsDefinition(name="providers")

RULE = dg.AssetKey("extraction_rule")
RAW = dg.AssetKey("raw_models_response")
EXTRACTION = dg.AssetKey("validated_extraction")
TABLE = dg.AssetKey("provider_model")
DIGEST = dg.AssetKey("change_digest")

GROUP = "provider_catalog"
OWNERS = ["team:data-platform"]
CODE_VERSION = "1"

HOW_A_SYNC_WORKS = "README.md#how-a-sync-keeps-the-table-safe"
OPERATIONS = "README.md#operations"


def stage(name: str) -> dict[str, str]:
    """The tag that says where in the pipeline an asset belongs, to select by.

    Args:
        name: `rule`, `fetch`, `judge`, `write` or `report`.
    """
    return {"provider_pipeline/stage": name}


def documented(page: str) -> Mapping[str, dg.PathMetadataValue]:
    """Metadata that names the page of this repository where a definition is explained.

    Args:
        page: Its path in the repository, and a heading's anchor where needed.
    """
    return {"documentation": dg.MetadataValue.path(page)}


def kept_by_owner(page: str) -> Mapping[str, dg.MetadataValue[str]]:
    """Metadata that names the owner too, for jobs, schedules and sensors.

    Their own `owners` are in beta in every release that pyproject.toml allows, and warn in every process of a run.

    Args:
        page: As in `documented`.
    """
    return {"owner": dg.MetadataValue.text(OWNERS[0]), **documented(page)}
