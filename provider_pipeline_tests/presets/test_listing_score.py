"""What is taken for a listing of models; `test_detection.py` has answers that are not."""

import pytest

from provider_pipeline.presets.library import preset_sample, presets
from provider_pipeline.presets.listing_score import score_listing
from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline.rules.validator import RuleValidator


@pytest.mark.parametrize("slug", [slug for slug in presets() if preset_sample(slug) is not None])
def test_each_presets_sample_is_taken_for_a_listing_of_models(slug: str):
    sample = preset_sample(slug)
    analysis = RuleGenerator().analyze_sample(sample)
    rows = RuleValidator().validate_rule(analysis, sample)["extracted_models"]
    assert score_listing(sample, ExtractionRule.parse(analysis), rows).is_enough
