"""LiteLLM and genai-prices, with rows of ours, charge what a person works out by hand."""

import os
from decimal import Decimal

import pytest

# LiteLLM reads its model map from the network otherwise.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm
from genai_prices import Usage, data_snapshot, types
from litellm.types.utils import (
    CompletionTokensDetailsWrapper,
    ModelResponse,
    PromptTokensDetailsWrapper,
    Usage as LiteLLMUsage,
)

from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.overrides import OverrideSet, StatedValue
from provider_pipeline_tests.peers.catalogue import Models, provider, record, written
from provider_pipeline_tests.peers.rows import ROWS

ACME = provider("acme")
RANGES = "tiered_pricing"
# Prompt tokens (of these from the cache, and written to it), answer tokens, and the sum in USD, worked out by hand.
SUMS = {
    "plain": ("acme-pro", 10_000, 0, 0, 1_000, "0.0225"),  # 10,000 x 1.25 + 1,000 x 10, by the million
    "nine tenths cached": ("acme-pro", 100_000, 90_000, 0, 1_000, "0.03375"),  # 12,500 + 11,250 + 10,000
    "written to the cache": ("acme-pro", 10_000, 0, 4_000, 1_000, "0.02375"),  # 7,500 + 6,250 + 10,000
    "at the tier": ("acme-pro", 200_000, 0, 0, 1_000, "0.26"),  # 250,000 + 10,000
    "above the tier": ("acme-pro", 300_000, 0, 0, 1_000, "0.765"),  # 750,000 + 15,000
    "above the tier, cached": ("acme-pro", 300_000, 200_000, 0, 1_000, "0.315"),  # 250,000 + 50,000 + 15,000
    "tiny": ("acme-tiny", 1_000_000, 0, 0, 1_000_000, "0.0625"),
}


@pytest.fixture(scope="module")
def rows():
    return {row["model_id"]: row for row in ROWS}


def exported(form: str, row, by=ACME):
    """The document of a form with this model only."""
    return written(form, Models((record(row, by),)))[0]


def litellm_cost(row, prompt, cached, written, answer, *, by=ACME, thought=0, service=None) -> float:
    litellm.register_model(exported("litellm", row, by))
    details = PromptTokensDetailsWrapper(cached_tokens=cached, cache_creation_tokens=written)
    usage = LiteLLMUsage(
        prompt_tokens=prompt,
        completion_tokens=answer,
        total_tokens=prompt + answer,
        prompt_tokens_details=details,
        completion_tokens_details=CompletionTokensDetailsWrapper(reasoning_tokens=thought),
        cache_creation_input_tokens=written,
        cache_read_input_tokens=cached,
    )
    model = f"{by.slug}/{row['model_id']}"
    response = ModelResponse(model=model, usage=usage)
    return litellm.completion_cost(
        completion_response=response, model=model, custom_llm_provider=by.slug, service_tier=service
    )


def genai_prices_cost(row, prompt, cached, written, answer, *, context=None) -> Decimal:
    snapshot = data_snapshot.DataSnapshot(
        types._providers_from_raw(exported("genai-prices", row)), from_auto_update=False
    )
    usage = Usage(input_tokens=prompt, cache_read_tokens=cached, cache_write_tokens=written, output_tokens=answer)
    return snapshot.calc(usage, row["model_id"], "acme", None, None, price_context=context).total_price


@pytest.mark.parametrize("case", SUMS)
def test_litellm_charges_the_sum_worked_out_by_hand(rows, case):
    model, *tokens, expected = SUMS[case]
    assert litellm_cost(rows[model], *tokens) == pytest.approx(float(expected), rel=1e-9)


@pytest.mark.parametrize("slug", read_table("peers.toml")["litellm"]["tiered"]["providers"])
@pytest.mark.parametrize("case", SUMS)
def test_litellm_charges_it_for_providers_whose_tiers_it_reads_as_ranges(rows, case, slug):
    model, *tokens, expected = SUMS[case]
    assert litellm_cost(rows[model], *tokens, by=provider(slug)) == pytest.approx(float(expected), rel=1e-9)


def test_litellm_charges_reasoning_above_the_tier(rows):
    tiers = [{"above": 200_000, "amount": 18}]
    reasoning = {"amount": 12, "unit": "million_tokens", "currency": "USD", "tiers": tiers}
    row = rows["acme-pro"]
    row = {**row, "model_id": "acme-thinker", "prices": {**row["prices"], "reasoning": reasoning}}
    # 300,000 x 2.5 + 400 x 15 + 600 x 18, by the million
    assert litellm_cost(row, 300_000, 0, 0, 1_000, thought=600) == pytest.approx(0.7668, rel=1e-9)
    # 100,000 x 1.25 + 400 x 10 + 600 x 12
    assert litellm_cost(row, 100_000, 0, 0, 1_000, thought=600) == pytest.approx(0.1362, rel=1e-9)


def test_litellm_charges_a_service_what_it_costs_also_above_the_tier(rows):
    flex = {"amount": 0.625, "unit": "million_tokens", "currency": "USD"}
    row = rows["acme-pro"]
    row = {**row, "model_id": "acme-flex", "prices": {**row["prices"], "input_flex": flex}}
    # 300,000 x 0.625, by the million; 300,000 x 2.5 for any other request
    assert litellm_cost(row, 300_000, 0, 0, 0, service="flex") == pytest.approx(0.1875, rel=1e-9)
    assert litellm_cost(row, 300_000, 0, 0, 0) == pytest.approx(0.75, rel=1e-9)


def test_prices_without_tiers_take_the_place_of_the_ranges_in_litellms_own_map(rows):
    name = next(key for key, entry in litellm.model_cost.items() if key.startswith("dashscope/") and entry.get(RANGES))
    row = {**rows["acme-tiny"], "model_id": name.partition("/")[2]}
    assert litellm_cost(row, 1_000_000, 0, 0, 1_000_000, by=provider("dashscope")) == pytest.approx(0.0625, rel=1e-9)


@pytest.mark.parametrize("case", SUMS)
def test_genai_prices_charges_the_sum_worked_out_by_hand(rows, case):
    model, *tokens, expected = SUMS[case]
    assert genai_prices_cost(rows[model], *tokens) == Decimal(expected)


@pytest.mark.parametrize(
    ("context", "expected"), [({"service_tier": "flex"}, "0.1975"), ({"processing": "batch"}, "0.76")]
)
def test_genai_prices_charges_a_service_what_it_costs(rows, context, expected):
    row = rows["acme-pro"]
    usd = {"unit": "million_tokens", "currency": "USD"}
    services = {"input_flex": {"amount": 0.625, **usd}, "output_flex": {"amount": 10, **usd}}
    services["output_batch"] = {"amount": 10, **usd}
    row = {**row, "model_id": "acme-flex", "prices": {**row["prices"], **services}}
    # 300,000 x 0.625 + 1,000 x 10, by the million; 300,000 x 2.5 + 1,000 x 10
    assert genai_prices_cost(row, 300_000, 0, 0, 1_000, context=context) == Decimal(expected)
    assert genai_prices_cost(row, 300_000, 0, 0, 1_000) == Decimal("0.765")


def test_a_gap_filled_by_an_override_is_charged_too(rows):
    stated = StatedValue(
        "glob",
        "acme-t*",
        "prices.cache_read",
        {"amount": 0.001, "unit": "million_tokens", "currency": "USD"},
        "litellm",
        fills_gaps=True,
    )
    row, _ = OverrideSet((stated,)).of("acme-tiny").apply(rows["acme-tiny"])
    expected = Decimal("0.00225")  # 100,000 x 0.0125 + 1,000,000 x 0.001, by the million
    assert genai_prices_cost(row, 1_100_000, 1_000_000, 0, 0) == expected
    assert litellm_cost(row, 1_100_000, 1_000_000, 0, 0) == pytest.approx(float(expected), rel=1e-9)
