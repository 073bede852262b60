import re
from pathlib import Path

import pytest

from provider_pipeline.rules import jmespath_interpreter, language, limits, patterns
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.thresholds import Thresholds

DOCUMENT = (Path(__file__).parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(# example\n.*?)```", DOCUMENT, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_the_examples_of_the_documentation_hold(example):
    exec(compile(example, "docs/rules.md", "exec"), {})


def test_the_documentation_has_examples():
    assert len(EXAMPLES) >= 9


def test_the_documented_thresholds_are_those_of_the_code():
    rows = dict(re.findall(r"^\| `(\w+)` \| ([\d.]+) \|", DOCUMENT, re.MULTILINE))
    assert {name: float(value) for name, value in rows.items()} == {
        name: float(field.default) for name, field in Thresholds.model_fields.items()
    }


def limits_after(marker):
    _, _, rest = DOCUMENT.partition(f"<!-- {marker} -->\n\n")
    rows = re.findall(r"^\| .+ \| ([\d,]+) \|$", rest.partition("\n\n")[0], re.MULTILINE)
    return [int(number.replace(",", "")) for number in rows]


def test_the_documented_limits_of_a_rule_are_those_of_the_code():
    assert limits_after("limits of a rule") == [
        limits.MAX_ENDPOINTS,
        limits.MAX_FIELDS,
        limits.MAX_CAPABILITIES,
        limits.MAX_PREDICATES,
        limits.MAX_PATTERNS,
        language.MAX_EXPRESSION_LENGTH,
        language.MAX_NESTING,
        language.MAX_NODES,
        language.MAX_COPIES,
        limits.MAX_EXPRESSION_TEXT,
        limits.MAX_EXPRESSION_TEXT,
        patterns.MAX_PATTERN_LENGTH,
        patterns.MAX_PATTERN_TEXT,
        patterns.MAX_REPEATED_PATTERN_TEXT,
        patterns.MAX_PROGRAM,
        patterns.MAX_UNICODE_CLASSES,
        limits.MAX_LOOKUPS,
        limits.MAX_LOOKUP_TEXT,
    ]


def test_the_documented_limits_of_a_rules_work_are_those_of_the_code():
    assert limits_after("limits of its work") == [
        limits.PAGE_STEPS,
        limits.ITEM_STEPS,
        limits.LISTING_STEPS,
        limits.STEPS_PER_ITEM,
        limits.FREE_MATCHING,
        limits.MATCHING_SECONDS,
        limits.MATCHING_MICROSECONDS_PER_ITEM,
        limits.FEW_ITEMS,
        limits.ITEMS_PER_ELEMENT,
        limits.ROW_BYTES,
        limits.ROW_PER_ITEM,
        limits.KEPT_BYTES >> 20,
        jmespath_interpreter.MAX_JOINED,
    ]


def names_after(marker):
    _, _, rest = DOCUMENT.partition(f"<!-- {marker} -->\n\n")
    return re.findall(r"^\| `(\w+)` \| (\S+)", rest.partition("\n\n")[0], re.MULTILINE)


def test_the_documented_facts_and_their_types_are_those_of_the_data():
    keys = read_table("fields.toml")["metadata"]
    assert names_after("facts") == [(key, entry["type"]) for key, entry in keys.items()]


def test_the_documented_capabilities_that_only_evidence_states_are_those_of_the_data():
    assert [name for name, _ in names_after("by evidence")] == read_table("capabilities.toml")["by_evidence"]
