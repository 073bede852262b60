"""Rule versions: what each says, which is in use, and why."""

from typing import Annotated, Any

from fastapi import Path, Query

from provider_pipeline import catalog
from provider_pipeline.api.request_models import Decision, Json, Number
from provider_pipeline.api.response_models import ActiveRule, RuleDifferences, RuleDocument, WholeRule
from provider_pipeline.api.routes.common import Slug, document_of, router
from provider_pipeline.api.service import Admin, Call, Reader
from provider_pipeline.rules.difference import difference_lines, rule_differences
from provider_pipeline.rules.generation.explain import explain_rule
from provider_pipeline.sync.config import stored_rule

routes = router("rules")

_Version = Annotated[Number, Path(description="A rule version of the provider.")]
_Compared = Annotated[Number, Query(description="A rule version of the provider.")]


@routes.get("/providers/{slug}/rules", response_model=list[RuleDocument])
def list_rules(call: Reader, slug: Slug) -> Any:
    """A provider's rule versions, oldest first."""
    provider = call.provider(slug)
    return [
        document_of(each, provider=slug) for each in catalog.rule_versions.list_rule_versions(call.session, provider.id)
    ]


@routes.get("/providers/{slug}/rules/diff", response_model=RuleDifferences)
def diff_rules(call: Reader, slug: Slug, before: _Compared, after: _Compared) -> Any:
    """What one rule version says otherwise than another."""
    old, new = (stored_rule(_version(call, slug, version)) for version in (before, after))
    differences = rule_differences(old, new)
    return {
        "provider": slug,
        "before": before,
        "after": after,
        "differences": [document_of(each) for each in differences],
        "text": difference_lines(differences),
    }


@routes.post("/providers/{slug}/rules/rollback", response_model=ActiveRule)
def roll_back(call: Admin, slug: Slug, body: Decision) -> Any:
    """Makes the version active again that was active before the present one."""
    provider = call.provider(slug)
    version = catalog.rule_decisions.roll_back(
        call.session, provider.id, reason=body.reason, created_by_id=call.created_by_id
    )
    call.session.commit()
    return {"provider": slug, "active": version}


@routes.get("/providers/{slug}/rules/{version}", response_model=WholeRule)
def show_rule(call: Reader, slug: Slug, version: _Version) -> Any:
    """A rule version: what it says, and what became of it."""
    stored = _version(call, slug, version)
    events = catalog.rule_versions.events(call.session, call.provider(slug).id, version=version)
    return document_of(stored, provider=slug, events=events)


@routes.get("/providers/{slug}/rules/{version}/explain")
def explain(call: Reader, slug: Slug, version: _Version) -> Json:
    """What a rule version chose and why, with what it did not choose."""
    return explain_rule(stored_rule(_version(call, slug, version)))


@routes.post("/providers/{slug}/rules/{version}/activate", response_model=ActiveRule)
def activate(call: Admin, slug: Slug, version: _Version, body: Decision) -> Any:
    """Makes a rule version the active one; the next sync reads with it."""
    provider = call.provider(slug)
    catalog.rule_decisions.activate_rule(
        call.session, provider.id, version, reason=body.reason, created_by_id=call.created_by_id
    )
    call.session.commit()
    return {"provider": slug, "active": version}


def _version(call: Call, slug: str, version: int) -> catalog.rule_versions.StoredRuleVersion:
    return catalog.rule_versions.get(call.session, call.provider(slug).id, version)
