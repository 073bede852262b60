"""The rule a provider starts with, and what its file says of the one it has.

Here: a rule from the sample that ships with a preset, and a rule with the endpoints that a file states. Not here: how a
rule is written from a sample (`provider_pipeline.rules`), and the comparison with the first live response
(`provider_pipeline.sync`). The concept: with the shape known from its documentation, the first sync is validated before
anything was ever fetched.
"""

from typing import Any

from provider_pipeline.presets.library import preset_sample
from provider_pipeline.presets.model import FileEndpoint, ProviderFile
from provider_pipeline.rules.document import Endpoint, ExtractionRule
from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline.rules.pagination import parse_pagination


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


def with_stated(rule: ExtractionRule, provider: ProviderFile) -> ExtractionRule:
    """A rule with the endpoints that a file states; what the file leaves out stays as the rule has it.

    An endpoint that the rule does not have yet is read like its first one.
    """
    known = rule.endpoints
    return rule.model_copy(
        update={
            "endpoints": tuple(
                _with_stated(known[place if place < len(known) else 0], each)
                for place, each in enumerate(provider.endpoints)
            )
        }
    )


def _with_stated(endpoint: Endpoint, stated: FileEndpoint) -> Endpoint:
    update = _stated(stated)
    if "pagination" not in stated.model_fields_set or parse_pagination(endpoint.pagination) == stated.pagination:
        del update["pagination"]
    if "detail" not in stated.model_fields_set:
        del update["detail"]
    return endpoint.model_copy(update=update)


def _stated(endpoint: FileEndpoint) -> dict[str, Any]:
    pagination = endpoint.pagination.model_dump(mode="json", exclude_none=True)
    return {
        "path": endpoint.path,
        "pagination": None if pagination["type"] == "none" else pagination,
        "detail": endpoint.detail,
    }
