"""Names that the Dagster definitions share: asset keys, partitions and labels."""

from collections.abc import Mapping

import dagster as dg

PROVIDERS_NAME = "providers"
PROVIDERS = dg.DynamicPartitionsDefinition(name=PROVIDERS_NAME)

DAYS_NAME = "catalog_days"
# Dynamic, because a daily partitions definition needs its first day when the code is imported, and only the catalogue
# knows the day it began. The keys are ISO dates in UTC.
DAYS = dg.DynamicPartitionsDefinition(name=DAYS_NAME)

RULE = dg.AssetKey("extraction_rule")
RAW = dg.AssetKey("raw_models_response")
EXTRACTION = dg.AssetKey("validated_extraction")
TABLE = dg.AssetKey("provider_model")
DIGEST = dg.AssetKey("change_digest")
CANONICAL = dg.AssetKey("canonical_model")
EXPORT = dg.AssetKey("catalog_export")
REPORT = dg.AssetKey("catalog_report")

GROUP = "provider_catalog"
CODE_VERSION = "1"

HOW_A_SYNC_WORKS = "docs/syncs.md"
OPERATIONS = "docs/dagster.md#what-runs"


def stage(name: str) -> dict[str, str]:
    """The tag for an asset's place in the pipeline: `rule`, `fetch`, `judge`, `write`, `join` or `report`."""
    return {"provider_pipeline/stage": name}


def documented(page: str) -> Mapping[str, dg.PathMetadataValue]:
    """Metadata with the page of this repository, and perhaps its heading, that explains a definition."""
    return {"documentation": dg.MetadataValue.path(page)}
