"""Rows read from a listing that says everything."""

from provider_pipeline.rules.validator import RuleValidator

FIELDS = {
    "id": "id",
    "context_length": "context",
    "max_output_tokens": "output",
    "input_modalities": "takes",
    "output_modalities": "gives",
    "released_on": "released",
    "input_price": "pricing.prompt",
    "output_price": "pricing.completion",
    "price.cache_read": "pricing.input_cache_read",
    "price.cache_write": "pricing.input_cache_write",
    "price.input.above_200000": "pricing.long.prompt",
    "price.output.above_200000": "pricing.long.completion",
    "price.cache_read.above_200000": "pricing.long.input_cache_read",
}
RULE = {
    "jmespath_rule": "data[*]",
    "fields": FIELDS,
    "units": dict.fromkeys(("input_price", "output_price", "price.cache_read", "price.cache_write"), "usd_per_token"),
    "capability_rules": [
        {"capability": "chat", "patterns": {"regex": ["acme-.*", "claude-.*"]}},
    ],
}
_WHOLE = {
    "context": 1_000_000,
    "output": 64_000,
    "takes": ["text", "image"],
    "gives": ["text"],
    "released": "2025-05-14",
}
LISTING = {
    "data": [
        {
            "id": "acme-pro",
            **_WHOLE,
            "pricing": {
                "prompt": "0.00000125",
                "completion": "0.00001",
                "input_cache_read": "0.000000125",
                "input_cache_write": "0.0000015625",
                "long": {"prompt": "0.0000025", "completion": "0.000015", "input_cache_read": "0.00000025"},
            },
        },
        {"id": "acme-tiny", "pricing": {"prompt": "0.0000000125", "completion": "0.00000005"}},
        {"id": "claude-free", **_WHOLE, "takes": ["text"], "pricing": {"prompt": "0", "completion": "0"}},
    ]
}


def _rows() -> list[dict]:
    result = RuleValidator().validate_rule(RULE, LISTING)
    assert result["valid"], result["issues"]
    for row in result["extracted_models"]:
        row["capabilities"] |= {"tools": True, "reasoning": False, "vision": False}
        row["metadata_json"] = {"hugging_face_id": f"acme/{row['model_id']}"}
    return result["extracted_models"]


ROWS = _rows()
