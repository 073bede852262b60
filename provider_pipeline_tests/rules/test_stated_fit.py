"""Stated parts are put into a generated rule where the response has them."""

from provider_pipeline.rules.stated_fit import with_stated_parts
from provider_pipeline.rules.stated_rule import StatedRule
from provider_pipeline_tests.rules.test_stated_rule import RULE, SAMPLE


def test_only_stated_fields_that_an_item_has_are_put_into_a_generated_rule():
    stated = StatedRule.parse({"fields": {"max_output_tokens": "out", "tier": "nowhere", "context_length": None}})
    changed = with_stated_parts(RULE, stated, [(0, SAMPLE)])
    fields = changed.endpoints[0].fields
    assert (fields.get("max_output_tokens"), "tier" in fields, "context_length" in fields) == ("out", False, False)
