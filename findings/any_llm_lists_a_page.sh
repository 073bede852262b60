#!/usr/bin/env bash
# any-llm-sdk 1.40.2: list_models() gives all models or those of the first page, depending on the provider. For cohere it
# follows next_page_token; for anthropic it takes the page's `data`, and for gemini it reads an asynchronous pager by a plain
# loop. Both end after one page, without a warning, though both answers name a next one. And api_base, which those two
# follow, is not passed on to cohere's client: its listing, with the key, goes where CO_API_URL says, else to Cohere.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    any-llm-sdk==1.40.2 anthropic==0.125.0 cohere==7.3.1 google-genai==3.6.1
"$folder/venv/bin/python" - <<'PYTHON'
import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version

from any_llm import list_models

CLAUDE = {"type": "model", "created_at": "2026-01-01T00:00:00Z", "lifecycle": "active"}
PAGES = {  # provider: (what marks the request for the second page, both pages)
    "anthropic": ("after_id=a", [
        {"data": [CLAUDE | {"id": "a", "display_name": "A"}], "has_more": True, "first_id": "a", "last_id": "a"},
        {"data": [CLAUDE | {"id": "b", "display_name": "B"}], "has_more": False, "first_id": "b", "last_id": "b"},
    ]),
    "cohere": ("page_token=more", [{"models": [{"name": "a"}], "next_page_token": "more"}, {"models": [{"name": "b"}]}]),
    "gemini": ("pageToken=more", [
        {"models": [{"name": "models/a"}], "nextPageToken": "more"}, {"models": [{"name": "models/b"}]},
    ]),
}
requests = []


class Server(BaseHTTPRequestHandler):
    def do_GET(self):
        requests.append(self.path)
        mark, pages = PAGES[self.path.split("/")[1]]
        body = json.dumps(pages[mark in self.path]).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
print("any-llm-sdk", version("any-llm-sdk"))
here = f"http://127.0.0.1:{server.server_port}"
os.environ["CO_API_URL"] = f"{here}/cohere"
for provider, expected in (("anthropic", ["a"]), ("cohere", ["a", "b"]), ("gemini", ["a"])):
    requests.clear()
    there = f"{here}/elsewhere" if provider == "cohere" else f"{here}/{provider}"
    found = [model.id for model in list_models(provider, api_key="key", api_base=there)]
    print(f"{provider}: {found}, {len(requests)} requests")
    assert found == expected and len(requests) == len(expected)
PYTHON
