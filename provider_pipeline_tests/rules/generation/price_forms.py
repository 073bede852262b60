"""Forms in which listings write prices, each with what the generated rule reads of it; writes docs/prices.md.

Run `python -m provider_pipeline_tests.rules.generation.price_forms > docs/prices.md`.
"""

import json
import sys
from dataclasses import dataclass, field
from typing import Any, Final

from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.validator import RuleValidator

COMMAND: Final = "python -m provider_pipeline_tests.rules.generation.price_forms > docs/prices.md"

_HEAD: Final = """# Prices

`prices` of a model maps what is charged for (a component) to its amount, unit, currency, and tiers by prompt size.
Amounts are kept in the currency of the listing; nothing is converted. `input_price` and `output_price` are those of
`input` and `output` in USD per million tokens, below the first tier, and empty in any other currency.

{components}

Words, units and currencies are data: `prices.toml` and `units.toml` in `provider_pipeline/rules/data/`. A rule may
read other components too: `price.COMPONENT`, with `price.COMPONENT.above_200000` or `price.COMPONENT.tiers` for its
tiers.

## How a generated rule finds them

- **What is charged for** is in the words of the path and of the labels in lists. A name with a word for a condition
  (`min`, `discount`, `off peak`) or a unit that is not kept (pixels, steps, storage) is not a price of the model.
- **Sizes and qualities** of images and video have prices of their own: `image_hd_1024x1024`, `video_second_1080p`. The
  price of `image` or `video_second` as such stays unknown where a listing has only these.
- **A unit beside a price** (`unit`, or a `type` or `billing` that names one, such as `characters_1m`) decides what is
  charged for, row by row.
- **The unit** of token prices is inferred for the input and the output price together: from the text beside them,
  else from their words, else from their magnitude. Prices beside them share it, and the currency, unless their own
  words differ. Images, seconds and requests are priced one at a time unless words say otherwise.
- **In doubt there is no price**: a magnitude that fits two units, or an input or output price alone without a unit;
  amounts that cannot be true beside the input price; a price that is neither of input nor of output; entries by date
  without a mark of the current one; prices for some hours of the day; a single price of a model for sound, images or
  video, which may be per token, character, second or image. The rule's issue `unread_fields` names what was not read.
- **The currency** is the one in the amount's own text (`2.50 EUR`, `€2.50`), else the one named nearest to the price,
  else around the models, else by the price's name or unit, else by `currency` in the
  [provider's file](provider-files.md), else USD. An issue `other_currency` says where it is not USD. An unknown
  currency (credits, tokens of a chain) gives no price, nor does an amount whose own currency contradicts the item's.
- **Zero** means free where text tokens are billed, unless the model also has a price by the hour. Elsewhere it means
  "does not apply", and a price that is zero for every model is a placeholder.

## Forms

Each line is a test. Prices are in USD per million tokens unless stated otherwise.

{forms}

This page is generated from the tests' table: `{command}`.
"""


@dataclass(frozen=True)
class Form:
    """One form.

    Attributes:
        name: What is special about it.
        item: What a model's item says, besides its id.
        prices: The prices that are right, in `written`'s words; empty if none may be read.
        around: What the answer says around its models.
        model: The model's id.
    """

    name: str
    item: dict[str, Any]
    prices: str
    around: dict[str, Any] = field(default_factory=dict)
    model: str = "gpt-4o"

    @property
    def sample(self) -> dict[str, Any]:
        """An answer with two models that say the same."""
        return {**self.around, "data": [{"id": self.model, **self.item}, {"id": f"{self.model}-2", **self.item}]}

    def read(self) -> str:
        """What the generated rule reads of it."""
        result = RuleValidator().validate_rule(RuleGenerator().analyze_sample(self.sample), self.sample)
        assert result["valid"], result["issues"]
        first, second = (row["prices"] for row in result["extracted_models"])
        assert first == second
        return written(first)


def written(prices: dict[str, Any]) -> str:
    """Prices in a line: `input 1.25 (above 200,000: 2.5), image 0.04 per image`; per million tokens if not said."""
    parts = []
    for component, price in prices.items():
        unit = "" if price["unit"] == "million_tokens" else f" per {price['unit'].replace('_', ' ')}"
        currency = "" if price["currency"] == "USD" else f" {price['currency']}"
        tiers = ", ".join(f"above {tier['above']:,}: {tier['amount']:.10g}" for tier in price.get("tiers", ()))
        parts.append(f"{component} {price['amount']:.10g}{currency}{unit}{f' ({tiers})' if tiers else ''}")
    return ", ".join(parts)


def _pair(label: str, unit: dict[str, Any], amount: str = "price") -> list[dict[str, Any]]:
    return [{label: "input", amount: 2.5, **unit}, {label: "output", amount: 10, **unit}]


_PLAIN: Final = "input 2.5, output 10"
_CACHED: Final = "cache_read 0.25, input 2.5, output 10"
_EUROS: Final = "input 2.5 EUR, output 10 EUR"
_YUAN: Final = "input 18 CNY, output 72 CNY"
_MACHINE: Final = "compute_second 0.002 per second"
_TIERED: Final = "input 2.5 (above 200,000: 5), output 10 (above 200,000: 15)"

FORMS: Final = (
    Form("per token, as texts", {"pricing": {"prompt": "0.0000025", "completion": "0.00001"}}, _PLAIN),
    Form("per million, by magnitude", {"pricing": {"input": 2.5, "output": 10}}, _PLAIN),
    Form("per thousand, by magnitude", {"pricing": {"input": 0.0025, "output": 0.01}}, _PLAIN),
    Form("a magnitude that fits two units", {"pricing": {"prompt": "0.00003", "completion": "0.00006"}}, ""),
    Form(
        "tokens, without their number",
        {"price_unit": "tokens", "prompt_cost": 3e-05, "completion_cost": 6e-05},
        "input 30, output 60",
    ),
    Form("per thousand, by words", {"cost": {"input_per_1k_tokens": 0.0025, "output_per_1k_tokens": 0.01}}, _PLAIN),
    Form("per million, in camel case", {"inputPricePerMillion": 2.5, "outputPricePerMillion": 10}, _PLAIN),
    Form("cents per million", {"input_cents_per_million": 250, "output_cents_per_million": 1000}, _PLAIN),
    Form("cents per token", {"input_cents_per_token": 0.00025, "output_cents_per_token": 0.001}, _PLAIN),
    Form("micro-dollars per million", {"input_price_per_m": 2_500_000, "output_price_per_m": 10_000_000}, _PLAIN),
    Form("nano-dollars per token", {"input_cost_per_token": 2500, "output_cost_per_token": 10_000}, _PLAIN),
    Form("texts with unit", {"price": {"input": "$2.50 / 1M tokens", "output": "$10 / 1M tokens"}}, _PLAIN),
    Form("a unit beside the amounts", {"pricing": {"input": 2.5, "output": 10, "unit": "per_1m_tokens"}}, _PLAIN),
    Form("a number of tokens", {"pricing": {"input": 0.0025, "output": 0.01, "per": 1000}}, _PLAIN),
    Form("a list of odd numbers of tokens", {"rates": _pair("name", {"per": 500_000}, "rate")}, ""),
    Form(
        "an aggregator's map",
        {
            "pricing": {
                "prompt": "0.0000025",
                "completion": "0.00001",
                "input_cache_read": "0.00000025",
                "input_cache_write": "0.000003125",
                "input_cache_write_1h": "0.000005",
                "internal_reasoning": "0.00001",
                "image": "0.003613",
                "audio": "0.00004",
                "audio_output": "0.00008",
                "request": "0",
                "web_search": "0.01",
            }
        },
        "cache_read 0.25, cache_write 3.125, cache_write_1h 5, image 0.003613 per image, input 2.5, input_audio 40, "
        "output 10, output_audio 80, reasoning 10, web_search 10 per thousand requests",
    ),
    Form(
        "the same, the price of an image token",
        {"pricing": {"prompt": "0.0000025", "completion": "0.00001", "image": "0.0000025", "image_output": "0.00004"}},
        "input 2.5, input_image 2.5, output 10, output_image 40",
    ),
    Form(
        "the same, overrides by prompt size and by hour",
        {
            "pricing": {
                "prompt": "0.0000025",
                "completion": "0.00001",
                "overrides": [
                    {"min_prompt_tokens": 200000, "prompt": "0.000005", "completion": "0.000015"},
                    {"utc_start": "16:00", "utc_end": "00:00", "prompt": "0.000001"},
                ],
            }
        },
        _TIERED,
    ),
    Form(
        "flat names with tiers and batches",
        {
            "input_cost_per_token": 2.5e-6,
            "output_cost_per_token": 1e-5,
            "cache_read_input_token_cost": 2.5e-7,
            "cache_creation_input_token_cost": 3.125e-6,
            "cache_creation_input_token_cost_above_1hr": 5e-6,
            "input_cost_per_token_above_200k_tokens": 5e-6,
            "output_cost_per_token_above_200k_tokens": 1.5e-5,
            "input_cost_per_token_batches": 1.25e-6,
            "output_cost_per_token_batches": 5e-6,
            "input_cost_per_token_priority": 5e-6,
        },
        "cache_read 0.25, cache_write 3.125, cache_write_1h 5, input 2.5 (above 200,000: 5), input_batch 1.25, "
        "input_priority 5, output 10 (above 200,000: 15), output_batch 5",
    ),
    Form(
        "flat names of other kinds of token",
        {
            "input_cost_per_token": 2.5e-6,
            "output_cost_per_token": 1e-5,
            "input_cost_per_audio_token": 4e-5,
            "output_cost_per_audio_token": 8e-5,
            "input_cost_per_image_token": 5e-6,
            "output_cost_per_reasoning_token": 1e-5,
            "search_context_cost_per_query": {
                "search_context_size_low": 0.03,
                "search_context_size_medium": 0.035,
                "search_context_size_high": 0.05,
            },
        },
        "input 2.5, input_audio 40, input_image 5, output 10, output_audio 80, reasoning 10, "
        "web_search 35 per thousand requests",
    ),
    Form("per image", {"output_cost_per_image": 0.04}, "image 0.04 per image", model="dall-e-3"),
    Form("per pixel", {"input_cost_per_pixel": 1.9e-08}, "", model="dall-e-2"),
    Form("per second", {"input_cost_per_second": 0.0001}, "audio_second 0.0001 per second", model="whisper-1"),
    Form(
        "per second of video", {"output_cost_per_video_per_second": 0.1}, "video_second 0.1 per second", model="sora-2"
    ),
    Form(
        "images by size",
        {"output_cost_per_image_1K": 0.04, "output_cost_per_image_4K": 0.12},
        "image_1k 0.04 per image, image_4k 0.12 per image",
        model="imagen-4",
    ),
    Form(
        "images by quality",
        {"pricing": {"per_image": {"low": 0.011, "medium": 0.042, "high": 0.167}}},
        "image_high 0.167 per image, image_low 0.011 per image, image_medium 0.042 per image",
        model="gpt-image-1",
    ),
    Form(
        "images by size and quality",
        {"image_usd": {"1024x1024": {"standard": 0.04, "hd": 0.08}, "1024x1792": {"hd": 0.12}}},
        "image_1024x1024_hd 0.08 per image, image_1024x1024_standard 0.04 per image, image_1024x1792_hd 0.12 per image",
        model="dall-e-3",
    ),
    Form(
        "images in a list by size and quality",
        {
            "pricing": {
                "prompt": "0.000005",
                "image_dimension_quality_pricing": [
                    {"size": "1024x1024", "quality": "low", "cost": "0.011"},
                    {"size": "1024x1024", "quality": "high", "cost": "0.167"},
                    {"style": "vector", "cost": "0.08"},
                ],
            }
        },
        "image_1024x1024_high 0.167 per image, image_1024x1024_low 0.011 per image, image_vector 0.08 per image, "
        "input 5",
        model="gpt-image-1",
    ),
    Form(
        "images by size, dollars or cents",
        {"image": {"standard": {"1024x1024": {"price": 4}, "1024x1792": {"price": 8}}}},
        "",
        model="dall-e-3",
    ),
    Form(
        "image tokens in a list named so",
        {
            "pricing": {"input": 5, "output": 10},
            "image_pricing": [{"type": "input", "price": 10}, {"type": "output", "price": 40}],
        },
        "input 5, input_image 10, output 10, output_image 40",
        model="gpt-image-1",
    ),
    Form(
        "video by resolution",
        {"output_cost_per_second": 0.1, "output_cost_per_second_1080p": 0.12},
        "video_second 0.1 per second, video_second_1080p 0.12 per second",
        model="veo-3",
    ),
    Form(
        "video in a list by resolution and sound",
        {
            "pricing": {
                "video_duration_pricing": [
                    {"resolution": "720p", "audio": True, "cost_per_second": "0.4"},
                    {"resolution": "720p", "audio": False, "cost_per_second": "0.2"},
                    {"resolution": "4k", "cost_per_second": "0.6"},
                ]
            }
        },
        "video_second_4k 0.6 per second, video_second_720p_audio 0.4 per second, "
        "video_second_720p_no_audio 0.2 per second",
        model="veo-3",
    ),
    Form(
        "video in a list, two entries alike",
        {"video_duration_pricing": [{"mode": "x", "cost_per_second": 0.4}, {"mode": "x", "cost_per_second": 0.2}]},
        "",
        model="veo-3",
    ),
    Form("per thousand images", {"price_per_1k_images": 40}, "image 0.04 per image", model="dall-e-3"),
    Form(
        "a machine by the hour, its tokens not free",
        {"pricing": {"hourly": 7.2, "input": 0, "output": 0}},
        _MACHINE,
    ),
    Form(
        "storage of a cache by the hour",
        {"input_per_million": 2.5, "output_per_million": 10, "cache_storage_per_million_per_hour": 4.5},
        _PLAIN,
    ),
    Form(
        "some hours of the day",
        {"pricing": {"input": 2.5, "output": 10, "off_peak": {"input": 1.25, "output": 5}}},
        _PLAIN,
    ),
    Form("per minute", {"price_per_minute": 0.006}, "audio_second 0.0001 per second", model="whisper-1"),
    Form("per character", {"input_cost_per_character": 1.5e-5}, "characters 15 per million characters", model="tts-1"),
    Form("per request", {"input_cost_per_request": 0.002}, "request 2 per thousand requests", model="rerank-v3.5"),
    Form("per page", {"ocr_cost_per_page": 0.001}, "page 0.001 per page", model="mistral-ocr"),
    Form(
        "context tiers, listed and named",
        {
            "cost": {
                "input": 2.5,
                "output": 10,
                "reasoning": 10,
                "cache_read": 0.25,
                "input_audio": 5,
                "tiers": [{"input": 5, "output": 15, "tier": {"type": "context", "size": 200000}}],
                "context_over_200k": {"input": 5, "output": 15},
            }
        },
        "cache_read 0.25, input 2.5 (above 200,000: 5), input_audio 5, output 10 (above 200,000: 15), reasoning 10",
    ),
    Form(
        "context tiers by name only",
        {"cost": {"input": 2.5, "output": 10, "context_over_200k": {"input": 5, "output": 15}}},
        _TIERED,
    ),
    Form(
        "tiers for each price",
        {
            "pricing": {
                "input": "0.0000025",
                "output": "0.00001",
                "input_tiers": [{"cost": "0.0000025", "min": 0, "max": 200001}, {"cost": "0.000005", "min": 200001}],
                "output_tiers": [{"cost": "0.00001", "min": 0, "max": 200001}, {"cost": "0.000015", "min": 200001}],
            }
        },
        _TIERED,
    ),
    Form(
        "one entry for each tier",
        {"prices": [{"from": 0, "to": 200000, "input": 2.5, "output": 10}, {"from": 200000, "input": 5, "output": 15}]},
        _TIERED,
    ),
    Form("a list by type", {"pricing": _pair("type", {})}, _PLAIN),
    Form("a list with units", {"rates": _pair("name", {"unit": "tokens", "per": 1_000_000}, "rate")}, _PLAIN),
    Form(
        "a list of units by origin",
        {
            "pricing": {
                "units": [
                    {"name": "token", "content": "text", "origin": "provided", "price": 2.5, "per": 1000000},
                    {"name": "token", "content": "text", "origin": "generated", "price": 10, "per": 1000000},
                    {"name": "token", "content": "text", "origin": "cached", "price": 0.25, "per": 1000000},
                    {"name": "image", "content": "image", "origin": "generated", "price": 0.04, "per": 1},
                ]
            }
        },
        "cache_read 0.25, image 0.04 per image, input 2.5, output 10",
    ),
    Form(
        "components in micro-dollars",
        {
            "price_table": {
                "components": [
                    {"mode": "input", "unit": "per_1m_tokens", "price_micro_usd": 2500000},
                    {"mode": "output", "unit": "per_1m_tokens", "price_micro_usd": 10000000},
                    {"mode": "image", "unit": "per_image", "price_micro_usd": 40000},
                ]
            }
        },
        "image 0.04 per image, input 2.5, output 10",
    ),
    Form(
        "the unit as the label",
        {
            "price": [
                {"unit": "per M input tokens", "price": 2.5, "currency": "USD"},
                {"unit": "per M output tokens", "price": 10, "currency": "USD"},
                {"unit": "per M cached input tokens", "price": 0.25, "currency": "USD"},
            ]
        },
        "cache_read 0.25, input 2.5, output 10",
    ),
    Form(
        "a table by condition",
        {
            "pricing": [
                {"service_tier": "default", "type": "input", "price": 2.5},
                {"service_tier": "default", "type": "output", "price": 10},
                {"service_tier": "flex", "type": "input", "price": 1.25},
                {"service_tier": "batch", "type": "input", "price": 1.25},
            ]
        },
        "input 2.5, input_batch 1.25, input_flex 1.25, output 10",
    ),
    Form(
        "objects by condition",
        {
            "pricing": {
                "standard": {"input": 2.5, "output": 10, "cached_input": 0.25},
                "batch": {"input": 1.25, "output": 5, "cached_input": 0.125},
                "priority": {"input": 5, "output": 20},
            }
        },
        "cache_read 0.25, cache_read_batch 0.125, input 2.5, input_batch 1.25, input_priority 5, output 10, "
        "output_batch 5, output_priority 20",
    ),
    Form(
        "service tiers beside the standard one",
        {
            "pricing": {
                "input": "0.0000025",
                "output": "0.00001",
                "service_tiers": {"flex": {"input": "0.00000125", "output": "0.000005", "input_cache_read": "1e-7"}},
            }
        },
        "cache_read_flex 0.1, input 2.5, input_flex 1.25, output 10, output_flex 5",
    ),
    Form(
        "inside modalities",
        {
            "input_modalities": [
                {
                    "type": "text",
                    "pricing": [
                        {"type": "prompt", "unit": "token", "cost_usd": "0.0000025"},
                        {"type": "cached_prompt", "unit": "token", "cost_usd": "0.00000025"},
                    ],
                }
            ],
            "output_modalities": [
                {"type": "text", "pricing": [{"type": "completion", "unit": "token", "cost_usd": "0.00001"}]}
            ],
        },
        "cache_read 0.25, input 2.5, output 10",
    ),
    Form(
        "whole numbers, 100 million tokens in cents",
        {
            "prompt_text_token_price": 25000,
            "cached_prompt_text_token_price": 2500,
            "prompt_image_token_price": 25000,
            "completion_text_token_price": 100000,
            "search_price": 250000000,
        },
        "cache_read 0.25, input 2.5, input_image 2.5, output 10, web_search 25 per thousand requests",
    ),
    Form(
        "ratios to 2 USD per million",
        {
            "quota_type": 0,
            "model_ratio": 1.25,
            "model_price": 0,
            "completion_ratio": 4,
            "cache_ratio": 0.1,
        },
        "cache_read 0.25, input 2.5, output 10",
    ),
    Form(
        "ratios, priced by the request",
        {"quota_type": 1, "model_ratio": 0, "model_price": 0.04, "completion_ratio": 0},
        "request 40 per thousand requests",
        model="dall-e-3",
    ),
    Form(
        "named ranges",
        {
            "input_price_below_200k": 2.5,
            "output_price_below_200k": 10,
            "input_price_above_200k": 5,
            "output_price_above_200k": 15,
        },
        _TIERED,
    ),
    Form("cache hits and misses", {"price": {"input_cache_hit": 0.25, "input_cache_miss": 2.5, "output": 10}}, _CACHED),
    Form(
        "bases with tiers",
        {
            "prices": {
                "input_mtok": {"base": 2.5, "tiers": [{"start": 200000, "price": 5}]},
                "output_mtok": {"base": 10, "tiers": [{"start": 200000, "price": 15}]},
            }
        },
        _TIERED,
    ),
    Form(
        "by medium",
        {"pricing": {"text": {"input": 2.5, "output": 10}, "audio": {"input": 40, "output": 80}}},
        "input 2.5, input_audio 40, output 10, output_audio 80",
    ),
    Form(
        "regions beside a price for all",
        {"pricing": {"eu": {"input": 3, "output": 12}, "global": {"input": 2.5, "output": 10}}},
        _PLAIN,
    ),
    Form(
        "regions only",
        {"pricing": {"eu": {"input": 3, "output": 12}, "us": {"input": 2.5, "output": 10}}},
        "",
    ),
    Form(
        "whole numbers that fit two units",
        {"input_price_per_m": 100_000, "output_price_per_m": 500_000},
        "",
    ),
    Form(
        "the entry in force",
        {
            "prices": [
                {"current": True, "effective_from": "2026-01-01", "input": 2.5, "output": 10},
                {"current": False, "effective_from": "2026-12-24", "input": 5, "output": 20},
            ]
        },
        _PLAIN,
    ),
    Form("no entry in force", {"prices": [{"active": False, "input": 2.5, "output": 10}]}, ""),
    Form(
        "entries by date, none marked",
        {"prices": [{"from_date": "2026-01-01", "input": 2.5, "output": 10}, {"from_date": "2026-12-24", "input": 5}]},
        "",
    ),
    Form(
        "a currency in the item",
        {"pricing": {"currency": "EUR", "input": 2.5, "output": 10}},
        _EUROS,
    ),
    Form("a currency in the name", {"input_price_eur": 2.5, "output_price_eur": 10}, _EUROS),
    Form(
        "a currency around the models",
        {"pricing": {"input": 18, "output": 72}},
        _YUAN,
        around={"currency": "CNY"},
    ),
    Form(
        "currencies side by side",
        {"price": {"input": {"usd": 2.5, "cny": 18}, "output": {"usd": 10, "cny": 72}}},
        _PLAIN,
    ),
    Form("a currency in the unit", {"pricing": {"input": 18, "output": 72, "unit": "CNY per million tokens"}}, _YUAN),
    Form(
        "a currency in the unit, in Chinese",
        {"pricing": {"input": 0.018, "output": 0.072, "unit": "\u5143/\u5343tokens"}},
        _YUAN,
    ),
    Form(
        "a sign that several currencies share, in the unit",
        {"pricing": {"input": 18, "output": 72, "unit": "¥/1M tokens"}},
        "",
    ),
    Form(
        "no currency in the unit",
        {"pricing": {"input": 2.5, "output": 10, "unit": "credits per million tokens"}},
        "",
    ),
    Form("a unit under another name", {"input_cost": 0.25, "output_cost": 1, "cost_per": "100k tokens"}, _PLAIN),
    Form("whole numbers, of cents or less", {"pricing": {"input": 250, "output": 1000}}, ""),
    Form("tokens a minute", {"rate": {"input": 30000, "output": 8000}}, ""),
    Form(
        "prices with tax and without",
        {"price": {"input": {"net": 2.5, "gross": 3}, "output": {"net": 10, "gross": 12}}},
        "",
    ),
    Form("a price of sound that fits no token unit", {"pricing": {"input": 2.5, "output": 10, "audio": 0.006}}, _PLAIN),
    Form(
        "prompt sizes in signs",
        {"pricing": {"0-200k": {"input": 2.5, "output": 10}, "200k+": {"input": 5, "output": 15}}},
        _TIERED,
    ),
    Form(
        "prompt sizes as limits",
        {"pricing": {"<=200k": {"input": 2.5, "output": 10}, ">200k": {"input": 5, "output": 15}}},
        _TIERED,
    ),
    Form(
        "sizes that may be prompt sizes",
        {"input_price_128k": 2.5, "output_price_128k": 10, "input_price_1m": 5, "output_price_1m": 20},
        "",
    ),
    Form(
        "a search of a reranker",
        {"pricing": {"per_1k_searches": 2}},
        "request 2 per thousand requests",
        model="rerank-v3.5",
    ),
    Form(
        "ten thousand characters in Chinese",
        {"price": 2, "unit": "\u5143/\u4e07\u5b57\u7b26"},
        "characters 200 CNY per million characters",
        model="tts-1",
    ),
    Form("a sign of a currency", {"pricing": {"input": 2.5, "output": 10, "currency_symbol": "\u20ac"}}, _EUROS),
    Form("a currency as an object", {"pricing": {"input": 2.5, "output": 10, "currency": {"code": "EUR"}}}, _EUROS),
    Form("a currency of the item", {"pricing": {"input": 2.5, "output": 10}, "billing": {"currency": "EUR"}}, _EUROS),
    Form(
        "a currency in an object around the models",
        {"pricing": {"input": 2.5, "output": 10}},
        _EUROS,
        around={"meta": {"currency": "EUR"}},
    ),
    Form(
        "a unit around the models",
        {"pricing": {"input": 0.25, "output": 1}},
        _PLAIN,
        around={"pricing_unit": "per 100k tokens"},
    ),
    Form(
        "a price with its unit and currency",
        {"unit_price": 0.04, "unit": "image", "currency": "EUR"},
        "image 0.04 EUR per image",
        model="dall-e-3",
    ),
    Form(
        "a number of tokens for each price",
        {"pricing": {"input": {"amount": 2.5, "per": 1000000}, "output": {"amount": 10, "per": 1000000}}},
        _PLAIN,
    ),
    Form("a number of tokens under another name", {"pricing": {"input": 0.25, "output": 1, "tokens": 100000}}, _PLAIN),
    Form("what was spent", {"usage_cost": {"input": 12.5, "output": 40}}, ""),
    Form("an unknown currency", {"pricing": {"currency": "credits", "input": 2.5, "output": 10}}, ""),
    Form("no direction", {"price": 2.5}, ""),
    Form("one side only, without a unit", {"pricing": {"input": 2.5}}, ""),
    Form(
        "one side only, so small that it must be per token",
        {"pricing": {"prompt": "0.00000002"}},
        "input 0.02",
        model="bge-m3",
    ),
    Form(
        "cached prices in two directions",
        {"cost_per_1m_in": 2.5, "cost_per_1m_out": 10, "cost_per_1m_in_cached": 3.125, "cost_per_1m_out_cached": 0.25},
        _PLAIN,
    ),
    Form(
        "the unit as the kind of the price",
        {"pricing": {"type": "characters_1m", "price": 15}},
        "characters 15 per million characters",
        model="tts-1",
    ),
    Form(
        "a price of one side, in characters by its kind",
        {"pricing": {"billing": "per_1m_characters", "input": 15, "output": 0}},
        "characters 15 per million characters",
        model="tts-1",
    ),
    Form("tokens by the kind of the price", {"pricing": {"type": "tokens_1m", "input": 2.5, "output": 10}}, _PLAIN),
    Form(
        "tokens by the kind, cents by the names",
        {"pricing": {"type": "tokens", "cents_per_input_token": 0.00025, "cents_per_output_token": 0.001}},
        _PLAIN,
    ),
    Form(
        "cents per character",
        {"pricing": {"type": "input_character_length", "cents_per_input_chars": 0.0015}},
        "characters 15 per million characters",
        model="tts-1",
    ),
    Form(
        "cents per second heard",
        {"pricing": {"type": "input_length", "cents_per_input_sec": 0.01}},
        "audio_second 0.0001 per second",
        model="whisper-1",
    ),
    Form(
        "cents per image",
        {"pricing": {"type": "image_units", "cents_per_image_unit": 4, "default_width": 1024}},
        "image 0.04 per image",
        model="flux-1-dev",
    ),
    Form(
        "cents per second, without saying of what",
        {"pricing": {"type": "time", "cents_per_sec": 0.05}},
        "",
        model="sdxl",
    ),
    Form(
        "a price with its unit",
        {"unit_price": 0.05, "unit": "image", "currency": "USD"},
        "image 0.05 per image",
        model="flux-1-dev",
    ),
    Form("a price of a second", {"unit_price": 0.4, "unit": "second"}, "video_second 0.4 per second", model="veo-3"),
    Form("a price of a second of a machine", {"unit_price": 0.002, "unit": "compute second"}, _MACHINE, model="sdxl"),
    Form(
        "a price of a thousand characters",
        {"unit_price": 0.015, "unit": "1000 characters"},
        "characters 15 per million characters",
        model="tts-1",
    ),
    Form("a price in a unit that is not kept", {"unit_price": 0.025, "unit": "megapixels"}, "", model="flux-1-dev"),
    Form("numbers of tokens", {"estimated_cost": {"input_tokens": 1000, "output_tokens": 500}}, ""),
    Form("prices named after tokens", {"pricing": {"input_tokens": 2.5, "output_tokens": 10}}, _PLAIN),
    Form("per ten thousand tokens", {"input_price_per_10k": 0.025, "output_price_per_10k": 0.1}, _PLAIN),
    Form("per hundred thousand tokens", {"pricing": {"input": 0.25, "output": 1, "unit": "per 100k tokens"}}, _PLAIN),
    Form("per an odd number of tokens", {"pricing": {"input": 1.25, "output": 5, "unit": "per 500k tokens"}}, ""),
    Form(
        "a unit in Chinese",
        {
            "prices": [
                {"type": "input_token", "price": "0.0025", "price_unit": "\u5343tokens"},
                {"type": "output_token", "price": "0.01", "price_unit": "\u5343tokens"},
            ]
        },
        _PLAIN,
    ),
    Form(
        "some dollars for a number of requests that is not stated",
        {"pricing": {"input": 2.5, "output": 10, "request": {"low": 5, "medium": 8, "high": 12}}},
        _PLAIN,
    ),
    Form(
        "day and night", {"pricing": {"day": {"input": 2.5, "output": 10}, "night": {"input": 1.25, "output": 5}}}, ""
    ),
    Form(
        "some hours of the day, in a list",
        {"pricing": [{"input": 2.5, "output": 10}, {"hours": "16:30-00:30", "input": 1.25, "output": 5}]},
        _PLAIN,
    ),
    Form("some hours only", {"pricing": [{"from": "16:30", "until": "00:30", "input": 1.25, "output": 5}]}, ""),
    Form(
        "a list price and the actual one",
        {"price": {"list": {"input_price": 5, "output_price": 20}, "actual": {"input_price": 2.5, "output_price": 10}}},
        "",
    ),
    Form(
        "prices to write and read a cache, named alike",
        {"input_price": 2.5e-6, "output_price": 1e-5, "caching_price": 3.125e-6, "cached_price": 2.5e-7},
        "cache_read 0.25, cache_write 3.125, input 2.5, output 10",
    ),
    Form(
        "ratios named like prices",
        {"price": {"type": "tokens", "channel_type": 1, "input": 1.25, "output": 5, "locked": False}},
        _PLAIN,
    ),
    Form(
        "ratios named like prices, by the request",
        {"price": {"type": "times", "channel_type": 1, "input": 20, "output": 20, "locked": False}},
        "request 40 per thousand requests",
        model="dall-e-3",
    ),
    Form(
        "a list for each price, with its unit",
        {
            "pricings": {
                "prompt": [{"value": 2.5, "unit": "perMTokens", "currency": "USD"}],
                "completion": [{"value": 10, "unit": "perMTokens", "currency": "USD"}],
            }
        },
        _PLAIN,
    ),
    Form(
        "several hosts of one model",
        {
            "context_length": 8192,
            "providers": [
                {"provider": "acme", "pricing": {"input": 2.5, "output": 10}},
                {"provider": "zeta", "pricing": {"input": 3, "output": 12}},
            ],
        },
        "",
    ),
    Form("placeholders of zero", {"pricing": {"input": 2.5, "output": 10, "cache_read": 0, "request": 0}}, _PLAIN),
    Form("no fixed price", {"pricing": {"prompt": "-1", "completion": "-1"}}, ""),
    Form("texts with a currency", {"pricing": {"input": "2.50 EUR", "output": "10.00 EUR"}}, _EUROS),
    Form("texts with a sign", {"pricing": {"input": "€2.50", "output": "€10"}}, _EUROS),
    Form("texts with a decimal comma", {"pricing": {"input": "2,50 €", "output": "10,00 €"}}, _EUROS),
    Form(
        "texts with currency and unit",
        {"input_price": "EUR 2.5 / 1M tokens", "output_price": "EUR 10 / 1M tokens"},
        _EUROS,
    ),
    Form("texts with a sign that several currencies share", {"pricing": {"input": "¥18", "output": "¥72"}}, ""),
    Form(
        "texts against the currency beside them",
        {"pricing": {"currency": "USD", "input": "€2.50", "output": "€10"}},
        "",
    ),
    Form(
        "tiers with only their upper end stated",
        {"pricing": [{"up_to": 200000, "input": 2.5, "output": 10}, {"input": 5, "output": 15}]},
        _TIERED,
    ),
    Form(
        "the same, in any order and with an end for all",
        {
            "pricing": [
                {"max_input_tokens": 1000000, "input": 5, "output": 15},
                {"max_input_tokens": 200000, "input": 2.5, "output": 10},
            ]
        },
        _TIERED,
    ),
    Form(
        "entries by the time at which they end",
        {"pricing": [{"end": 1767225600, "input": 2.5, "output": 10}, {"input": 5, "output": 15}]},
        "",
    ),
    Form(
        "charges",
        {
            "charges": [
                {"type": "input", "amount": 2.5, "unit": "1M tokens"},
                {"type": "output", "amount": 10, "unit": "1M tokens"},
            ]
        },
        _PLAIN,
    ),
    Form(
        "ratios as texts",
        {"quota_type": "0", "model_ratio": "1.25", "model_price": "0", "completion_ratio": "4"},
        _PLAIN,
    ),
    Form(
        "video by resolution, without a unit", {"price_by_resolution": {"720p": 0.1, "1080p": 0.2}}, "", model="veo-3"
    ),
)


def _components() -> str:
    rows = [
        f"| `{name}` | {entry['unit'].replace('_', ' ')} |"
        for name, entry in read_table("prices.toml")["component"].items()
    ]
    return "\n".join(["| component | usual unit |", "|---|---|", *rows])


def page() -> str:
    """The page docs/prices.md."""
    rows = [
        f"| {form.name} | `{json.dumps({**form.around, **form.item})}` | {form.prices or 'none'} |" for form in FORMS
    ]
    forms = "\n".join(["| form | what an item says | prices read |", "|---|---|---|", *rows])
    return _HEAD.format(components=_components(), forms=forms, command=COMMAND)


if __name__ == "__main__":
    sys.stdout.write(page())
