"""The rule in a provider file: the endpoints, and the parts under `rule`."""

from collections.abc import Collection
from typing import Any, Final

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.errors import RuleValidationError
from provider_pipeline.presets.library import preset_sample
from provider_pipeline.presets.model import FileEndpoint, ProviderFile
from provider_pipeline.rules.document import Endpoint, ExtractionRule
from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline.rules.generation.samples import EndpointSample
from provider_pipeline.rules.pagination import parse_pagination
from provider_pipeline.rules.stated_rule import StatedRule
from provider_pipeline.sync.plan import store_rule
from provider_pipeline.sync.repair.candidates import (
    active_places,
    generated_candidate,
    stored_sample,
    with_active_currency,
    with_active_paging,
)
from provider_pipeline.sync.repair.edit import newest_response, try_stated

_ORIGIN: Final = "stated"
_REASON: Final = "the provider's file says so"


def first_rule(provider: ProviderFile, sample: Any = None) -> ExtractionRule | None:
    """The rule generated from a sample, with the endpoints that the file states; None without a sample.

    The sample is the first page of the listing; by default the one that ships with the preset of that slug.
    """
    page = preset_sample(provider.slug) if sample is None else sample
    if page is None:
        return None
    stated, first = provider.rule or StatedRule(), provider.endpoints[0]
    leading = EndpointSample(page, stated=stated.at(first.path, alone=len(provider.endpoints) == 1))
    rule = ExtractionRule.parse(RuleGenerator().analyze_endpoints([leading]))
    if rule.endpoints[0].pagination == {"type": "none"}:
        single = rule.endpoints[0].model_copy(update={"pagination": None})
        rule = rule.model_copy(update={"endpoints": (single,)})
    return with_stated(rule, provider)


def with_stated(rule: ExtractionRule, provider: ProviderFile) -> ExtractionRule:
    """The rule with the endpoints, and the parts of a rule, that the file states, keeping what the file leaves out.

    An endpoint new to the rule is read like its first one. A currency that an item names beats the file's.
    """
    endpoints = []
    for place, stated in enumerate(provider.endpoints):
        known: Endpoint = rule.endpoints[place if place < len(rule.endpoints) else 0]
        update = _stated(stated)
        if "pagination" not in stated.model_fields_set or parse_pagination(known.pagination) == stated.pagination:
            del update["pagination"]
        if "detail" not in stated.model_fields_set:
            del update["detail"]
        if provider.currency is not None and provider.currency != known.currency:
            update["currency"] = provider.currency
        endpoints.append(known.model_copy(update=update))
    changed = rule.model_copy(update={"endpoints": tuple(endpoints)})
    return changed if provider.rule is None else provider.rule.apply_to(changed)


def _stated(endpoint: FileEndpoint) -> dict[str, Any]:
    pagination = endpoint.pagination.model_dump(mode="json", exclude_defaults=True) | {"type": endpoint.pagination.type}
    return {
        "path": endpoint.path,
        "pagination": None if pagination == {"type": "none"} else pagination,
        "detail": endpoint.detail,
    }


def stated_endpoints(rule: ExtractionRule) -> list[dict[str, Any]]:
    """The parts of a rule's endpoints that a provider file can state."""
    return [
        each.model_dump(mode="json", include={"path", "pagination", "detail", "currency"}, exclude_none=True)
        for each in rule.endpoints
    ]


def store_stated(session: Session, provider_id: int, rule: ExtractionRule) -> None:
    """Activate a rule because a file says so, without a response to try it on."""
    store_rule(session, provider_id, rule, origin=_ORIGIN, activate=True, author="person", reason=_REASON)


def generated_again(session: Session, file: ProviderFile, active: ExtractionRule) -> ExtractionRule:
    """The rule that is generated from the newest stored response with what the file states; the active one without any.

    Raises:
        RuleValidationError: No valid rule can be written from that response.
    """
    response = newest_response(session, catalog.providers.get(session, file.slug).id)
    if response is None:
        return active
    samples = stored_sample(session, file.slug, response.id, active_places(session, file.slug))
    candidate = generated_candidate(session, file.slug, samples, active, stated=file.rule)
    return with_active_currency(with_active_paging(candidate, active, response), active).rule


def try_file_rule(session: Session, file: ProviderFile, rule: ExtractionRule, *, dropped: Collection[str] = ()) -> None:
    """Activate a rule with the parts that a file states, if it passes the gates on the newest stored response.

    `dropped` are the fields that the file no longer states.
    """
    stated = file.rule or StatedRule()
    edit = try_stated(session, file.slug, rule, stated, reason=_REASON, origin=_ORIGIN, dropped=dropped)
    if edit.failed:
        gate = edit.failed[0]
        raise RuleValidationError(
            f"{file.slug}: the rule in its file fails the gate {gate.name}: {gate.actual}",
            [],
            hint=f"nothing was done; correct the file, or try its parts with: provider-pipeline rules set {file.slug}",
        )
