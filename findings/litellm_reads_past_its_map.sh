#!/usr/bin/env bash
# LiteLLM 1.110.2: two providers whose registered models are not what get_model_info() answers. A model behind one of
# LiteLLM's own proxies is taken for the model behind its name: registering litellm_proxy/groq/x gives groq/x the proxy as
# its provider, and groq/x "isn't mapped yet" from then on. A model of huggingface is answered without the map, as free.
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
NAME = "groq/whisper-large-v3"

before = litellm.get_model_info(NAME)["litellm_provider"]
proxied = {"litellm_provider": "litellm_proxy", "mode": "audio_transcription", "input_cost_per_second": 0.5}
litellm.register_model({f"litellm_proxy/{NAME}": proxied})
print(NAME, "before:", before, "after its proxied twin was registered:", litellm.model_cost[NAME]["litellm_provider"])
assert (before, litellm.model_cost[NAME]["litellm_provider"]) == ("groq", "litellm_proxy")
try:
    litellm.get_model_info(NAME)
except Exception as error:
    print("get_model_info:", str(error).split(" Add it")[0])
    assert "isn't mapped yet" in str(error)
else:
    raise SystemExit("it is still found")

priced = {"litellm_provider": "huggingface", "mode": "chat", "input_cost_per_token": 0.5, "max_input_tokens": 1000}
litellm.register_model({"huggingface/acme/m1": priced})
known = litellm.get_model_info("huggingface/acme/m1")
print("huggingface/acme/m1, registered at 0.5:", known["input_cost_per_token"], known["max_input_tokens"])
assert (litellm.model_cost["huggingface/acme/m1"]["input_cost_per_token"], known["input_cost_per_token"]) == (0.5, 0)
PYTHON
