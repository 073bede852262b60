#!/usr/bin/env bash
# langchain 1.5.2: a model's profile that says `structured_output: False` counts as no answer. create_agent() then goes by
# the model's name, and asks a gpt-4o for native structured output although its user denied it in so many words; only True
# is heard. The shipped profiles (from models.dev) deny it for claude-sonnet-4-5-20250929 and state it for
# claude-sonnet-4-5, the same model. Another gap in them is heard at once: a Claude whose id they lack, such as a snapshot
# of claude-3-5-haiku, gets max_tokens 4096 where its neighbours get 64000.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    langchain==1.5.2 langchain-openai==1.7.4 langchain-anthropic==1.7.10
"$folder/venv/bin/python" - <<'PYTHON'
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version

from langchain.agents import create_agent
from langchain_anthropic import ChatAnthropic
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

asked = []


class City(BaseModel):
    city: str


class Server(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        asked.append(body)
        message = {"role": "assistant", "content": '{"city": "Bern"}'}
        if body.get("tools"):
            call = {"name": "City", "arguments": '{"city": "Bern"}'}
            message = {"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": call}]}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        answer = json.dumps({"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]})
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer.encode())

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
base_url = f"http://127.0.0.1:{server.server_port}"


def way(model, profile):
    asked.clear()
    chat = ChatOpenAI(model=model, api_key="none", base_url=base_url, max_retries=0, profile=profile)
    agent = create_agent(chat, response_format=City)
    assert agent.invoke({"messages": [("user", "Switzerland's capital?")]})["structured_response"] == City(city="Bern")
    return "native" if "response_format" in asked[0] else "as a tool"


print("langchain", version("langchain"), "langchain-anthropic", version("langchain-anthropic"))
for model, says, expected in (
    ("gpt-4o", True, "native"),
    ("gpt-4o", False, "native"),
    ("acme/gpt-4o", False, "native"),
    ("llama-3.3-70b", True, "native"),
    ("llama-3.3-70b", False, "as a tool"),
):
    found = way(model, {"structured_output": says})
    print(f"{model} with a profile that says {says}: {found}")
    assert found == expected
server.shutdown()

claudes = {
    name: ChatAnthropic(model=name, api_key="none")
    for name in ("claude-sonnet-4-5", "claude-sonnet-4-5-20250929", "claude-3-5-haiku-20241022")
}
for name, chat in claudes.items():
    print(name, "structured_output:", (chat.profile or {}).get("structured_output"), "max_tokens:", chat.max_tokens)
assert [(chat.profile or {}).get("structured_output") for chat in claudes.values()] == [True, False, None]
assert [chat.max_tokens for chat in claudes.values()] == [64000, 64000, 4096]
PYTHON
