"""`RuleValidator`: tries a rule on one sample in memory, with `judge.py`."""

from collections.abc import Mapping, Sequence
from typing import Any

from provider_pipeline.errors import InvalidRuleError
from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.history import RowsInMemory
from provider_pipeline.rules.issues import issue
from provider_pipeline.rules.judge import ListingJudge
from provider_pipeline.rules.thresholds import Thresholds


class RuleValidator:
    """Judges a rule by its rows of a sample, within the documented default thresholds if none are given."""

    def __init__(self, thresholds: Thresholds | None = None) -> None:
        self._thresholds = thresholds

    def validate_rule(
        self, rule: Mapping[str, Any] | ExtractionRule, sample: Any, previous: Sequence[Mapping[str, Any]] | None = None
    ) -> dict[str, Any]:
        """Apply a rule to a sample and judge the rows.

        Args:
            rule: A rule in either written form.
            sample: Parsed JSON of any shape. With several endpoints in the rule, each selector reads the same sample;
                for an endpoint with details it is `{"listing": ..., "details": {id: ...}}`.
            previous: The last accepted rows of this provider, to judge the change too.

        Returns:
            `valid`, `extracted_models` (documented rows), `matched_capabilities` (model id to capability names) and
            `issues`. A malformed rule is an issue of type `invalid_rule`, not an exception.
        """
        try:
            parsed = ExtractionRule.parse(rule)
            judge = ListingJudge(
                parsed,
                thresholds=self._thresholds,
                history=RowsInMemory(previous) if previous is not None else None,
            )
        except InvalidRuleError as error:
            return _result(
                False, [], [issue("invalid_rule", "error", error.message, recovery="Repair or regenerate it.")]
            )
        rows = [row for index in range(len(parsed.endpoints)) for row in judge.add_page(sample, endpoint=index)]
        verdict = judge.verdict()
        return _result(verdict.valid, list(verdict.settled(rows)), list(verdict.issues))


def _result(valid: bool, rows: list[dict[str, Any]], issues: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "valid": valid,
        "extracted_models": rows,
        "matched_capabilities": {
            row["model_id"]: [capability for capability, has in row["capabilities"].items() if has] for row in rows
        },
        "issues": issues,
    }
