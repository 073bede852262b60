#!/usr/bin/env bash
# tokencost 0.1.26: a model's name is put into lower case before it is looked up, the names of the table are not. 111 of
# the 1243 models that have an input price raise KeyError by the very name under which TOKEN_COSTS lists them. A pattern
# with a capital, registered by register_model_pattern(), matches nothing, and one for a provider (acme/*) yields to the
# part after the slash: acme/gpt-4o costs what OpenAI asks.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check tokencost==0.1.26
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

from tokencost import calculate_cost_by_tokens, configure_model, register_model_pattern
from tokencost.constants import TOKEN_COSTS


def price(model):
    try:
        return float(calculate_cost_by_tokens(1_000_000, model, "input"))
    except KeyError as error:
        return type(error).__name__


print("tokencost", version("tokencost"))
priced = [model for model, entry in TOKEN_COSTS.items() if "input_cost_per_token" in entry]
lost = [model for model in priced if price(model) == "KeyError"]
print(f"{len(lost)} of {len(priced)} models are lost, such as {', '.join(lost[:2])}")
assert (len(lost), len(priced)) == (111, 1243)
assert all(model != model.lower() for model in lost)
assert "together_ai/mistralai/Mixtral-8x7B-Instruct-v0.1" in lost

register_model_pattern("acme/Llama-*", 1, 1)
register_model_pattern("acme/*", 2, 2)
found = {model: price(model) for model in ("acme/Llama-9", "acme/llama-9", "acme/gpt-4o", "nobody/gpt-4o")}
print("acme/Llama-* at 1000, acme/* at 2000 a million:", found)
assert found == {"acme/Llama-9": 2000, "acme/llama-9": 2000, "acme/gpt-4o": 2.5, "nobody/gpt-4o": 2.5}
configure_model(lost[0], 0.001, 0.001)
print(f"configure_model({lost[0]!r}) helps:", price(lost[0]))
assert price(lost[0]) == 1
PYTHON
