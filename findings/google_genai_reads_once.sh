#!/usr/bin/env bash
# google-genai 3.6.1: the pager of models.list() is used up by reading it, and does not look so. Of three models on two
# pages, the first loop gives three, the second one only those of the last page; len() is the length of the page at hand,
# and an index past it raises. The asynchronous client's pager can be read by a plain `for`, which ends after one page.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check google-genai==3.6.1
"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version

from google import genai

FIRST = {"models": [{"name": "models/a"}, {"name": "models/b"}], "nextPageToken": "more"}
LAST = {"models": [{"name": "models/c"}]}
requests = []


class Server(BaseHTTPRequestHandler):
    def do_GET(self):
        requests.append(self.path.partition("?")[2])
        body = json.dumps(LAST if "pageToken=more" in self.path else FIRST).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def names(models):
    return [model.name.removeprefix("models/") for model in models]


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
print("google-genai", version("google-genai"))
client = genai.Client(api_key="key", http_options={"base_url": f"http://127.0.0.1:{server.server_port}"})
pager = client.models.list()
lengths, loops = [len(pager)], []
for _ in range(2):
    loops.append(names(pager))
    lengths.append(len(pager))
print("two loops:", loops, "lengths before, between and after:", lengths, "requests:", len(requests))
assert loops == [["a", "b", "c"], ["c"]] and lengths == [2, 1, 1] and len(requests) == 2
try:
    client.models.list()[2]
except IndexError as error:
    print("the third of three by its index:", type(error).__name__)
else:
    raise SystemExit("an index reads on now")


async def read():
    plain = names(await client.aio.models.list())
    return plain, names([model async for model in await client.aio.models.list()])


plain, properly = asyncio.run(read())
print("asynchronous client, for:", plain, "async for:", properly)
assert (plain, properly) == (["a", "b"], ["a", "b", "c"])
PYTHON
