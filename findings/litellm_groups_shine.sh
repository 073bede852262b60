#!/usr/bin/env bash
# LiteLLM 1.110.2: Router.registry().group(name) describes a model that no deployment of the group is: the longest context,
# the longest output, the highest prices and every capability that one of them has. And limits and capabilities (not
# prices) are kept by model name for the whole process: a deployment that states none has those of another group's, also
# of another Router's, and one that states some gets the other's capabilities added.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check litellm==1.110.2
export LITELLM_LOCAL_MODEL_COST_MAP=True LITELLM_LOG=ERROR
"$folder/venv/bin/python" - 2>"$folder/errors" <<'PYTHON' || { cat "$folder/errors" >&2; exit 1; }
from importlib.metadata import version

from litellm import Router

SHORT = {"max_input_tokens": 1000, "max_output_tokens": 100, "supports_vision": True}
SHORT |= {"input_cost_per_token": 1e-6, "output_cost_per_token": 9e-6}
LONG = {"max_input_tokens": 8000, "max_output_tokens": 50, "supports_function_calling": True}
LONG |= {"input_cost_per_token": 3e-6, "output_cost_per_token": 2e-6}


def router(*deployments):
    there = {"api_key": "key", "api_base": "http://127.0.0.1:9"}
    return Router(model_list=[
        {"model_name": group, "litellm_params": {"model": model} | there, "model_info": info}
        for group, model, info in deployments
    ])


def told(router, group):
    info = router.registry().group(group)
    limits = info.max_input_tokens, info.max_output_tokens
    prices = info.input_cost_per_token, info.output_cost_per_token
    return limits, prices, (info.supports_vision, info.supports_function_calling)


print("litellm", version("litellm"))
one = router(("g", "openai/a", SHORT), ("g", "openai/b", LONG))
print("limits, prices, (vision, tools) of one group:", found := told(one, "g"))
assert found == ((8000, 100), (3e-6, 9e-6), (True, True))
print("a model that states nothing:", found := told(router(("h", "openai/c", {})), "h"))
assert found == ((None, None), (None, None), (False, False))

two = router(("short", "openai/d", SHORT), ("long", "openai/d", LONG))
print("two groups, one model name:", found := (told(two, "short"), told(two, "long")))
assert found == (((1000, 100), (1e-6, 9e-6), (True, True)), ((8000, 50), (3e-6, 2e-6), (True, True)))
other = router(("short", "openai/e", SHORT))
print("nothing stated, in another Router:", found := told(router(("silent", "openai/e", {})), "silent"))
assert found == ((1000, 100), (None, None), (True, False))
PYTHON
