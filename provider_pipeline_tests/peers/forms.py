"""A row of ours in the peers' forms: LiteLLM's model map, and the data of genai-prices."""

from typing import Any

LITELLM = {
    "input": "input_cost_per_token",
    "output": "output_cost_per_token",
    "cache_read": "cache_read_input_token_cost",
    "cache_write": "cache_creation_input_token_cost",
}
GENAI_PRICES = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cache_read": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
}


def litellm_model(row: dict[str, Any], provider: str) -> dict[str, Any]:
    """The row as LiteLLM's `register_model` takes it."""
    model: dict[str, Any] = {"litellm_provider": provider, "mode": "chat"}
    for component, key in LITELLM.items():
        if (price := row["prices"].get(component)) is not None:
            model[key] = price["amount"] / 1e6
            for tier in price.get("tiers", ()):
                model[f"{key}_above_{tier['above'] // 1_000}k_tokens"] = tier["amount"] / 1e6
    return model


def genai_prices_model(row: dict[str, Any]) -> dict[str, Any]:
    """The row as an entry of a provider's `models`."""
    prices: dict[str, Any] = {}
    for component, key in GENAI_PRICES.items():
        if (price := row["prices"].get(component)) is not None:
            tiers = [{"start": tier["above"], "price": str(tier["amount"])} for tier in price.get("tiers", ())]
            amount = str(price["amount"])
            prices[key] = {"base": amount, "tiers": tiers} if tiers else amount
    return {"id": row["model_id"], "match": {"equals": row["model_id"]}, "prices": prices}
