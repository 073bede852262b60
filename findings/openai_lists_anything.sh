#!/usr/bin/env bash
# openai 3.57.0 against the listings of others: an answer that keeps its models under another name than `data`, as Ollama's and
# Cohere's do, is a listing without models, and so is an error told with status 200. has_more, as Anthropic sends it with
# 20 models, is passed over: one page is all. The bare list that Together documents raises AttributeError, of a private name.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check openai==3.57.0
"$folder/venv/bin/python" - <<'PYTHON'
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version

from openai import OpenAI

ANSWERS = {
    "data": {"object": "list", "data": [{"id": "a", "object": "model"}]},
    "more": {"data": [{"id": "a", "type": "model"}], "has_more": True, "first_id": "a", "last_id": "a"},
    "models": {"models": [{"name": "a"}], "next_page_token": "more"},
    "error": {"error": {"message": "over quota", "code": 429}},
    "bare": [{"id": "a", "object": "model"}],
}
requests = []


class Server(BaseHTTPRequestHandler):
    def do_GET(self):
        requests.append(self.path)
        body = json.dumps(ANSWERS[self.path.split("/")[1]]).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
print("openai", version("openai"))
expected = {"data": ["a"], "more": ["a"], "models": [], "error": [], "bare": "AttributeError"}
for name, models in expected.items():
    requests.clear()
    client = OpenAI(api_key="key", base_url=f"http://127.0.0.1:{server.server_port}/{name}/v1", max_retries=0)
    try:
        found = [model.id for model in client.models.list()]
    except Exception as error:
        found = type(error).__name__
        print("   ", error)
    print(f"{json.dumps(ANSWERS[name])}: {found}")
    assert found == models and len(requests) == 1
PYTHON
