"""Time to write and apply rules, relative to `json.loads` of the same bytes.

Prints ratios; absolute figures depend on the machine. Run it: make bench
"""

import gc
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.table import Table

from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline.rules.judge import ListingJudge

ROUNDS = 7
VENDORS = ("openai", "anthropic", "google", "mistralai", "meta-llama", "qwen", "deepseek", "cohere")
NAMES = ("gpt-4.1", "claude-sonnet-4-5", "gemini-2.5-flash", "mistral-large", "llama-3.3-70b-instruct", "qwen3-32b")


def rich_listing(count: int) -> bytes:
    """An aggregator's listing: nested metadata, string prices, long descriptions."""
    models = [
        {
            "id": f"{VENDORS[n % len(VENDORS)]}/{NAMES[n % len(NAMES)]}-v{n}",
            "name": f"Model {n}",
            "created": 1_700_000_000 + n * 3600,
            "description": "A model that answers questions and writes programs. " * 8,
            "context_length": 32_768 * (1 + n % 8),
            "architecture": {
                "input_modalities": ["text", "image"] if n % 3 else ["text"],
                "output_modalities": ["text"],
                "tokenizer": "Other",
            },
            "pricing": {"prompt": f"0.{n % 9 + 1:07d}", "completion": f"0.{n % 9 + 3:07d}", "request": "0"},
            "top_provider": {"context_length": 32_768, "max_completion_tokens": 8_192, "is_moderated": False},
            "supported_parameters": ["max_tokens", "temperature", "tools", "structured_outputs"][: 2 + n % 3],
        }
        for n in range(count)
    ]
    return json.dumps({"data": models}).encode()


def narrow_listing(count: int) -> bytes:
    """A listing with about 250 bytes per model: id, limits, prices."""
    models = [
        {
            "id": f"{VENDORS[n % len(VENDORS)]}/{NAMES[n % len(NAMES)]}-v{n}",
            "object": "model",
            "created": 1_700_000_000 + n * 3600,
            "owned_by": VENDORS[n % len(VENDORS)],
            "context_length": 32_768 * (1 + n % 8),
            "max_output_tokens": 8_192,
            "pricing": {"input": f"0.{n % 9 + 1}", "output": f"1.{n % 9 + 1}"},
            "capabilities": ["chat", "tools"][: 1 + n % 2],
            "status": "active",
        }
        for n in range(count)
    ]
    return json.dumps({"object": "list", "data": models}).encode()


def bare_listing(count: int) -> bytes:
    """A listing like most: ids, and little else."""
    models = [
        {
            "id": f"{VENDORS[n % len(VENDORS)]}/{NAMES[n % len(NAMES)]}-v{n}",
            "object": "model",
            "created": 1_700_000_000,
            "owned_by": "provider",
        }
        for n in range(count)
    ]
    return json.dumps({"object": "list", "data": models}).encode()


def median_seconds(work: Callable[[], Any]) -> float:
    """Median time of some rounds, after a warm-up."""
    work()
    times = []
    for _ in range(ROUNDS):
        gc.collect()
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def judge(rule: ExtractionRule, document: Any) -> None:
    """Extraction and validation of one page."""
    one = ListingJudge(rule)
    one.add_page(document)
    if not one.verdict().valid:
        raise SystemExit("the bench's own listing is not valid")


def main() -> None:
    """Measures the listings and prints the table."""
    table = Table(title="6,500 models: rules, relative to json.loads of the same bytes", title_justify="left")
    for column in ("listing", "MB", "json.loads", "judge", "ratio", "MB/s", "us/model", "generate", "ratio"):
        table.add_column(column, justify="left" if column == "listing" else "right")
    for name, listing in (("rich", rich_listing), ("narrow", narrow_listing), ("bare", bare_listing)):
        body = listing(6500)
        document = json.loads(body)
        rule = ExtractionRule.parse(RuleGenerator().analyze_sample(document))
        parsing = median_seconds(lambda body=body: json.loads(body))
        judging = median_seconds(lambda rule=rule, document=document: judge(rule, document))
        generating = median_seconds(lambda document=document: RuleGenerator().analyze_sample(document))
        megabytes = len(body) / 1e6
        table.add_row(
            name,
            f"{megabytes:.1f}",
            f"{parsing * 1000:.0f} ms",
            f"{judging * 1000:.0f} ms",
            f"{judging / parsing:.1f}x",
            f"{megabytes / judging:.0f}",
            f"{judging / 6500 * 1e6:.1f}",
            f"{generating * 1000:.0f} ms",
            f"{generating / parsing:.1f}x",
        )
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
