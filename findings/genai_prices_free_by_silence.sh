#!/usr/bin/env bash
# genai-prices 0.2.3: a kind of use that a model has no price for costs nothing: a million tokens of whisper-1, which is
# billed by the minute, are 0.00 and no error, as is an empty usage. Cached tokens of a model without a cache price cost
# the full input price instead. And of two models of one maker, one is found by its name alone and the other is not.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check genai-prices==0.2.3
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

from genai_prices import Usage, calc_price

print("genai-prices", version("genai-prices"))


def price(model, **usage):
    return calc_price(Usage(**usage), model_ref=model).total_price


for model, usage, expected in (
    ("whisper-1", {"input_tokens": 1_000_000, "output_tokens": 1_000_000}, 0),
    ("gpt-4o", {}, 0),
    ("gpt-4", {"input_tokens": 1_000_000, "cache_read_tokens": 1_000_000}, 30),
    ("gpt-4o", {"input_tokens": 1_000_000, "cache_write_tokens": 1_000_000}, 2.5),
    ("gpt-4o", {"input_tokens": 1_000_000, "input_audio_tokens": 1_000_000}, 2.5),
):
    found = price(model, **usage)
    print(model, usage, "=", found)
    assert float(found) == expected, found
try:
    price("text-embedding-3-small", input_tokens=1)
except LookupError as error:
    print(error)
else:
    raise SystemExit("found by its name alone now")
found = calc_price(Usage(input_tokens=1_000_000), model_ref="text-embedding-3-small", provider_id="openai")
print("with provider_id='openai':", found.total_price)
PYTHON
