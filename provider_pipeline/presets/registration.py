"""Carries out a plan: registers providers from files, and writes first rules for those without one.

A plan is applied whole, in the caller's transaction; planning and applying the same files again changes nothing.
"""

import json
from collections.abc import Collection
from dataclasses import replace
from typing import Final

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.errors import RuleValidationError
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.presets.file_rules import store_stated, try_file_rule, with_stated
from provider_pipeline.presets.plan import Plan, PlannedProvider, peer_ids, request_config
from provider_pipeline.presets.requested import RequestedProvider
from provider_pipeline.rules.generation.generator import CONFIDENT
from provider_pipeline.sync.key_hosts import refuse_new_hosts
from provider_pipeline.sync.plan import store_rule
from provider_pipeline.sync.provider import SAMPLE_ORIGIN
from provider_pipeline.sync.repair.candidates import ListingPlace
from provider_pipeline.sync.repair.edit import newest_response
from provider_pipeline.sync.repair.generate import GeneratedRule, fetch_sample, generate_rule, store_sample

_KEEPS_STATED: Final = "keeps_stated_parts"
"""The gate that a first rule fails if its sample has nothing where the file says."""


def apply_plan(session: Session, plan: Plan, *, new_hosts: Collection[str] = ()) -> None:
    """Carry out a plan, given the confirmed new hosts for known keys. Commits nothing.

    Raises:
        ConfigurationError: A provider is invalid, or a new host is not confirmed; the caller must roll back.
    """
    for each in plan.providers:
        refuse_new_hosts(each.slug, each.new_hosts, new_hosts)
        if each.action == "disable":
            catalog.providers.set_enabled(session, each.slug, False)
        elif each.requested is not None and each.action in ("add", "change"):
            _register(session, each, each.requested)


def write_first_rules(session: Session, plan: Plan, *, client: ListingClient) -> Plan:
    """Fetch the first page of each registered provider that has no rule, and activate a rule written from it.

    The rule has the endpoints that the file states. Commits nothing.

    Returns:
        The plan, with these providers ready.

    Raises:
        ProviderPipelineError: A page cannot be fetched, or no valid rule can be written from it; the caller must roll
            back.
    """
    ready = set()
    for requested in plan.without_rule:
        file = requested.file
        places = [ListingPlace(each.path, each.detail) for each in file.endpoints]
        samples, sample_id = fetch_sample(session, file.slug, places, client=client)
        generated = generate_rule(session, file.slug, samples, sample_id=sample_id, activate=True)
        if unkept := next((gate for gate in generated.gates if gate.name == _KEEPS_STATED and not gate.passed), None):
            raise RuleValidationError(
                f"{file.slug}: {unkept.actual}: the first page of its listing has nothing there",
                [],
                hint="correct the rule in its file",
            )
        rule = with_stated(generated.rule, file)
        is_stated = rule.digest != generated.rule.digest
        if generated.analysis["confidence"] < CONFIDENT or not (generated.fits or is_stated):
            raise _not_certain(file.slug, generated)
        if is_stated:
            store_stated(session, catalog.providers.get(session, file.slug).id, rule)
        ready.add(file.slug)
    return Plan(tuple(replace(each, has_rule=each.has_rule or each.slug in ready) for each in plan.providers))


def _not_certain(slug: str, generated: GeneratedRule) -> RuleValidationError:
    """The error for a first rule that a person must look at: a doubtful list or id, or a part of the listing."""
    issues = [each for each in generated.analysis["issues"] if each["severity"] != "info"]
    return RuleValidationError(
        f"{slug}: its rule needs a person's review: {issues[0]['message'] if issues else generated.reason}",
        issues,
        hint=f"see it with: provider-pipeline rules generate {slug}, once it is added with: providers add --file",
    )


def _register(session: Session, planned: PlannedProvider, requested: RequestedProvider) -> None:
    file = requested.file
    provider = catalog.providers.add(
        session,
        slug=file.slug,
        name=file.name,
        base_url=file.base_url,
        auth_config=planned.auth,
        request_config=request_config(file),
        check_every=file.check_every,
        thresholds=file.thresholds or None,
        peer_ids=peer_ids(file) or None,
    )
    rule = planned.rule
    if file.rule is not None:
        catalog.providers.state_rule(session, provider.id, file.rule.to_json())
    if rule is None:
        return
    if provider.active_rule_version is not None:
        if file.rule is None or planned.is_elsewhere or newest_response(session, provider.id) is None:
            store_stated(session, provider.id, rule)
        else:
            try_file_rule(session, file, rule, dropped=planned.dropped)
        return
    content = json.dumps(requested.sample).encode()
    version = store_rule(
        session,
        provider.id,
        rule,
        origin=SAMPLE_ORIGIN,
        activate=not planned.needs_review,
        sample_id=store_sample(session, file.slug, content, url=f"sample:{file.slug}"),
        reason="written from a sample, before the first listing",
    )
    if planned.needs_review:
        doubt = next((each["message"] for each in rule.issues if each["type"] == "ambiguous"), "of low confidence")
        catalog.rule_versions.set_status(session, provider.id, version, "needs_review", reason=doubt)
