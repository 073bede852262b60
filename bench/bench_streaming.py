"""Memory of validating a long listing page by page: only its ids accumulate.

Prints the peak along the way; absolute figures depend on the machine. Run it: make bench
"""

import resource
import sys
import time
from typing import Any

from bench_rules import NAMES, VENDORS
from rich.console import Console
from rich.table import Table

from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline.rules.judge import ListingJudge

PAGE = 10_000
PAGES = 30


def page(number: int) -> dict[str, Any]:
    """One page of a listing, as parsed."""
    return {
        "data": [
            {
                "id": f"{VENDORS[n % len(VENDORS)]}/{NAMES[n % len(NAMES)]}-v{n}",
                "object": "model",
                "created": 1_700_000_000 + n,
                "context_length": 32_768 * (1 + n % 8),
            }
            for n in range(number * PAGE, (number + 1) * PAGE)
        ]
    }


def peak_megabytes() -> float:
    """Peak memory of this process."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


def main() -> None:
    """Validates the listing and prints the table. All names are new, so that no cache helps."""
    pages = int(sys.argv[1]) if len(sys.argv) > 1 else PAGES
    table = Table(title="Validating page by page", title_justify="left")
    for column in ("models", "peak memory", "of it ids", "per model"):
        table.add_column(column, justify="right")
    judge = ListingJudge(ExtractionRule.parse(RuleGenerator().analyze_sample(page(0))))
    judging, ids = 0.0, 0
    for number in range(pages):
        document = page(number)
        started = time.perf_counter()
        rows = judge.add_page(document)
        judging += time.perf_counter() - started
        ids += sum(sys.getsizeof(row["model_id"]) + 32 for row in rows)
        if number + 1 in (1, 2, pages // 3, 2 * pages // 3, pages):
            models = (number + 1) * PAGE
            table.add_row(
                f"{models:,}", f"{peak_megabytes():.0f} MB", f"{ids / 1e6:.0f} MB", f"{judging / models * 1e6:.1f} us"
            )
    if not judge.verdict().valid:
        raise SystemExit("the bench's own listing is not valid")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
