#!/usr/bin/env bash
# anthropic 2.14.0: an API key goes out as `Authorization: Bearer`, not as `x-api-key`, and the API version is 2026-10-21,
# not 2023-06-01. The model objects of that version state `lifecycle`, `deprecated_at` and `retires_at`.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check anthropic==2.14.0
"$folder/venv/bin/python" - <<'PYTHON'
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version

from anthropic import Anthropic
from anthropic.types import ModelInfo

MODEL = {"type": "model", "id": "claude-1", "display_name": "Claude", "created_at": "2026-01-01T00:00:00Z"}
MODEL |= {"lifecycle": "deprecated", "deprecated_at": "2026-06-01T00:00:00Z", "retires_at": "2027-01-01T00:00:00Z"}
seen = {}


class Server(BaseHTTPRequestHandler):
    def do_GET(self):
        seen.update(path=self.path, **{name.lower(): value for name, value in self.headers.items()})
        body = json.dumps({"data": [MODEL], "has_more": False, "first_id": "claude-1", "last_id": "claude-1"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
print("anthropic", version("anthropic"))
(model,) = Anthropic(api_key="key", base_url=f"http://127.0.0.1:{server.server_port}").models.list()
sent = {name: seen.get(name) for name in ("path", "authorization", "x-api-key", "anthropic-version")}
print("request:", sent)
print("required:", required := sorted(name for name, field in ModelInfo.model_fields.items() if field.is_required()))
print("read:", model.lifecycle, model.deprecated_at.date(), model.retires_at.date())
assert sent["path"] == "/v1/models" and sent["anthropic-version"] == "2026-10-21"
assert sent["authorization"] == "Bearer key" and sent["x-api-key"] is None
assert "lifecycle" in required and "retires_at" not in required
PYTHON
