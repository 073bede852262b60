#!/usr/bin/env bash
# mistralai 3.7.0: what a model's card does not state is filled in when models are listed: a context of 32768 tokens, no
# capability that is not named, "mistralai" as owner. Only null is kept as None. And one field that cannot be read costs the
# whole card: it becomes an UnknownModelListData without `id`, though its type is known; a card without the type raises
# for the whole list.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check mistralai==3.7.0
"$folder/venv/bin/python" - <<'PYTHON'
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version

from mistralai.client import Mistral
from mistralai.client.errors import ResponseValidationError

CARD = {"id": "m", "object": "model", "type": "base", "capabilities": {"completion_chat": True}}
cards = []


class Server(BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"object": "list", "data": cards}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = Mistral(api_key="key", server_url=f"http://127.0.0.1:{server.server_port}")
print("mistralai", version("mistralai"))


def listed(*now):
    cards[:] = now
    return client.models.list().data


silent, null = listed(CARD, CARD | {"max_context_length": None})
print("nothing stated:", silent.max_context_length, silent.owned_by, "vision:", silent.capabilities.vision)
print("a context of null:", null.max_context_length)
assert (silent.max_context_length, silent.owned_by, silent.capabilities.vision) == (32768, "mistralai", False)
assert null.max_context_length is None

good, dated, incapable = listed(CARD, CARD | {"deprecation": "2026-Q4"}, CARD | {"capabilities": None})
for name, model in (("no fault", good), ("a deprecation of 2026-Q4", dated), ("capabilities of null", incapable)):
    print(f"{name}: {type(model).__name__}, id {getattr(model, 'id', None)}, type {model.type}")
assert good.id == "m"
assert all(type(model).__name__ == "UnknownModelListData" and not hasattr(model, "id") for model in (dated, incapable))

try:
    listed(CARD, {name: value for name, value in CARD.items() if name != "type"})
except ResponseValidationError as error:
    print("one card without a type:", type(error).__name__)
else:
    raise SystemExit("a card without a type is read now")
PYTHON
