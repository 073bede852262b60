"""Tries a pattern set beside the active one on every provider's newest accepted listing, and reports what changes."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.errors import CatalogError, ProviderPipelineError
from provider_pipeline.rules.capability_rules import PatternSet
from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.judge import ListingJudge
from provider_pipeline.sync.extract import parse_pages
from provider_pipeline.sync.plan import parse_thresholds

_REPORTED_MODELS: Final = 200
"""Limit of changed models that a report lists per provider; all are counted."""

Capabilities = Mapping[str, bool]


def try_pattern_set(session: Session, digest: str) -> dict[str, Any]:
    """Reads every provider's newest accepted listing with both sets, one page at a time, and stores the report.

    Providers whose rules name no set are left out: nothing changes for them. Commits nothing.

    Returns:
        `digest`, `against` (the active content), `providers` (slug, response, models, changed, and the changed models:
        capability to its value before and after), `skipped` (slug to the reason) and `totals`.
    """
    active, tried = catalog.sync_state.active_patterns(session), catalog.sync_state.stored_patterns(session, digest)
    providers, skipped = [], {}
    for provider in catalog.providers.list_providers(session):
        try:
            found = _provider_report(session, provider, active, tried)
        except ProviderPipelineError as error:
            skipped[provider.slug] = error.message
            continue
        if found is not None:
            providers.append(found)
    turned = Counter[str]()
    for one in providers:
        turned.update(one.pop("turned"))
    report = {
        "digest": digest,
        "against": active.digest,
        "providers": providers,
        "skipped": skipped,
        "totals": {
            "providers": len(providers),
            "models": sum(one["models"] for one in providers),
            "changed": sum(one["changed"] for one in providers),
            "capabilities": dict(sorted(turned.items())),
        },
    }
    catalog.pattern_sets.save_report(session, digest, report)
    return report


def require_tried(session: Session, stored: catalog.pattern_sets.StoredPatternSet) -> None:
    """Check that a report compares this content with the active one.

    Raises:
        CatalogError: It was not tried, or was compared with other content.
    """
    active = catalog.sync_state.active_patterns(session).digest
    if stored.digest == active:
        return
    if stored.report is None or stored.report["against"] != active:
        short = stored.digest[: catalog.pattern_sets.SHORT_DIGEST]
        raise CatalogError(
            f"the pattern set {short} was not tried beside the active one",
            hint=f"run: provider-pipeline patterns try --set {short}; or activate it unseen with --force",
        )


def _provider_report(
    session: Session, provider: catalog.providers.Provider, active: PatternSet, tried: PatternSet
) -> dict[str, Any] | None:
    """The changes for one provider; None if its rule names no set, or it has no rule or listing yet."""
    raw_response_id = catalog.sync_state.get(session, provider.id).raw_response_id
    if provider.active_rule_version is None or raw_response_id is None:
        return None
    version = catalog.rule_versions.active(session, provider.id)
    stored = {"model_list_config": version.model_list_config, "endpoints_config": version.endpoints_config}
    before, after = (ExtractionRule.parse(stored, patterns=patterns) for patterns in (active, tried))
    if before.pattern_set is None:
        return None
    thresholds = parse_thresholds(provider.slug, provider.thresholds)
    judges = [ListingJudge(rule, thresholds=thresholds) for rule in (before, after)]
    changes: dict[str, dict[str, list[bool | None]]] = {}
    models = 0
    for model_id, old, new in _rows(session, raw_response_id, judges, len(before.endpoints)):
        models += 1
        # A model listed by a later endpoint too occurs again, merged with its earlier values.
        changes.pop(model_id, None)
        if old != new:
            names = sorted(name for name in {*old, *new} if old.get(name) is not new.get(name))
            changes[model_id] = {name: [old.get(name), new.get(name)] for name in names}
    models -= sum(judges[0].verdict().superseded.values())
    return {
        "provider": provider.slug,
        "raw_response_id": raw_response_id,
        "models": models,
        "changed": len(changes),
        "changes": dict(sorted(changes.items())[:_REPORTED_MODELS]),
        "turned": Counter(_turn(name, *values) for each in changes.values() for name, values in each.items()),
    }


def _rows(
    session: Session, raw_response_id: int, judges: list[ListingJudge], endpoints: int
) -> Iterator[tuple[str, Capabilities, Capabilities]]:
    """Each model's capabilities by both rules; patterns do not affect which items are models, nor their ids."""
    for endpoint, document in parse_pages(catalog.raw_responses.stored_pages(session, raw_response_id)):
        if endpoint < endpoints:
            old_rows, new_rows = (judge.add_page(document, endpoint=endpoint) for judge in judges)
            for old, new in zip(old_rows, new_rows, strict=True):
                yield old["model_id"], old["capabilities"], new["capabilities"]


def _turn(capability: str, before: bool | None, after: bool | None) -> str:
    names = {True: "yes", False: "no", None: "unknown"}
    return f"{capability}: {names[before]} -> {names[after]}"
