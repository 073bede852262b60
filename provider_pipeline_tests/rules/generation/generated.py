"""Rules generated from samples, and the rows that they extract from them."""

from typing import Any

from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline.rules.generation.samples import EndpointSample
from provider_pipeline.rules.validator import RuleValidator

PRICES = {"m-1": (0.5, 2.0), "m-2": (0.25, 1.25), "m-3": (3.0, 15.0)}
"""Input and output prices of three models, in USD per million tokens."""


def rows_of(sample):
    result = RuleValidator().validate_rule(RuleGenerator().analyze_sample(sample), sample)
    assert result["valid"], result["issues"]
    return {row["model_id"]: row for row in result["extracted_models"]}


def prices_of(sample):
    """Input and output price by model."""
    return {name: (row["input_price"], row["output_price"]) for name, row in rows_of(sample).items()}


def generated(*parts: tuple[str, Any]) -> dict[str, Any]:
    return RuleGenerator().analyze_endpoints([EndpointSample(document, path) for path, document in parts])


def with_modalities(*texts: str) -> dict[str, Any]:
    """One model for each of these modalities, which it gives; all take all of them."""
    data = [{"id": f"zorb-{text}", "input_modalities": list(texts), "output_modalities": [text]} for text in texts]
    return {"data": data}


MISLEADING = [with_modalities("text", "image"), with_modalities("TEXT", "IMAGE")]
"""Each spells modalities so that, by the other's predicates, none of its models gives text."""
