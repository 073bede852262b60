"""What the rule makes of its own sample, which a later listing is held against.

Here: running a draft over the sample once. Not here: the judgement (`../judge.py`).
"""

from typing import Any

from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.issues import issue
from provider_pipeline.rules.judge import ListingJudge


def calibrated(draft: ExtractionRule, sample: Any) -> tuple[dict[str, float], list[dict[str, Any]], int]:
    """The shares that the sample itself contains, issues with the sample, and how many models it gives."""
    judge = ListingJudge(draft)
    rows = judge.add_page(sample)
    shares = judge.shares()
    expect = {name: round(share, 4) for name, share in shares.items() if share > 0}
    problems = []
    if shares["rejected_share"] > 0.2:
        problems.append(
            issue(
                "sample_rejected",
                "warning",
                f"{shares['rejected_share']:.0%} of the sample's items give no row with this rule",
                expected="nearly all items readable",
                actual=f"{shares['rejected_share']:.0%}",
                recovery="Check the selector and the id; use a cleaner sample if there is one.",
            )
        )
    return expect, problems, len(rows)
