#!/usr/bin/env bash
# LiteLLM 1.110.2: get_valid_models(check_provider_endpoint=True) asks some providers and not others, and does not say which.
# For groq, mistral, cohere and together_ai no request is made: any key makes every model of the local map "valid". Of
# gemini only the first page is read, though the answer names a next one. An empty OPENAI_API_KEY counts as a key.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check litellm==1.110.2
settings=(PATH="$PATH" LITELLM_LOCAL_MODEL_COST_MAP=True LITELLM_LOG=ERROR)
env -i "${settings[@]}" "$folder/venv/bin/python" - 2>"$folder/errors" <<'PYTHON' || { cat "$folder/errors" >&2; exit 1; }
import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version

import litellm

OPENAI = {"object": "list", "data": [{"id": "a"}]}
GEMINI = {"models": [{"name": "models/a"}], "nextPageToken": "more"}
requests = []


class Server(BaseHTTPRequestHandler):
    def do_GET(self):
        requests.append(self.path)
        body = json.dumps(GEMINI if "v1beta" in self.path else OPENAI).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
there = f"http://127.0.0.1:{server.server_port}"
print("litellm", version("litellm"))
asks = {"openai": 1, "xai": 1, "gemini": 1, "groq": 0, "mistral": 0, "cohere": 0, "together_ai": 0}
for provider, asked in asks.items():
    requests.clear()
    models = litellm.get_valid_models(
        check_provider_endpoint=True, custom_llm_provider=provider, api_key="wrong", api_base=there
    )
    print(f"{provider}: {len(models)} models, {len(requests)} requests")
    assert len(requests) == asked and (len(models) == 1 if asked else len(models) > 5)
without = len(litellm.get_valid_models())
os.environ["OPENAI_API_KEY"] = ""
print("without a key:", without, "with an empty one of OpenAI:", empty := len(litellm.get_valid_models()))
assert without == 0 and empty > 100
PYTHON
