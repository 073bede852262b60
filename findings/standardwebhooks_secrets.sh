#!/usr/bin/env bash
# standardwebhooks 1.1.0 (the standard's own Python library): any text of plausible length is a secret. Hex is read as
# base64 (32 digits become 24 bytes), characters of the URL-safe alphabet are dropped without a word (24 bytes become
# fewer), so a receiver that decodes the same secret rightly computes another signature. And verify() parses the payload:
# a body that is rightly signed but no JSON raises JSONDecodeError, not a verification error.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check standardwebhooks==1.1.0
"$folder/venv/bin/python" - <<'PYTHON'
import base64
import json
from datetime import UTC, datetime
from importlib.metadata import version

from standardwebhooks import Webhook

print("standardwebhooks", version("standardwebhooks"))
now = datetime.now(UTC)


def sign(secret, body='{"a":1}'):
    return Webhook(secret).sign("msg", now, body)


hexadecimal = "deadbeef" * 4
as_base64 = base64.b64encode(base64.b64decode(hexadecimal)).decode()
as_hex = base64.b64encode(bytes.fromhex(hexadecimal)).decode()
print(f"{hexadecimal}: {len(base64.b64decode(hexadecimal))} bytes are used, it says {len(bytes.fromhex(hexadecimal))}")
assert sign(hexadecimal) == sign(as_base64) != sign(as_hex)
key = bytes(range(232, 256))
url_safe, plain = base64.urlsafe_b64encode(key).decode(), base64.b64encode(key).decode()
assert url_safe != plain
print(f"{url_safe} and {plain}, the same 24 bytes, sign alike:", sign(url_safe) == sign(plain))
assert sign(url_safe) != sign(plain)
kept = url_safe.replace("-", "").replace("_", "")
assert sign(url_safe) == sign(kept + "=" * (-len(kept) % 4))
print("the URL-safe characters were left out")
headers = {"webhook-id": "msg", "webhook-timestamp": str(int(now.timestamp()))}
try:
    Webhook(plain).verify("plain text", {**headers, "webhook-signature": sign(plain, "plain text")})
except json.JSONDecodeError as error:
    print("a rightly signed text:", type(error).__name__)
else:
    raise SystemExit("a text that is no JSON is taken now")
PYTHON
