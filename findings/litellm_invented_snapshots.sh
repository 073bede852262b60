#!/usr/bin/env bash
# LiteLLM 1.110.2: what is known of a snapshot that was never released depends on who is asked and how. get_model_info()
# takes gpt-4o-2024-99-99 for gpt-4o, the cost functions refuse it; with the provider in front it is the other way round.
# An invented date of a Claude, and an unknown region in front of one, have all limits and cost nothing.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check litellm==1.110.2
export LITELLM_LOCAL_MODEL_COST_MAP=True LITELLM_LOG=ERROR
"$folder/venv/bin/python" - 2>"$folder/errors" <<'PYTHON' | grep -v -e '^$' -e 'Provider List' || { cat "$folder/errors" >&2; exit 1; }
from importlib.metadata import version

import litellm


def info(model):
    try:
        found = litellm.get_model_info(model)
    except Exception as error:
        return type(error).__name__
    return found["key"]


def cost(model):
    try:
        return litellm.cost_per_token(model=model, prompt_tokens=1_000_000, completion_tokens=0)[0]
    except Exception as error:
        return type(error).__name__


print("litellm", version("litellm"))
EXPECTED = {
    "gpt-4o-2024-99-99": ("gpt-4o", "BadRequestError"),
    "openai/gpt-4o-2024-99-99": ("ModelNotMappedError", 2.5),
    "azure/gpt-4o-2099-01-01": ("azure/gpt-4o", 2.5),
    "gpt-4o-20990101": ("ModelNotMappedError", "BadRequestError"),
    "claude-sonnet-4-5": ("claude-sonnet-4-5", 3.0),
    "claude-sonnet-4-5-20991231": ("claude-sonnet-4-5-20991231", 0.0),
    "xx.anthropic.claude-sonnet-4-5-20250929-v1:0": ("xx.anthropic.claude-sonnet-4-5-20250929-v1:0", 0.0),
}
for model, expected in EXPECTED.items():
    found = info(model), cost(model)
    print(f"{model}: information {found[0]}, a million tokens {found[1]}", flush=True)
    assert found == expected, (model, found)
limits = litellm.get_model_info("claude-sonnet-4-5-20991231")
print("the invented Claude:", limits["max_input_tokens"], "tokens of input,", limits["max_output_tokens"], "of output")
assert limits["max_input_tokens"] == 200_000
print("sample_spec's limit:", litellm.get_model_info("sample_spec")["max_input_tokens"])
assert isinstance(litellm.get_model_info("sample_spec")["max_input_tokens"], str)
PYTHON
