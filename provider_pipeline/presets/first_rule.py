"""The rule a provider starts with.

Here: a rule from the sample that ships with a preset. Not here: how a rule is written from a sample
(`provider_pipeline.rules`), and the comparison with the first live response (`provider_pipeline.sync`). The concept:
with the shape known from its documentation, the first sync is validated before anything was ever fetched.
"""

from typing import Any

from provider_pipeline.presets.library import preset_sample
from provider_pipeline.presets.model import FileEndpoint, ProviderFile
from provider_pipeline.rules import ExtractionRule, RuleGenerator


def first_rule(provider: ProviderFile, sample: Any = None) -> ExtractionRule | None:
    """The rule for a provider file, with the endpoints and the pagination the file states.

    Args:
        provider: A preset, or a user's file.
        sample: The first page of its listing; by default the sample that ships with the preset of that slug.

    Returns:
        None if there is no sample.
    """
    page = preset_sample(provider.slug) if sample is None else sample
    if page is None:
        return None
    rule = ExtractionRule.parse(RuleGenerator().analyze_sample(page))
    written = rule.endpoints[0]
    return rule.model_copy(
        update={"endpoints": tuple(written.model_copy(update=_stated(each)) for each in provider.endpoints)}
    )


def _stated(endpoint: FileEndpoint) -> dict[str, Any]:
    pagination = endpoint.pagination.model_dump(mode="json", exclude_none=True)
    return {
        "path": endpoint.path,
        "pagination": None if pagination["type"] == "none" else pagination,
        "detail": endpoint.detail,
    }
