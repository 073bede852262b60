"""LiteLLM and genai-prices, with rows of ours, charge what a person works out by hand."""

import os
from decimal import Decimal

import pytest

# LiteLLM reads its model map from the network otherwise.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm
from genai_prices import Usage, data_snapshot, types
from litellm.types.utils import ModelResponse, PromptTokensDetailsWrapper, Usage as LiteLLMUsage

from provider_pipeline.rules.override_set import OverrideSet, StatedValue
from provider_pipeline_tests.peers.catalogue import Models, provider, record, written
from provider_pipeline_tests.peers.rows import ROWS

ACME = provider("acme")
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


def exported(form: str, row):
    """The document of a form with this model only."""
    return written(form, Models((record(row, ACME),)))[0]


def litellm_cost(row, prompt, cached, written, answer) -> float:
    litellm.register_model(exported("litellm", row))
    details = PromptTokensDetailsWrapper(cached_tokens=cached, cache_creation_tokens=written)
    usage = LiteLLMUsage(
        prompt_tokens=prompt,
        completion_tokens=answer,
        total_tokens=prompt + answer,
        prompt_tokens_details=details,
        cache_creation_input_tokens=written,
        cache_read_input_tokens=cached,
    )
    response = ModelResponse(model=f"acme/{row['model_id']}", usage=usage)
    return litellm.completion_cost(
        completion_response=response, model=f"acme/{row['model_id']}", custom_llm_provider="acme"
    )


def genai_prices_cost(row, prompt, cached, written, answer) -> Decimal:
    snapshot = data_snapshot.DataSnapshot(
        types._providers_from_raw(exported("genai-prices", row)), from_auto_update=False
    )
    usage = Usage(input_tokens=prompt, cache_read_tokens=cached, cache_write_tokens=written, output_tokens=answer)
    return snapshot.calc(usage, row["model_id"], "acme", None, None).total_price


@pytest.mark.parametrize("case", SUMS)
def test_litellm_charges_the_sum_worked_out_by_hand(rows, case):
    model, *tokens, expected = SUMS[case]
    assert litellm_cost(rows[model], *tokens) == pytest.approx(float(expected), rel=1e-9)


@pytest.mark.parametrize("case", SUMS)
def test_genai_prices_charges_the_sum_worked_out_by_hand(rows, case):
    model, *tokens, expected = SUMS[case]
    assert genai_prices_cost(rows[model], *tokens) == Decimal(expected)


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
