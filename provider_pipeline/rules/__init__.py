"""Extraction rules: their language, running them, judging the rows, generating rules. See docs/rules.md.

Pure: no I/O but reading this package's own data files, no dagster, no database.
"""

from typing import TYPE_CHECKING

from provider_pipeline.lazy import lazy_submodules

if TYPE_CHECKING:
    from provider_pipeline.rules import (
        comparison as comparison,
        costs as costs,
        difference as difference,
        document as document,
        drift as drift,
        extraction as extraction,
        generation as generation,
        growth as growth,
        history as history,
        ids as ids,
        issues as issues,
        item_memory as item_memory,
        jmespath_compiler as jmespath_compiler,
        judge as judge,
        knowledge as knowledge,
        language as language,
        limits as limits,
        lineage as lineage,
        matching as matching,
        mining as mining,
        mining_limits as mining_limits,
        model_columns as model_columns,
        model_prices as model_prices,
        moments as moments,
        overrides as overrides,
        pagination as pagination,
        patterns as patterns,
        plausibility as plausibility,
        rows as rows,
        stated_rule as stated_rule,
        thresholds as thresholds,
        validator as validator,
        values as values,
        variants as variants,
    )
else:
    __getattr__ = lazy_submodules(__name__)
