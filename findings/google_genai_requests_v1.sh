#!/usr/bin/env bash
# google-genai 3.6.1: the Gemini client requests /v1 unless told otherwise, though the API's page on versions says that the
# SDKs default to v1beta. The same client for Vertex AI still requests v1beta1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check google-genai==3.6.1
env -u GOOGLE_GENAI_API_VERSION "$folder/venv/bin/python" - <<'PYTHON'
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version

from google import genai

paths = []


class Server(BaseHTTPRequestHandler):
    def do_GET(self):
        paths.append(self.path)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
print("google-genai", version("google-genai"))
for is_vertex in (False, True):
    there = {"base_url": f"http://127.0.0.1:{server.server_port}"}
    client = genai.Client(api_key="key", vertexai=is_vertex, http_options=there)
    list(client.models.list())
    print("Vertex AI:" if is_vertex else "Gemini:", paths[-1])
assert paths == ["/v1/models", "/v1beta1/publishers/google/models"]
PYTHON
