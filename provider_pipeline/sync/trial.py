"""Trying a rule on stored responses, and choosing between two rules by it.

Here: pure decisions. Not here: where rules and responses come from (`regenerate.py`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from provider_pipeline.rules import ExtractionRule, ListingJudge, Verdict, last_of_each
from provider_pipeline.sync.stored import Page


@dataclass(frozen=True)
class Trial:
    """What one rule made of one stored response.

    Attributes:
        valid: The verdict, without history.
        models: Accepted rows.
        filled: Filled cells among the mapped columns, summed over the rows.
    """

    valid: bool
    models: int
    filled: int


@dataclass(frozen=True)
class Choice:
    """Which rule to keep.

    Attributes:
        activate: Whether the candidate becomes the active rule.
        fits: Whether the rule that is active then fits the newest response.
        reason: The sentence that says why.
    """

    activate: bool
    fits: bool
    reason: str


def choose_rule(old: Sequence[Trial] | None, new: Sequence[Trial], *, doubt: str | None = None) -> Choice:
    """Decides between the active rule and a candidate, tried on the same responses, newest first.

    A candidate must fit the newest response: that is the shape the provider sends now. Where both fit it, the candidate
    must extract at least as many models from every response that the old rule fits, and fill more cells in all.

    Args:
        old: Trials of the active rule; None when there is none.
        new: Trials of the candidate, in the same order.
        doubt: Why the candidate may be a wrong guess. A rule in doubt replaces no other by itself.
    """
    old_fits = old is not None and old[0].valid
    if not new[0].valid:
        return Choice(False, old_fits, "the new rule does not fit the newest response")
    if old is None:
        return Choice(True, True, "first rule of this provider")
    if doubt:
        return Choice(False, old_fits, f"{doubt}: a person must decide")
    if not old_fits:
        return Choice(True, True, "the new rule fits the newest response, the old one does not")
    return _compared([(before, after) for before, after in zip(old, new, strict=True) if before.valid])


def _compared(pairs: Sequence[tuple[Trial, Trial]]) -> Choice:
    """Chooses between two rules that both fit the newest response, by the responses that the old one fits."""
    lost = sum(before.models > after.models or not after.valid for before, after in pairs)
    if lost:
        return Choice(False, True, f"the new rule loses models in {lost} of {len(pairs)} stored responses")
    if sum(after.filled for _, after in pairs) <= sum(before.filled for before, _ in pairs):
        return Choice(False, True, "the new rule is no better than the active one on the stored responses")
    return Choice(True, True, "the new rule fills more fields of the same models")


def try_rule(rule: ExtractionRule, pages: Iterable[Page]) -> Trial:
    """What a rule makes of a response.

    Args:
        rule: The rule.
        pages: The response's pages.
    """
    rows, verdict = read_response(rule, pages)
    filled = sum(value not in (None, {}, []) for row in rows for value in row.values())
    return Trial(verdict.valid, len(rows), filled)


def read_response(rule: ExtractionRule, pages: Iterable[Page]) -> tuple[list[dict[str, Any]], Verdict]:
    """The rows a rule gives of a response, and its verdict without history.

    A page of an endpoint that the rule does not have is left out.
    """
    judge = ListingJudge(rule)
    rows = [
        row
        for endpoint, document in pages
        if endpoint < len(rule.endpoints)
        for row in judge.add_page(document, endpoint=endpoint)
    ]
    verdict = judge.verdict()
    return list(last_of_each(rows, verdict.superseded)), verdict
