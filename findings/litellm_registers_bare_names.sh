#!/usr/bin/env bash
# LiteLLM 1.110.2: register_model({"openai/gpt-4o": ...}) gives the bare gpt-4o the new price as well, everywhere in the
# process. A provider that LiteLLM does not know can be registered, is found by get_model_info(), and has no cost: the
# cost functions ask for a provider. A registered model without limits "isn't mapped yet", says get_max_tokens().
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check litellm==1.110.2
export LITELLM_LOCAL_MODEL_COST_MAP=True LITELLM_LOG=ERROR
"$folder/venv/bin/python" - 2>"$folder/errors" <<'PYTHON' | grep -v -e '^$' -e 'Provider List' || { cat "$folder/errors" >&2; exit 1; }
from importlib.metadata import version

import litellm

print("litellm", version("litellm"))


def input_cost(model):
    return litellm.get_model_info(model)["input_cost_per_token"]


before = input_cost("gpt-4o")
litellm.register_model({"openai/gpt-4o": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 0.5}})
print("gpt-4o before", before, "after openai/gpt-4o was registered", input_cost("gpt-4o"))
assert (before, input_cost("gpt-4o"), input_cost("openai/gpt-4o")) == (2.5e-06, 0.5, 0.5)
assert litellm.cost_per_token(model="gpt-4o", prompt_tokens=2, completion_tokens=0)[0] == 1.0
entry = {"mode": "chat", "max_input_tokens": 1000, "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}
litellm.register_model({"acme/m1": {"litellm_provider": "acme", **entry}})
print("acme/m1:", input_cost("acme/m1"), "per token", flush=True)
try:
    litellm.cost_per_token(model="acme/m1", prompt_tokens=1000, completion_tokens=10)
except litellm.BadRequestError as error:
    print("its cost:", str(error).splitlines()[0])
else:
    raise SystemExit("it has a cost now")
litellm.register_model({"openai/m3": {"litellm_provider": "openai", "mode": "chat"}})
assert litellm.get_model_info("openai/m3")["max_output_tokens"] is None
try:
    litellm.get_max_tokens("openai/m3")
except Exception as error:
    print("get_max_tokens of a registered model without limits:", str(error)[:36])
    assert "isn't mapped yet" in str(error)
else:
    raise SystemExit("it is mapped now")
PYTHON
