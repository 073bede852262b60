"""Extraction rules: their language, writing them from samples, running them and judging what they give.

Pure: no input or output besides this package's own data files, no dagster, no database. Explained in docs/rules.md.
"""

from typing import TYPE_CHECKING

from provider_pipeline.lazy import loaded_on_use

if TYPE_CHECKING:
    from provider_pipeline.rules.capabilities import capability_names
    from provider_pipeline.rules.comparison import COMPARED_FIELDS, Comparison, FieldComparison, RowComparer
    from provider_pipeline.rules.controls import escaped, has_controls
    from provider_pipeline.rules.difference import (
        RuleDifference,
        code_span,
        difference_lines,
        difference_markdown,
        rule_differences,
    )
    from provider_pipeline.rules.document import (
        CapabilityRule,
        Detail,
        Endpoint,
        ExtractionRule,
        StoredRule,
        parse_capability_rules,
    )
    from provider_pipeline.rules.drift import Difference, describe_drift
    from provider_pipeline.rules.generation.explain import explain_rule
    from provider_pipeline.rules.generation.generator import RuleGenerator
    from provider_pipeline.rules.generation.likeness import Likeness, model_likeness
    from provider_pipeline.rules.generation.samples import EndpointSample
    from provider_pipeline.rules.guards import GUARDS, PLAUSIBILITY_ISSUES, holding_guards
    from provider_pipeline.rules.history import LAST, SAME, UNKNOWN, Baseline, Once, RowsInMemory
    from provider_pipeline.rules.ids import normalise_id
    from provider_pipeline.rules.inheritance import with_inherited_fields
    from provider_pipeline.rules.judge import ListingJudge, Verdict
    from provider_pipeline.rules.lineage import column_sources
    from provider_pipeline.rules.matching import CapabilityMatcher
    from provider_pipeline.rules.merging import last_of_each
    from provider_pipeline.rules.mining import Fact, propose_patterns
    from provider_pipeline.rules.mining_limits import MIN_PRECISION, MIN_SUPPORT
    from provider_pipeline.rules.overriding import (
        apply_override,
        checked_value,
        combined_override,
        listed_values,
        override_fields,
    )
    from provider_pipeline.rules.pagination import Pagination, parse_pagination
    from provider_pipeline.rules.places import place_changes, with_places_of
    from provider_pipeline.rules.profile import Profile
    from provider_pipeline.rules.rows import ROW_COLUMNS, content_digest, meta_hash
    from provider_pipeline.rules.shipped import LEARNT_FILE, Learnt, learn_shipped, learnt_text, shipped_facts
    from provider_pipeline.rules.succession import MOVING_COLUMNS
    from provider_pipeline.rules.thresholds import Thresholds
    from provider_pipeline.rules.validator import RuleValidator
else:
    __getattr__ = loaded_on_use(__name__)

__all__ = [
    "COMPARED_FIELDS",
    "GUARDS",
    "LAST",
    "LEARNT_FILE",
    "MIN_PRECISION",
    "MIN_SUPPORT",
    "MOVING_COLUMNS",
    "PLAUSIBILITY_ISSUES",
    "ROW_COLUMNS",
    "SAME",
    "UNKNOWN",
    "Baseline",
    "CapabilityMatcher",
    "CapabilityRule",
    "Comparison",
    "Detail",
    "Difference",
    "Endpoint",
    "EndpointSample",
    "ExtractionRule",
    "Fact",
    "FieldComparison",
    "Learnt",
    "Likeness",
    "ListingJudge",
    "Once",
    "Pagination",
    "Profile",
    "RowComparer",
    "RowsInMemory",
    "RuleDifference",
    "RuleGenerator",
    "RuleValidator",
    "StoredRule",
    "Thresholds",
    "Verdict",
    "apply_override",
    "capability_names",
    "checked_value",
    "code_span",
    "column_sources",
    "combined_override",
    "content_digest",
    "describe_drift",
    "difference_lines",
    "difference_markdown",
    "escaped",
    "explain_rule",
    "has_controls",
    "holding_guards",
    "last_of_each",
    "learn_shipped",
    "learnt_text",
    "listed_values",
    "meta_hash",
    "model_likeness",
    "normalise_id",
    "override_fields",
    "parse_capability_rules",
    "parse_pagination",
    "place_changes",
    "propose_patterns",
    "rule_differences",
    "shipped_facts",
    "with_inherited_fields",
    "with_places_of",
]
