#!/usr/bin/env bash
# together 3.1.1: client.models.list() no longer lists Together's models. It lists those of one project, and raises without
# a project id. Together's own are client.models.list_supported(), at /v2/supported-models, without /v1 in the base URL.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check together==3.1.1
env -u TOGETHER_PROJECT_ID -u TOGETHER_BASE_URL "$folder/venv/bin/python" - <<'PYTHON'
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version

from together import Together

paths = []


class Server(BaseHTTPRequestHandler):
    def do_GET(self):
        paths.append(self.path)
        body = b'{"object": "list", "data": [], "next_cursor": null}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
print("together", version("together"))
print("base URL:", base := str(Together(api_key="key").base_url))
client = Together(api_key="key", base_url=f"http://127.0.0.1:{server.server_port}")
try:
    client.models.list()
    raised = None
except ValueError as error:
    raised = str(error)
print("list():", raised)
list(client.models.list(project_id="proj_1"))
list(client.models.list_supported())
print("list(project_id), list_supported():", paths)
assert base.rstrip("/") == "https://api.together.ai"
assert raised is not None and "project_id" in raised
assert paths == ["/v2/projects/proj_1/models", "/v2/supported-models"]
PYTHON
