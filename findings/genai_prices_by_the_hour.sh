#!/usr/bin/env bash
# genai-prices 0.2.3: calc_price() without a time prices a request by the hour of day in which it is *called*: deepseek-chat
# costs half at night (UTC), also for dates long before that tariff. A comparison of prices run at noon and one run in the
# evening disagree; give genai_request_timestamp always.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check genai-prices==0.2.3
"$folder/venv/bin/python" - <<'PYTHON'
from datetime import UTC, datetime
from importlib.metadata import version

from genai_prices import Usage, calc_price

print("genai-prices", version("genai-prices"))
million = Usage(input_tokens=1_000_000, output_tokens=1_000_000)


def price(model, **when):
    at = datetime(2026, 11, 29, tzinfo=UTC).replace(**when)
    return calc_price(million, model_ref=model, genai_request_timestamp=at).total_price


noon, night, long_ago = price("deepseek-chat", hour=12), price("deepseek-chat", hour=17), price("deepseek-chat", year=2024, hour=17)
print("deepseek-chat at 12:00", noon, "at 17:00", night, "at 17:00 in November 2024", long_ago)
assert float(noon) == 1.37 and float(night) == float(long_ago) == 0.685
assert calc_price(million, model_ref="deepseek-chat").total_price in (noon, night)
assert price("gpt-4o", hour=12) == price("gpt-4o", hour=17)
PYTHON
