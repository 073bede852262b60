"""Peers' price files as overrides. What the peers themselves make of prices is in `provider_pipeline_tests/peers`."""

import pytest

from provider_pipeline.errors import ConfigurationError
from provider_pipeline.overrides import peers
from provider_pipeline.overrides.peers import read_peer

LITELLM = {
    "sample_spec": {"litellm_provider": "one of a list", "input_cost_per_token": 0.0},
    "gemini/pro": {
        "litellm_provider": "gemini",
        "input_cost_per_token": 1.25e-06,
        "input_cost_per_token_above_200k_tokens": 2.5e-06,
        "input_cost_per_token_priority": 9e-06,
        "input_cost_per_token_above_200k_tokens_priority": 1.8e-05,
        "output_cost_per_second_1080p": 0.4,
        "input_cost_per_pixel": 2e-08,
        "cache_read_input_token_cost": 1.25e-07,
        "output_cost_per_token_batches": 5e-06,
        "input_cost_per_audio_token": 1e-06,
        "output_cost_per_token": 0.0,
        "source": "https://peer.example/pricing",
    },
    "deepseek-chat": {"litellm_provider": "deepseek", "input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06},
    "deepseek/deepseek-chat": {
        "litellm_provider": "deepseek",
        "input_cost_per_token": 3e-06,
        "output_cost_per_token": 2e-06,
    },
    "deepseek/night": {"litellm_provider": "deepseek", "input_cost_per_token": 1e-06, "off_peak_pricing": {}},
    "azure/gpt": {"litellm_provider": "azure", "input_cost_per_token": 1e-06},
}
GENAI = [
    {
        "id": "google",
        "pricing_urls": ["https://peer.example/genai"],
        "models": [
            {
                "id": "pro",
                "match": {"or": [{"equals": "pro"}, {"starts_with": "pro-"}, {"regex": "^pr[0-9]$"}]},
                "prices": {
                    "input_mtok": {"base": 1.25, "tiers": [{"start": 200000, "price": 2.5}]},
                    "requests_kcount": 35,
                    "input_video_mtok": 3,
                },
            },
            {
                "id": "flash",
                "match": {"and": [{"contains": "flash"}, {"contains": "8b"}]},
                "prices": {"input_mtok": 1},
            },
            {
                "id": "dated",
                "match": {"equals": "dated"},
                "prices": [
                    {"prices": {"input_mtok": 2, "cache_read_mtok": 1}},
                    {"constraint": {"start_date": "2026-06-01"}, "prices": {"input_mtok": "3"}},
                ],
            },
            {
                "id": "night",
                "match": {"equals": "night"},
                "prices": [{"prices": {"input_mtok": 2}}, {"constraint": {"start_time": "00:30:00Z"}, "prices": {}}],
            },
        ],
    },
    {"id": "aws", "models": [{"id": "x", "match": {"equals": "x"}, "prices": {"input_mtok": 1}}]},
]


def prices(found, target):
    return {
        each.field.removeprefix("prices."): (each.value["amount"], each.unit, each.value.get("tiers", []))
        for _, each in found.entries
        if each.target == target
    }


def test_litellms_keys_become_components_with_tiers_and_fill_gaps():
    found = read_peer("litellm", LITELLM, version="1.110.2", slugs=["gemini", "deepseek"])
    assert prices(found, "pro") == {
        "input": (1.25e-06, "usd_per_token", [{"above": 200_000, "amount": 2.5e-06}]),
        "cache_read": (1.25e-07, "usd_per_token", []),
        "output_batch": (5e-06, "usd_per_token", []),
        "input_audio": (1e-06, "usd_per_token", []),
        "input_priority": (9e-06, "usd_per_token", [{"above": 200_000, "amount": 1.8e-05}]),
        "video_second_1080p": (0.4, "usd_per_second", []),
    }
    (entry, *_) = (each for _, each in found.entries if each.target == "pro")
    assert (entry.reason, entry.source, entry.fills_gaps) == ("litellm 1.110.2", "https://peer.example/pricing", True)


def test_litellms_prices_by_range_become_tiers_and_win_over_those_beside_them():
    ranged = {
        "litellm_provider": "dashscope",
        "input_cost_per_token": 9e-06,
        "cache_read_input_token_cost": 1e-07,
        "cache_creation_input_token_cost_above_64k_tokens": 1e-06,
        "tiered_pricing": [
            {"range": [0, 32000.0], "input_cost_per_token": 1e-06, "output_cost_per_token": 4e-06},
            {"range": [32000.0, 128000.0], "input_cost_per_token": 2e-06},
        ],
    }
    by_results = {"litellm_provider": "dashscope", "tiered_pricing": [{"max_results_range": [0, 25]}]}
    document = {"dashscope/qwen": ranged, "dashscope/search": by_results}
    found = read_peer("litellm", document, version="1", slugs=["dashscope"])
    assert prices(found, "qwen") == {
        "input": (1e-06, "usd_per_token", [{"above": 32_000, "amount": 2e-06}]),
        "cache_read": (1e-07, "usd_per_token", []),
    }
    assert found.skipped == {peers.SOME_SIZES: 2, peers.OTHER_COMPONENT: 1}


def test_what_litellm_states_twice_differently_or_what_has_no_counterpart_is_counted():
    found = read_peer("litellm", LITELLM, version="1", slugs=["gemini", "deepseek"])
    assert prices(found, "deepseek-chat") == {"output": (2e-06, "usd_per_token", [])}
    assert found.skipped == {
        peers.UNREGISTERED: 2,
        peers.OTHER_COMPONENT: 1,
        peers.ZERO: 1,
        peers.DISPUTED: 1,
        peers.TIME_OF_DAY: 1,
    }


def test_genai_prices_clauses_become_ids_and_patterns_and_its_tiers_hold_above_their_start():
    found = read_peer("genai-prices", GENAI, version="0.2.3", slugs=["gemini"])
    expected = {
        "input": (1.25, "usd_per_million_tokens", [{"above": 200_000, "amount": 2.5}]),
        "request": (35, "usd_per_thousand_requests", []),
    }
    assert [prices(found, target) for target in ("pro", "pro-*", ".*(?:^pr[0-9]$).*")] == [expected] * 3
    assert found.skipped == {
        peers.UNREGISTERED: 1,
        peers.OTHER_COMPONENT: 1,
        peers.NOT_A_PATTERN: 1,
        peers.TIME_OF_DAY: 1,
    }


def test_a_period_of_genai_prices_ends_where_the_next_begins():
    found = read_peer("genai-prices", GENAI, version="0.2.3", slugs=["gemini"])
    dated = [
        (each.field, each.value["amount"], each.valid_from and each.valid_from.date().isoformat(), bool(each.expires))
        for _, each in found.entries
        if each.target == "dated"
    ]
    assert dated == [
        ("prices.input", 2, None, True),
        ("prices.cache_read", 1, None, True),
        ("prices.input", 3, "2026-06-01", False),
    ]


def variant(price, since=None, **when):
    constraint = {"constraint": {"start_date": since}} if since else {}
    return {"when": when, **constraint, "prices": {"input_mtok": price}}


def test_genai_prices_variants_are_prices_of_services_and_the_first_in_force_wins():
    variants = [
        variant(4, "2027-01-01", processing="batch"),
        variant(3, "2026-06-01", processing="batch"),
        variant(9, "2026-12-01", processing="batch"),  # never in force: the one before is
        {"when": {"service_tier": "flex"}, "prices": {"input_mtok": 2, "cache_write_mtok": 1, "output_mtok": "5"}},
        {"when": {"service_tier": "priority"}, "constraint": {"start_time": "00:30:00Z"}, "prices": {"input_mtok": 1}},
        variant(7, speed="fast"),
    ]
    model = {"id": "pro", "match": {"equals": "pro"}, "prices": {"input_mtok": 6}, "price_variants": variants}
    found = read_peer("genai-prices", [{"id": "google", "models": [model]}], version="1", slugs=["gemini"])
    read = [
        (
            each.field.removeprefix("prices."),
            each.value["amount"],
            each.valid_from and each.valid_from.date().isoformat(),
            each.expires and each.expires.date().isoformat(),
        )
        for _, each in found.entries
    ]
    assert read == [
        ("input", 6, None, None),
        ("input_batch", 4, "2027-01-01", None),
        ("input_batch", 3, "2026-06-01", "2027-01-01"),
        ("input_flex", 2, None, None),
        ("output_flex", 5, None, None),
    ]
    assert found.skipped == {peers.OTHER_REQUESTS: 1, peers.OTHER_COMPONENT: 1, peers.TIME_OF_DAY: 1}


@pytest.mark.parametrize(("peer", "document"), [("litellm", []), ("litellm", {"a": 1}), ("genai-prices", {})])
def test_another_file_is_refused(peer, document):
    with pytest.raises(ConfigurationError, match="expected"):
        read_peer(peer, document, version="1", slugs=[])
