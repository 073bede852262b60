"""Small answers of invented providers, one for each envelope and field style that is seen in the wild."""

OPENAI_LIKE = {
    "object": "list",
    "data": [
        {"id": "gpt-4o", "object": "model", "created": 1715367049, "owned_by": "acme"},
        {"id": "text-embedding-3-small", "object": "model", "created": 1705948997, "owned_by": "acme"},
        {"id": "whisper-1", "object": "model", "created": 1677532384, "owned_by": "acme-internal"},
    ],
}

CURSOR = {
    "data": [
        {
            "type": "model",
            "id": "claude-opus-4-1",
            "display_name": "Claude Opus 4.1",
            "created_at": "2025-08-05T00:00:00Z",
        },
        {
            "type": "model",
            "id": "claude-3-haiku",
            "display_name": "Claude Haiku 3",
            "created_at": "2024-03-07T00:00:00Z",
        },
    ],
    "has_more": True,
    "first_id": "claude-opus-4-1",
    "last_id": "claude-3-haiku",
}

METHODS = {
    "models": [
        {
            "name": "models/gemini-9-pro",
            "displayName": "Gemini 9 Pro",
            "inputTokenLimit": 1000000,
            "outputTokenLimit": 64000,
            "supportedGenerationMethods": ["generateContent", "countTokens"],
            "thinking": True,
        },
        {
            "name": "models/embedding-009",
            "displayName": "Embedding 009",
            "inputTokenLimit": 2048,
            "outputTokenLimit": 1,
            "supportedGenerationMethods": ["embedContent"],
        },
    ],
    "nextPageToken": "abc",
}

RICH = {
    "data": [
        {
            "id": f"acme/model-{n}b-instruct",
            "name": f"Acme: Model {n}B",
            "created": 1700000000 + 86400 * n,
            "context_length": 4096 * n,
            "architecture": {
                "input_modalities": ["text", *(["image"] if n % 2 else [])],
                "output_modalities": ["text"],
            },
            "pricing": {"prompt": f"{n * 1e-7:.8f}", "completion": f"{n * 4e-7:.8f}", "image": "0", "request": "0"},
            "top_provider": {"context_length": 2048, "max_completion_tokens": 1024 * n},
            "supported_parameters": ["temperature", *(["tools"] if n > 3 else [])],
        }
        for n in range(1, 31)
    ]
}

MAP_OF_MAPS = {
    "acme": {
        "id": "acme",
        "name": "Acme",
        "models": {
            "alpha-7b-chat": {
                "name": "Alpha 7B",
                "limit": {"context": 8192, "output": 2048},
                "cost": {"input": 0.2, "output": 0.4},
            },
            "beta-70b-chat": {
                "name": "Beta 70B",
                "limit": {"context": 32768, "output": 4096},
                "cost": {"input": 0.8, "output": 1.2},
            },
        },
    },
    "zeta": {
        "id": "zeta",
        "name": "Zeta",
        "models": {
            "gamma-13b-chat": {
                "name": "Gamma",
                "limit": {"context": 16384, "output": 4096},
                "cost": {"input": 0.5, "output": 0.5},
            },
        },
    },
}

SEVERAL_ARRAYS = {
    "stt": [
        {
            "name": "nimbus",
            "canonical_name": "nimbus-general",
            "languages": ["en"],
            "uuid": "11111111-2222-4333-8444-555555555555",
        },
        {
            "name": "nimbus-2",
            "canonical_name": "nimbus-2-phone",
            "languages": ["en"],
            "uuid": "11111111-2222-4333-8444-555555555556",
        },
    ],
    "tts": [
        {
            "name": "hera",
            "canonical_name": "stratus-hera-en",
            "languages": ["en"],
            "uuid": "11111111-2222-4333-8444-555555555557",
        },
        {
            "name": "zeus",
            "canonical_name": "stratus-zeus-en",
            "languages": ["en"],
            "uuid": "11111111-2222-4333-8444-555555555558",
        },
    ],
}

COMPOSITE = {
    "next": "https://models.example/v1/models?cursor=abc",
    "results": [
        {
            "url": "https://models.example/acme/sdxl",
            "owner": "acme",
            "name": "sdxl",
            "latest_version": {"id": "a" * 40},
        },
        {
            "url": "https://models.example/zeta/sdxl",
            "owner": "zeta",
            "name": "sdxl",
            "latest_version": {"id": "b" * 40},
        },
    ],
}

WRAPPED = {
    "items": [
        {"model": {"id": "alpha-7b", "context_length": 4096}},
        {"model": {"id": "beta-8b", "context_length": 8192}},
    ]
}

UNIT_BY_ROW = {
    "models": [
        {"id": "alpha-chat", "pricing": {"input": 0.6, "output": 1.0, "unit_type": "TOKEN"}},
        {"id": "beta-chat", "pricing": {"input": 0.2, "output": 0.8, "unit_type": "TOKEN"}},
        {"id": "gamma-chat", "pricing": {"input": 0.002, "output": 0.002, "unit_type": "SECOND"}},
    ]
}

ERRORS_FIRST = {"success": True, "errors": [{"id": "warning-1", "message": "slow"}], "result": OPENAI_LIKE["data"]}

ALL = {
    "openai_like": OPENAI_LIKE,
    "bare_list": OPENAI_LIKE["data"],
    "cursor": CURSOR,
    "methods": METHODS,
    "rich": RICH,
    "map": {item["id"]: {key: item[key] for key in item if key != "id"} for item in RICH["data"]},
    "map_of_maps": MAP_OF_MAPS,
    "several_arrays": SEVERAL_ARRAYS,
    "composite": COMPOSITE,
    "wrapped": WRAPPED,
    "unit_by_row": UNIT_BY_ROW,
    "errors_first": ERRORS_FIRST,
}

# A row with every listed column.
ROW = {
    "model_id": "m",
    "display_name": None,
    "family": None,
    "context_length": 10,
    "max_input_tokens": None,
    "max_output_tokens": None,
    "input_modalities": None,
    "output_modalities": None,
    "input_price": 1.0,
    "output_price": 2.0,
    "prices": {
        "input": {"amount": 1.0, "unit": "million_tokens", "currency": "USD"},
        "output": {"amount": 2.0, "unit": "million_tokens", "currency": "USD"},
    },
    "released_on": None,
    "deprecated_on": None,
    "retires_on": None,
    "knowledge_cutoff": None,
    "successor_model_id": None,
    "capabilities": {"chat": True, "vision": False},
    "capability_sources": {"chat": "regex", "vision": "evidence"},
    "metadata_json": {"owned_by": "acme"},
    "meta_hash": "x",
}
