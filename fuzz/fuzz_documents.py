"""Fuzzes rule documents: each is refused in one line, or runs to an end with storable results.

Needs atheris, in an environment of its own. Run it: python fuzz/fuzz_documents.py -max_total_time=600
"""

import contextlib
import json
import sys
from typing import Any

import atheris
from documents import RULE_KEYS, SAMPLE_KEYS, Documents

with atheris.instrument_imports(include=["provider_pipeline"]):
    from provider_pipeline.errors import InvalidRuleError
    from provider_pipeline.rules.document import ExtractionRule
    from provider_pipeline.rules.history import RowsInMemory
    from provider_pipeline.rules.judge import ListingJudge
    from provider_pipeline.rules.matching import CapabilityMatcher
    from provider_pipeline.rules.overrides import apply_override
    from provider_pipeline.rules.rows import Profile


def one_input(data: bytes) -> None:
    """Tries an arbitrary document, and one in the format of a rule, as rules on some pages."""
    documents = Documents(data, RULE_KEYS)
    for document in (documents.value(), _shaped(documents)):
        try:
            rule = ExtractionRule.parse(document)
        except InvalidRuleError as error:
            if "\n" in error.message:
                raise AssertionError("more than one line") from error
            continue
        _run(rule, Documents(data[::-1], [*SAMPLE_KEYS, "a", "b"]))
    with contextlib.suppress(InvalidRuleError):
        CapabilityMatcher().match_capabilities(documents.text(), documents.value())


def _shaped(documents: Documents) -> dict[str, Any]:
    return {
        "jmespath_rule": documents.text(),
        "fields": {"id": documents.text(), "name": documents.text(), "context_length": documents.text()},
        "capability_rules": [
            {"capability": "chat", "patterns": {"regex": [documents.text()], "evidence": [documents.text()]}}
        ],
    }


def _run(rule: ExtractionRule, documents: Documents) -> None:
    written = ExtractionRule.parse(rule.to_analysis())  # JSON has no NaN and Infinity
    stored = ExtractionRule.parse(written.to_stored()._asdict())
    if stored != written or stored.digest != rule.digest:
        raise AssertionError("the rule is not lossless")
    first, _ = _judged(rule, [documents.value(), {"data": [documents.value(3)] * 3}], None)
    _, again = _judged(rule, [documents.value()], first)
    if Profile.from_json(again.to_json()) != again:
        raise AssertionError("the profile is not lossless")


def _judged(
    rule: ExtractionRule, pages: list[Any], before: list[dict[str, Any]] | None
) -> tuple[list[dict[str, Any]], Profile]:
    judge = ListingJudge(rule, history=None if before is None else RowsInMemory(before))
    rows = [row for page in pages for row in judge.add_page(page)]
    for row in rows:
        json.dumps(row, allow_nan=False, ensure_ascii=False).encode()
        apply_override(row, {"capabilities": {"chat": True}})
    verdict = judge.verdict()
    json.dumps([verdict.issues, verdict.rejected], allow_nan=False, ensure_ascii=False).encode()
    return rows, verdict.profile


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
