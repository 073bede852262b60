import re
from pathlib import Path

import pytest

from provider_pipeline.rules import Thresholds

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
