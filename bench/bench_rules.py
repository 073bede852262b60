"""How fast rules are made and run: megabytes of JSON a second, and how many times `json.loads` of the same bytes.

Run with `python bench/bench_rules.py`. The listings are made up: one with many fields per model, one with few.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from provider_pipeline.rules import ExtractionRule, RuleGenerator, RuleValidator

FAMILIES = (
    "llama-3.1-8b-instruct",
    "qwen3-32b",
    "gpt-4o",
    "text-embedding-3",
    "mistral-small",
    "claude-sonnet-4",
    "flux-dev",
)


def rich_listing(count: int) -> dict[str, Any]:
    """Models with prices, modalities, limits and parameters: about 1.1 kB each."""
    return {
        "data": [
            {
                "id": f"vendor-{n % 40}/{FAMILIES[n % 7]}-{n}",
                "name": f"Vendor {n % 40}: Model {n}",
                "created": 1_700_000_000 + 3_600 * n,
                "description": "A model of some kind, described at some length. " * 10,
                "context_length": 1024 * (1 + n % 128),
                "architecture": {"input_modalities": ["text", "image"][: 1 + n % 2], "output_modalities": ["text"]},
                "pricing": {
                    "prompt": f"{1e-7 * (1 + n % 50):.8f}",
                    "completion": f"{4e-7 * (1 + n % 50):.8f}",
                    "image": "0",
                },
                "top_provider": {"context_length": 4096, "max_completion_tokens": 1024, "is_moderated": False},
                "supported_parameters": ["max_tokens", "temperature", "tools", "top_p", "seed", "stop"][: 2 + n % 5],
            }
            for n in range(count)
        ]
    }


def narrow_listing(count: int) -> dict[str, Any]:
    """Models with an id and three more fields: about 130 bytes each."""
    return {
        "object": "list",
        "data": [
            {
                "id": f"vendor-{n % 400}/{FAMILIES[n % 7]}-{n}",
                "object": "model",
                "created": 1_700_000_000 + n,
                "owned_by": "vendor",
            }
            for n in range(count)
        ],
    }


def best_of(runs: int, work: Callable[[], object]) -> float:
    """The shortest of several runs, in seconds."""
    shortest = float("inf")
    for _ in range(runs):
        started = time.perf_counter()
        work()
        shortest = min(shortest, time.perf_counter() - started)
    return shortest


def main() -> None:
    """Measure both listings and print one line for each."""
    for name, listing in (("rich, 6,500 models", rich_listing(6_500)), ("narrow, 6,500 models", narrow_listing(6_500))):
        text = json.dumps(listing)
        started = time.perf_counter()
        analysis = RuleGenerator().analyze_sample(listing)
        generation = time.perf_counter() - started
        rule = ExtractionRule.parse(analysis)
        loading = best_of(5, lambda text=text: json.loads(text))
        started = time.perf_counter()
        RuleValidator().validate_rule(rule, listing)
        first = time.perf_counter() - started
        again = best_of(5, lambda rule=rule, listing=listing: RuleValidator().validate_rule(rule, listing))
        megabytes = len(text) / 1e6
        sys.stdout.write(
            f"{name}: {megabytes:.1f} MB; generation {generation:.2f} s; validation {megabytes / first:.0f} MB/s "
            f"at first, {megabytes / again:.0f} MB/s again, {again / loading:.1f} times json.loads\n"
        )


if __name__ == "__main__":
    main()
