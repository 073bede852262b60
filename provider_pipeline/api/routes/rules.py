"""Rule versions: their content, history and activation."""

from typing import Annotated, Any

from fastapi import Path, Query

from provider_pipeline import catalog
from provider_pipeline.api.access import Admin, Reader, RequestContext
from provider_pipeline.api.request_models import DecisionRequest, Json, Number, Slug
from provider_pipeline.api.response_models import (
    ActiveRuleResponse,
    RuleDetailsResponse,
    RuleDiffResponse,
    RuleVersionResponse,
    stored_fields,
)
from provider_pipeline.api.routing import router
from provider_pipeline.rules.difference import difference_lines, rule_differences
from provider_pipeline.rules.generation.explain import explain_rule
from provider_pipeline.sync.plan import stored_rule

routes = router("rules")

_Version = Annotated[Number, Path(description="A rule version of the provider.")]
_Compared = Annotated[Number, Query(description="A rule version of the provider.")]


@routes.get("/providers/{slug}/rules", response_model=list[RuleVersionResponse])
def list_rules(context: Reader, slug: Slug) -> Any:
    """A provider's rule versions, oldest first."""
    provider = context.provider(slug)
    versions = catalog.rule_versions.list_rule_versions(context.session, provider.id)
    return [stored_fields(each, provider=slug) for each in versions]


@routes.get("/providers/{slug}/rules/diff", response_model=RuleDiffResponse)
def diff_rules(context: Reader, slug: Slug, before: _Compared, after: _Compared) -> Any:
    """The differences between two rule versions."""
    old, new = (stored_rule(context.session, _version(context, slug, version)) for version in (before, after))
    differences = rule_differences(old, new)
    return {
        "provider": slug,
        "before": before,
        "after": after,
        "differences": [stored_fields(each) for each in differences],
        "text": difference_lines(differences),
    }


@routes.post("/providers/{slug}/rules/rollback", response_model=ActiveRuleResponse)
def roll_back_rule(context: Admin, slug: Slug, body: DecisionRequest) -> Any:
    """Activates the version that was active before the current one."""
    provider = context.provider(slug)
    version = catalog.rule_versions.roll_back(
        context.session, provider.id, reason=body.reason, created_by_id=context.created_by_id
    )
    context.session.commit()
    return {"provider": slug, "active": version}


@routes.get("/providers/{slug}/rules/{version}", response_model=RuleDetailsResponse)
def show_rule(context: Reader, slug: Slug, version: _Version) -> Any:
    """A rule version with its content and history."""
    stored = _version(context, slug, version)
    events = catalog.rule_versions.events(context.session, context.provider(slug).id, version=version)
    return stored_fields(stored, provider=slug, events=events)


@routes.get("/providers/{slug}/rules/{version}/explain")
def explain_rule_version(context: Reader, slug: Slug, version: _Version) -> Json:
    """What a rule version chose, why, and what it rejected."""
    return explain_rule(stored_rule(context.session, _version(context, slug, version)))


@routes.post("/providers/{slug}/rules/{version}/activate", response_model=ActiveRuleResponse)
def activate_rule(context: Admin, slug: Slug, version: _Version, body: DecisionRequest) -> Any:
    """Activates a rule version; the next sync uses it."""
    provider = context.provider(slug)
    catalog.rule_versions.activate_rule(
        context.session, provider.id, version, reason=body.reason, created_by_id=context.created_by_id
    )
    context.session.commit()
    return {"provider": slug, "active": version}


def _version(context: RequestContext, slug: str, version: int) -> catalog.rule_versions.StoredRuleVersion:
    return catalog.rule_versions.get(context.session, context.provider(slug).id, version)
