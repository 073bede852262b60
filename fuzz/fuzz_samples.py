"""Fuzzes the generator and the validator with arbitrary samples: no crash, no hang, the same rule each time.

Needs atheris, in an environment of its own. Run it: python fuzz/fuzz_samples.py -max_total_time=600
"""

import json
import sys

import atheris
from documents import SAMPLE_KEYS, Documents

with atheris.instrument_imports(include=["provider_pipeline"]):
    from provider_pipeline.rules.document import ExtractionRule
    from provider_pipeline.rules.generation.generator import RuleGenerator
    from provider_pipeline.rules.validator import RuleValidator


def one_input(data: bytes) -> None:
    """The rule for a sample is reproducible and lossless, and its verdicts are storable JSON."""
    documents = Documents(data, SAMPLE_KEYS)
    sample, other = documents.value(), documents.value()
    analysis = RuleGenerator().analyze_sample(sample)
    text = json.dumps(analysis)
    if json.dumps(RuleGenerator().analyze_sample(sample)) != text:
        raise AssertionError("the same sample gave two rules")
    if ExtractionRule.parse(json.loads(text)).to_analysis() != json.loads(text):
        raise AssertionError("the rule is not lossless")
    for answer in (sample, other):
        result = RuleValidator().validate_rule(analysis, answer, previous=[])
        json.dumps(result, allow_nan=False, ensure_ascii=False).encode()


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
