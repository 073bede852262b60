#!/usr/bin/env bash
# ibm-watsonx-ai 1.8.1: get_model_specs() returns the first page of foundation models as if it were all: with `total_count`
# 2 and a `next` link in the answer, one model comes back, without a warning or a second request.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check ibm-watsonx-ai==1.8.1
"$folder/venv/bin/python" - <<'PYTHON'
import json
import threading
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version

from ibm_watsonx_ai.foundation_models import get_model_specs

paths = []


class Server(BaseHTTPRequestHandler):
    def do_GET(self):
        paths.append(self.path)
        path = self.path.partition("?")[0]
        page = {"total_count": 2, "limit": 1, "resources": [{"model_id": f"ibm/granite-{len(paths)}"}]}
        if len(paths) == 1:
            page["next"] = {"href": f"http://127.0.0.1:{self.server.server_port}{path}?version=2023-09-30&start=2"}
        body = json.dumps(page).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
print("ibm-watsonx-ai", version("ibm-watsonx-ai"))
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    found = get_model_specs(url=f"http://127.0.0.1:{server.server_port}")
print("requests:", paths)
print("models:", [model["model_id"] for model in found["resources"]], "of", found.get("total_count"))
assert len(paths) == 1 and len(found["resources"]) == 1
assert not [each for each in caught if "page" in str(each.message).lower()]
PYTHON
