#!/usr/bin/env bash
# deepgram-sdk 7.17.0: models.get() reads every model as the first member of its union. A voice (text-to-speech) comes back
# as GetModelV1ResponseBatch, the type of speech-to-text models, with batch, streaming and formatted_output None and its
# metadata a plain dict; the same voice in models.list() has typed metadata. isinstance() cannot tell the two kinds apart.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check deepgram-sdk==7.17.0
"$folder/venv/bin/python" - <<'PYTHON'
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version

from deepgram import DeepgramClient
from deepgram.environment import DeepgramClientEnvironment
from deepgram.types import GetModelV1ResponseBatch, GetModelV1ResponseMetadata

COMMON = {"languages": ["en"], "version": "2025-01-01.0", "architecture": "one"}
EAR = {"name": "general", "canonical_name": "nova-3-general", "uuid": "1"} | COMMON
EAR |= {"batch": True, "streaming": True, "formatted_output": True}
VOICE = {"name": "thalia", "canonical_name": "aura-2-thalia-en", "uuid": "2"} | COMMON
VOICE |= {"metadata": {"accent": "American", "tags": ["feminine"], "color": "#FFFFFF", "image": "", "sample": ""}}
ANSWERS = {"/v1/models": {"stt": [EAR], "tts": [VOICE]}, "/v1/models/1": EAR, "/v1/models/2": VOICE}


class Server(BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps(ANSWERS[self.path]).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
print("deepgram-sdk", version("deepgram-sdk"))
here = f"http://127.0.0.1:{server.server_port}"
there = DeepgramClientEnvironment(base=here, production=here, agent=here, agent_rest=here)
models = DeepgramClient(api_key="key", environment=there).manage.v1.models
listed, ear, voice = models.list().tts[0], models.get("1"), models.get("2")
print("speech-to-text:", type(ear).__name__)
print("text-to-speech:", type(voice).__name__, "streaming", voice.streaming, "metadata", type(voice.metadata).__name__)
print("in the list:", type(listed).__name__, "metadata", type(listed.metadata).__name__)
assert type(ear) is type(voice) is GetModelV1ResponseBatch and not isinstance(voice, GetModelV1ResponseMetadata)
assert voice.streaming is None and isinstance(voice.metadata, dict)
assert listed.metadata.accent == voice.metadata["accent"] == "American"
PYTHON
