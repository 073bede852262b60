"""What the rule makes of its own sample, which a later listing is held against.

Here: running a draft over the sample once. Not here: the judgement (`../judge.py`).
"""

from collections.abc import Mapping
from typing import Any, Final

from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.issues import issue
from provider_pipeline.rules.judge import ListingJudge

_FORGIVEN: Final = ("context_length", "max_output_tokens", "input_price", "output_price")


def calibrated(draft: Mapping[str, Any], sample: Any) -> tuple[dict[str, Any], list[dict[str, Any]], list[str]]:
    """What a draft's `expect` should say of its own sample, issues with the sample, and the ids of its models.

    A model is not lost for an odd limit or price that the sample itself holds: such columns are named `unreadable`.
    """
    expect: dict[str, Any] = dict(draft["expect"])
    for _ in range(1 + len(_FORGIVEN)):
        judge = ListingJudge(ExtractionRule.parse({**draft, "expect": expect}))
        rows = judge.add_page(sample)
        unreadable = [column for column in judge.rejected_fields() if column in _FORGIVEN]
        if not unreadable:
            break
        expect["unreadable"] = sorted({*expect.get("unreadable", ()), *unreadable})
    shares = judge.shares()
    expect |= {name: round(share, 4) for name, share in shares.items() if share > 0}
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
    return expect, problems, [row["model_id"] for row in rows]
