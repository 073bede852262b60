"""docs/listings.md: what the listings of providers state, by the samples of the presets."""

import sys
from collections.abc import Mapping
from typing import Any

from provider_pipeline import RuleValidator
from provider_pipeline.presets.file_rules import first_rule
from provider_pipeline.presets.library import preset_sample, presets

_INTRODUCTION = """# What providers' listings state

Some listings state what a model costs and can do; others are lists of ids. This is what the rules of the presets read
from their samples: a few models in each provider's documented format. A live listing may state more or less.

**yes**: stated for at least one model of the sample. **names**: the listing does not say what its models can do, but
their names suggest it. Empty: not stated, so unknown until you [state or import it](overrides.md).

"""
_COLUMNS = ("provider", "prices", "context", "longest answer", "modalities", "capabilities")


def page() -> str:
    """The whole page."""
    sampled = [slug for slug in presets() if preset_sample(slug) is not None]
    rows = [_row(presets()[slug].name, _sample_rows(slug)) for slug in sampled]
    counts = [f"{sum(row[place] == 'yes' for row in rows)} of {len(rows)}" for place in range(1, len(_COLUMNS))]
    table = [_COLUMNS, ("---",) * len(_COLUMNS), *sorted(rows, key=lambda row: row[0].lower()), ("**yes**", *counts)]
    without = sorted((each.name for slug, each in presets().items() if slug not in sampled), key=str.lower)
    lines = "\n".join(f"| {' | '.join(cells)} |".replace("  |", " |") for cells in table)
    return (
        f"{_INTRODUCTION}{lines}\n\nPresets without a sample, whose rule is written from the first live listing: "
        f"{', '.join(without)}.\n\nThis page is generated: `python -m {__spec__.name} > docs/listings.md`.\n"
    )


def _sample_rows(slug: str) -> list[Mapping[str, Any]]:
    rule = first_rule(presets()[slug])
    assert rule is not None
    rows: list[Mapping[str, Any]] = RuleValidator().validate_rule(rule.to_analysis(), preset_sample(slug))[
        "extracted_models"
    ]
    return rows


def _row(name: str, models: list[Mapping[str, Any]]) -> tuple[str, ...]:
    sources = {source for model in models for source in model["capability_sources"].values()}
    return (
        name,
        _yes(any(model["prices"] for model in models)),
        _yes(any(model["context_length"] or model["max_input_tokens"] for model in models)),
        _yes(any(model["max_output_tokens"] for model in models)),
        _yes(any(model["input_modalities"] or model["output_modalities"] for model in models)),
        "yes" if "evidence" in sources else "names" if sources else "",
    )


def _yes(stated: object) -> str:
    return "yes" if stated else ""


if __name__ == "__main__":
    sys.stdout.write(page())
